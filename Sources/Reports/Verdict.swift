// SPDX-License-Identifier: Apache-2.0

import Workloads

/// What a run comes to, in a sentence or two.
struct Verdict: Hashable {
    var isGood: Bool
    /// The first sentence says all that matters.
    var headline: String
    /// What else is worth knowing.
    var remarks: [String]

    init(_ report: RunReport) {
        let summary = report.summary
        var troubles: [String] = []
        if let stopped = report.stopped { troubles.append("Stopped early: \(stopped)") }
        let others = report.comparison?.summaries.dropFirst() ?? []
        for run in [summary] + others where run.failureCount > 0 {
            let verb = run.failureCount == 1 ? "does" : "do"
            troubles.append(
                "\(Figures.count(run.failureCount)) of "
                    + "\(Figures.count(run.checked, "claim")) \(verb) not hold"
                    + (others.isEmpty ? "." : " on \(run.system)."))
        }
        if summary.differenceCount > 0 {
            troubles.append(
                "\(Figures.count(summary.differenceCount, "difference")) from the recording, "
                    + "in \(Figures.count(summary.compared, "outcome")) compared.")
        }
        if let comparison = report.comparison, comparison.differenceCount > 0 {
            troubles.append(
                "\(Figures.count(comparison.differenceCount, "difference")) between "
                    + comparison.systems.joined(separator: " and ") + ".")
        }
        isGood = troubles.isEmpty
        remarks = Array(troubles.dropFirst())
        headline = troubles.first ?? Verdict.agreement(report)
        if let peaks = Verdict.peaks(summary) { remarks.append(peaks) }
        if summary.skipped > 0 {
            remarks.append(
                "\(Figures.count(summary.skipped, "claim")) about the machine not checked: "
                    + "this system shares its machine.")
        }
    }

    private static func agreement(_ report: RunReport) -> String {
        let summary = report.summary
        var parts: [String] = []
        if summary.compared > 0 {
            parts.append("all \(Figures.count(summary.compared)) recorded outcomes are reproduced")
        }
        if summary.checked > 0 {
            parts.append("all \(Figures.count(summary.checked, "claim")) hold")
        }
        if let comparison = report.comparison {
            parts.append(comparison.systems.joined(separator: " and ") + " do the same")
        }
        guard !parts.isEmpty else { return "Done: the work says nothing to hold outcomes against." }
        return "Agrees: " + parts.joined(separator: "; ") + "."
    }

    /// How many peaks are near the recorded ones.
    private static func peaks(_ summary: RunSummary) -> String? {
        let deviations = summary.processes.compactMap(\.deviation)
        guard !deviations.isEmpty else { return nil }
        let near = deviations.count { $0.magnitude <= RunReport.tolerance }
        return "Peak resident memory is within \(Figures.percent(RunReport.tolerance)) of the "
            + "recorded one in \(near) of \(Figures.count(deviations.count, "process", "processes"))."
    }
}

extension RunReport {
    /// How far a peak may be from the recorded one and still count as near: 5 %.
    static let tolerance = 0.05
}
