// SPDX-License-Identifier: Apache-2.0

import Workloads

extension ComparisonReport {
    /// Machine-wide figures, a column a system.
    var figureTable: Table {
        var table = Table([.left("")] + summaries.map { .right($0.system) })
        func add(_ title: String, _ cell: (RunSummary) -> Table.Cell) {
            table.rows.append([Table.Cell(title)] + summaries.map(cell))
        }
        add("elapsed") { Table.Cell(Figures.duration($0.elapsed)) }
        add("peak resident") { .bytes($0.peak.resident) }
        add("peak locked") { .bytes($0.peak.locked) }
        add("peak page tables") { .bytes($0.peak.pageTables) }
        add("minor faults") { .count($0.processes.reduce(0) { $0 + $1.minorFaults }) }
        add("major faults") { .count($0.processes.reduce(0) { $0 + $1.majorFaults }) }
        add("failed calls") { .count($0.calls.reduce(0) { $0 + $1.errorCount }) }
        if summaries.contains(where: { $0.compared > 0 }) {
            add("differences from the recording") { .count($0.differenceCount) }
        }
        if summaries.contains(where: { $0.checked > 0 }) {
            add("claims that do not hold") { .count($0.failureCount) }
        }
        return table
    }

    /// Peak resident memory of each process, a column a system and one for the recording; of many
    /// processes, those that held most.
    func processTable(limit: Int) -> Table {
        let processes = summaries.first?.processes ?? []
        let isRecording = processes.contains { $0.recordedPeak != nil }
        let isPair = !isRecording && summaries.count == 2
        var columns: [Table.Column] = [.elastic("process"), .right("pid")]
        if isRecording {
            columns.append(
                .right(
                    "recorded",
                    "The most that was resident at one time (VmHWM), as the recording says"))
        }
        for system in systems {
            columns.append(.right(system))
            if isRecording {
                columns.append(
                    .right(
                        "off by",
                        "How far this is from the recorded peak: of the programs that it ran, the "
                            + "one that is off most"))
            }
        }
        if isPair {
            columns.append(.right("off by", "How far the first system's peak is from the second's"))
        }
        var table = Table(columns)
        let kept = Set(
            processes.sorted { $0.peak.resident > $1.peak.resident }.prefix(limit).map(\.process))
        for process in processes where kept.contains(process.process) {
            let everywhere = summaries.map { summary in
                summary.processes.first { $0.process == process.process }
            }
            var row = [Table.Cell(process.name, .strong), "\(process.process.rawValue)"]
            if isRecording {
                row.append(process.recordedPeak.map { .bytes($0) } ?? .none)
                for one in everywhere {
                    row.append(one.map { .bytes($0.peak.resident) } ?? .none)
                    row.append(Table.Cell(offBy: one?.worstDeviation))
                }
            } else {
                row += everywhere.map { $0.map { .bytes($0.peak.resident) } ?? .none }
            }
            if isPair {
                let peaks = everywhere.map { $0?.peak.resident }
                row.append(Table.Cell(offBy: ComparisonReport.deviation(peaks[0], from: peaks[1])))
            }
            table.rows.append(row)
        }
        if processes.count > limit {
            table.remark = "and \(Figures.count(processes.count - limit)) more"
        }
        return table
    }

    private static func deviation(_ one: UInt64?, from other: UInt64?) -> Double? {
        guard let one, let other, other > 0 else { return nil }
        return Double(one) / Double(other) - 1
    }

    /// Operations of which the systems made different things, or one something else than recorded.
    func differenceTable(limit: Int) -> Table {
        let hasLines = differences.contains { $0.line != nil }
        let isRecording = differences.contains { $0.recorded != nil }
        var table = Table(
            [.right(hasLines ? "line" : "step"), .elastic("operation")]
                + (isRecording ? [.elastic("recorded")] : []) + systems.map { .elastic($0) })
        for difference in differences.prefix(limit) {
            let place = hasLines ? difference.line.map { "\($0)" } : nil
            // What stands first is what the others are held against.
            let outcomes =
                (isRecording ? [difference.recorded ?? "–"] : []) + difference.outcomes
            table.rows.append(
                [
                    Table.Cell(place ?? Figures.count(difference.step), .quiet),
                    Table.Cell(difference.operation, .strong),
                ]
                    + outcomes.map { Table.Cell($0, $0 == outcomes[0] ? .plain : .bad) })
        }
        let shown = min(limit, differences.count)
        if findingCount > shown {
            table.remark = "the first \(Figures.count(shown)) of \(Figures.count(findingCount))"
        }
        return table
    }
}
