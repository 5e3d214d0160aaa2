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
        var missedPeaks: [String] = []
        var metPeaks: [String] = []
        var omissions: [String] = []
        for summary in report.summaries {
            // With one system it goes without saying which it was.
            let place = report.comparison == nil ? "" : " on \(summary.system)"
            troubles += Verdict.troubles(summary, place)
            if let peaks = Verdict.peaks(summary, place) {
                if summary.missedPeaks.isEmpty || report.isWhatIf {
                    metPeaks.append(peaks)
                } else {
                    missedPeaks.append(peaks)
                }
            }
            omissions += summary.leftOut.map { Verdict.omission($0, place) }
        }
        if let comparison = report.comparison, comparison.differenceCount > 0 {
            troubles.append(
                "\(Figures.count(comparison.differenceCount, "difference")) between "
                    + comparison.systems.joined(separator: " and ") + ".")
        }
        troubles += missedPeaks
        isGood = troubles.isEmpty
        remarks = Array(troubles.dropFirst()) + metPeaks + omissions + report.systemRemarks
        headline = troubles.first ?? Verdict.agreement(report)
    }

    /// What is wrong on one system.
    private static func troubles(_ summary: RunSummary, _ place: String) -> [String] {
        var troubles: [String] = []
        let lost = summary.lost.filter { !$0.wasExpected }
        if !lost.isEmpty { troubles.append(Verdict.losses(lost, in: summary, place)) }
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
            parts.append(
                summary.checked == 1
                    ? "the one claim holds" : "all \(Figures.count(summary.checked)) claims hold")
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
        let count = summary.comparablePeaks.count
        guard count > 0 else { return nil }
        let tolerance = Figures.percent(RunReport.tolerance)
        return "Peak resident memory\(place) is within \(tolerance) of the recorded one in "
            + "\(Figures.count(count - summary.missedPeaks.count)) of "
            + "\(Figures.count(count, "address space"))."
    }

    /// How many processes were lost, in which ways, and what was left undone.
    private static func losses(
        _ lost: [LostProcess], in summary: RunSummary, _ place: String
    ) -> String {
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
        return list.joined(separator: ", ") + place
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
}

extension RunSummary {
    /// The peak of an address space, held against the recorded one.
    typealias ComparedPeak = (process: ProcessSummary, image: ImageSummary, deviation: Double)

    /// Address spaces that a peak was recorded of and that the run brought to their end.
    var comparablePeaks: [ComparedPeak] {
        processes.flatMap { process in
            process.images.compactMap { image in
                image.deviation.map { (process, image, $0) }
            }
        }
    }

    /// Those of them with a peak that is not near the recorded one.
    var missedPeaks: [ComparedPeak] {
        comparablePeaks.filter { $0.deviation.magnitude > RunReport.tolerance }
    }
}
