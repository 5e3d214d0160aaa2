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

    /// Peak resident memory of each process, a column a system; of many, those that held most.
    func processTable(limit: Int) -> Table {
        let hasDeviation = summaries.count == 2
        var table = Table(
            [.elastic("process"), .right("pid")] + summaries.map { .right($0.system) }
                + (hasDeviation
                    ? [.right("off by", "How far the first system's peak is from the second's")]
                    : []))
        let processes = summaries.first?.processes ?? []
        let kept = Set(
            processes.sorted { $0.peak.resident > $1.peak.resident }.prefix(limit).map(\.process))
        for process in processes where kept.contains(process.process) {
            let peaks = summaries.map { summary in
                summary.processes.first { $0.process == process.process }?.peak.resident
            }
            var row = [Table.Cell(process.name, .strong), "\(process.process.rawValue)"]
            row += peaks.map { $0.map { .bytes($0) } ?? .none }
            if hasDeviation {
                if let one = peaks[0], let other = peaks[1], other > 0 {
                    row.append(Table.Cell(Figures.deviation(Double(one) / Double(other) - 1)))
                } else {
                    row.append(.none)
                }
            }
            table.rows.append(row)
        }
        if processes.count > limit {
            table.remark = "and \(Figures.count(processes.count - limit)) more"
        }
        return table
    }

    /// Operations of which the systems made different things.
    func differenceTable(limit: Int) -> Table {
        let hasLines = differences.contains { $0.line != nil }
        var table = Table(
            [.right(hasLines ? "line" : "step"), .elastic("operation")]
                + systems.map { .elastic($0) })
        for difference in differences.prefix(limit) {
            let place = hasLines ? difference.line.map { "\($0)" } : nil
            let outcomes = summaries.indices.map { index in
                index < difference.outcomes.count
                    ? Table.Cell(difference.outcomes[index], index == 0 ? .plain : .bad) : .none
            }
            table.rows.append(
                [
                    Table.Cell(place ?? Figures.count(difference.step), .quiet),
                    Table.Cell(difference.operation, .strong),
                ] + outcomes)
        }
        let shown = min(limit, differences.count)
        if differenceCount > shown {
            table.remark = "the first \(Figures.count(shown)) of \(Figures.count(differenceCount))"
        }
        return table
    }
}
