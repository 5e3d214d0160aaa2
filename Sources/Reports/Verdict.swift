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
        let lost = summary.lost.filter { !$0.wasExpected }
        if !lost.isEmpty { troubles.append(Verdict.losses(lost, in: summary)) }
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
        let missesPeaks = !report.missedPeaks.isEmpty && !report.isWhatIf
        if missesPeaks, let peaks = Verdict.peaks(report) { troubles.append(peaks) }
        isGood = troubles.isEmpty
        remarks = Array(troubles.dropFirst())
        headline = troubles.first ?? Verdict.agreement(report)
        if !missesPeaks, let peaks = Verdict.peaks(report) { remarks.append(peaks) }
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
    private static func peaks(_ report: RunReport) -> String? {
        let count = report.comparablePeaks.count
        guard count > 0 else { return nil }
        return "Peak resident memory is within \(Figures.percent(RunReport.tolerance)) of the "
            + "recorded one in \(Figures.count(count - report.missedPeaks.count)) of "
            + "\(Figures.count(count, "address space"))."
    }

    /// How many processes were lost, in which ways, and what was left undone.
    private static func losses(_ lost: [LostProcess], in summary: RunSummary) -> String {
        var ways: [(text: String, count: Int)] = []
        for process in lost {
            let text = process.cause.text
            if let place = ways.firstIndex(where: { $0.text == text }) {
                ways[place].count += 1
            } else {
                ways.append((text, 1))
            }
        }
        let list = ways.map { way in
            "\(Figures.count(way.count, "process", "processes")) \(way.text)"
        }
        let steps = summary.operations + summary.skippedSteps
        let wantsMemory = lost.contains { $0.cause == .killed(.outOfMemory) }
        return list.joined(separator: ", ")
            + "; \(Figures.count(summary.skippedSteps)) of \(Figures.count(steps, "step")) skipped."
            + (wantsMemory ? " Give the machine more memory." : "")
    }
}

extension LostProcess.Cause {
    /// What happened, after "the process".
    var text: String {
        switch self {
        case .killed(.outOfMemory): "killed for want of memory"
        case .killed(let signal): "ended by \(signal.word)"
        case .failed(.exec, let error): "ended: its execve failed with \(error)"
        case .failed(let call, let error): "never made: \(call.rawValue) failed with \(error)"
        }
    }
}

extension RunReport {
    /// How far a peak may be from the recorded one and still count as near: 5 %.
    static let tolerance = 0.05

    /// Address spaces that a peak was recorded of and that the run brought to their end.
    var comparablePeaks: [(process: ProcessSummary, image: ImageSummary, deviation: Double)] {
        summary.processes.flatMap { process in
            process.images.compactMap { image in
                image.deviation.map { (process, image, $0) }
            }
        }
    }

    /// Those of them with a peak that is not near the recorded one.
    var missedPeaks: [(process: ProcessSummary, image: ImageSummary, deviation: Double)] {
        comparablePeaks.filter { $0.deviation.magnitude > RunReport.tolerance }
    }
}
