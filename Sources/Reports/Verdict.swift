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
        var troubles: [String] = []
        if let stopped = report.stopped { troubles.append("Stopped early: \(stopped)") }
        var peaks: [String] = []
        var omissions: [String] = []
        for summary in report.summaries {
            // With one system it goes without saying which it was.
            let place = report.comparison == nil ? "" : " on \(summary.system)"
            troubles += Verdict.troubles(summary, place)
            if let near = Verdict.peaks(summary, place) { peaks.append(near) }
            omissions += summary.leftOut.map { Verdict.omission($0, place) }
        }
        if let comparison = report.comparison, comparison.differenceCount > 0 {
            troubles.append(
                "\(Figures.count(comparison.differenceCount, "difference")) between "
                    + comparison.systems.joined(separator: " and ") + ".")
        }
        isGood = troubles.isEmpty
        remarks = Array(troubles.dropFirst()) + peaks + omissions + report.systemRemarks
        headline = troubles.first ?? Verdict.agreement(report)
    }

    /// What is wrong on one system.
    private static func troubles(_ summary: RunSummary, _ place: String) -> [String] {
        var troubles: [String] = []
        if summary.failureCount > 0 {
            let verb = summary.failureCount == 1 ? "does" : "do"
            troubles.append(
                "\(Figures.count(summary.failureCount)) of "
                    + "\(Figures.count(summary.checked, "claim")) \(verb) not hold\(place).")
        }
        if summary.differenceCount > 0 {
            troubles.append(
                "\(Figures.count(summary.differenceCount, "difference")) from the recording\(place), "
                    + "in \(Figures.count(summary.compared, "outcome")) compared.")
        }
        return troubles
    }

    /// What was left out on one system for one reason.
    private static func omission(_ leftOut: LeftOut, _ place: String) -> String {
        var parts: [String] = []
        if leftOut.operations > 0 {
            parts.append("\(Figures.count(leftOut.operations, "operation")) left out")
        }
        if leftOut.claims > 0 {
            parts.append("\(Figures.count(leftOut.claims, "claim")) passed over")
        }
        return parts.joined(separator: " and ") + place + ": " + leftOut.reason
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
            let isWhole = !report.summaries.contains { summary in
                summary.leftOut.contains { $0.operations > 0 }
            }
            parts.append(
                comparison.systems.joined(separator: " and ") + " do the same"
                    + (isWhole ? "" : " but for what was left out"))
        }
        guard !parts.isEmpty else { return "Done: the work says nothing to hold outcomes against." }
        return "Agrees: " + parts.joined(separator: "; ") + "."
    }

    /// How many peaks are near the recorded ones.
    private static func peaks(_ summary: RunSummary, _ place: String) -> String? {
        let deviations = summary.processes.compactMap(\.deviation)
        guard !deviations.isEmpty else { return nil }
        let near = deviations.count { $0.magnitude <= RunReport.tolerance }
        let tolerance = Figures.percent(RunReport.tolerance)
        return "Peak resident memory\(place) is within \(tolerance) of the recorded one in "
            + "\(near) of \(Figures.count(deviations.count, "process", "processes"))."
    }
}

extension RunReport {
    /// How far a peak may be from the recorded one and still count as near: 5 %.
    static let tolerance = 0.05
}
