// SPDX-License-Identifier: Apache-2.0
//
// The tables of what is not as it should be.

import Mooring
import Workloads

extension RunReport {
    /// With two systems each finding says on which it was made.
    private var placeColumns: [Table.Column] { comparison == nil ? [] : [.left("on")] }

    private func place(_ summary: RunSummary) -> [Table.Cell] {
        comparison == nil ? [] : [Table.Cell(summary.system)]
    }

    /// Processes that the work goes on with, and the run had to do without.
    func lostTable(limit: Int) -> Table {
        let losses = summaries.flatMap { summary in summary.lost.map { (summary, $0) } }
        let hasLines = losses.contains { $0.1.line != nil }
        var table = Table(
            placeColumns + [
                .elastic("process"), .right("pid"), .right(hasLines ? "line" : "step"),
                .left("what became of it"), .right("held", "What was resident when it was killed"),
                .right("free", "The machine's free memory at that moment"),
                .right("skipped", "Its later steps, and those of children that it would have made"),
                .elastic("while it did"),
            ])
        for (summary, lost) in losses.prefix(limit) {
            table.rows.append(
                place(summary) + [
                    Table.Cell(lost.name, .strong), "\(lost.process.rawValue)",
                    Table.Cell(lost.line.map { "\($0)" } ?? Figures.count(lost.step), .quiet),
                    Table.Cell(
                        lost.cause.text + (lost.wasExpected ? ", as claimed" : ""),
                        lost.wasExpected ? .plain : .bad),
                    lost.held.map { .bytes($0.resident) } ?? .none,
                    lost.freeMemory.map { .bytes($0) } ?? .none, .count(lost.skippedSteps),
                    Table.Cell(lost.operation),
                ])
        }
        if losses.count > limit { table.remark = "and \(Figures.count(losses.count - limit)) more" }
        return table
    }

    /// Peaks that are not near the recorded ones, and in what kind of memory the rest is.
    func peakTable(limit: Int) -> Table {
        var table = Table(
            placeColumns + [
                .elastic("program"), .right("pid"), .right("peak resident", short: "peak"),
                .right("recorded"), .right("off by"),
                .right("anonymous", "How much more was resident at the end than recorded, by kind"),
                .right("files", "How much more was resident at the end than recorded, by kind"),
                .right(
                    "shared memory", short: "shared",
                    "How much more was resident at the end than recorded, by kind"),
            ])
        let missed = summaries.flatMap { summary in summary.missedPeaks.map { (summary, $0) } }
            .sorted { $0.1.deviation.magnitude > $1.1.deviation.magnitude }
        for (summary, (process, image, deviation)) in missed.prefix(limit) {
            func rest(_ kind: KeyPath<ResidentFigures, UInt64>) -> Table.Cell {
                guard let recorded = image.recordedLastResident else { return .none }
                let here = image.lastResident[keyPath: kind]
                return Table.Cell(
                    Figures.difference(here, from: recorded[keyPath: kind]),
                    here == recorded[keyPath: kind] ? .quiet : .plain)
            }
            table.rows.append(
                place(summary) + [
                    Table.Cell(image.name, .strong), "\(process.process.rawValue)",
                    .bytes(image.peakResident),
                    image.recordedPeakResident.map { .bytes($0) } ?? .none,
                    Table.Cell(Figures.deviation(deviation), isWhatIf ? .plain : .bad),
                    rest(\.anonymous), rest(\.file), rest(\.sharedMemory),
                ])
        }
        if missed.count > limit { table.remark = "and \(Figures.count(missed.count - limit)) more" }
        return table
    }

    /// Whether a peak is not near the recorded one.
    var missesPeaks: Bool { summaries.contains { !$0.missedPeaks.isEmpty } }

    /// How many claims do not hold, counted on each system.
    var failureCount: Int { summaries.reduce(0) { $0 + $1.failureCount } }

    /// Where outcomes differ from those recorded.
    func differenceTable(limit: Int) -> Table {
        var table = Table([
            .right("step"), .left("differs in"), .elastic("operation"), .elastic("recorded"),
            .elastic("got"),
        ])
        for difference in summary.differences.prefix(limit) {
            table.add(
                Table.Cell(Figures.count(difference.step), .quiet),
                Table.Cell(difference.kind.rawValue), Table.Cell(difference.operation, .strong),
                Table.Cell(difference.recorded.description),
                Table.Cell(difference.got.description, .bad))
        }
        let shown = min(limit, summary.differences.count)
        if summary.differenceCount > shown { table.remark = differenceCounts(shown: shown) }
        return table
    }

    /// Differences by what differs: `12 in all: 3 outcome, 9 placement`.
    private func differenceCounts(shown: Int) -> String {
        let kinds = Difference.Kind.allCases.compactMap { kind in
            summary.differenceCounts[kind].map { "\(Figures.count($0)) \(kind.rawValue)" }
        }
        return "the first \(Figures.count(shown)) of \(Figures.count(summary.differenceCount)): "
            + kinds.joined(separator: ", ")
    }

    /// Claims that do not hold.
    func failureTable(limit: Int) -> Table {
        var table = Table(
            [.right("line")] + placeColumns + [.elastic("claim"), .elastic("but got")])
        let failures = summaries.flatMap { summary in summary.failures.map { (summary, $0) } }
        for (summary, failure) in failures.prefix(limit) {
            table.rows.append(
                [Table.Cell("\(failure.line)", .quiet)] + place(summary)
                    + [Table.Cell(failure.text, .strong), Table.Cell(failure.got, .bad)])
        }
        let shown = min(limit, failures.count)
        let count = failureCount
        if count > shown {
            table.remark = "the first \(Figures.count(shown)) of \(Figures.count(count))"
        }
        return table
    }
}
