// SPDX-License-Identifier: Apache-2.0
//
// The tables of a report, for a terminal and a page alike.

import Mooring
import Workloads

extension RunReport {
    /// Processes in the order of appearance; of many, those that held most.
    func processTable(limit: Int) -> Table {
        let hasRecorded = summary.processes.contains { $0.recordedPeakResident != nil }
        var table = Table(RunReport.processColumns(hasRecorded: hasRecorded))
        let kept = Set(processesByPeak.prefix(limit).map(\.process))
        for process in summary.processes where kept.contains(process.process) {
            table.rows.append(row(process, hasRecorded: hasRecorded))
        }
        let rest = processesByPeak.dropFirst(limit)
        if let largest = rest.first {
            table.remark =
                "and \(Figures.count(rest.count)) more, of which none held more than "
                + "\(Figures.bytes(largest.peak.resident))"
        }
        return table
    }

    private static func processColumns(hasRecorded: Bool) -> [Table.Column] {
        let columns: [Table.Column] = [
            .elastic("process"), .right("pid"), .right("parent"),
            .left(
                "lifetime", "From the step it appeared in to the step it ended in",
                yielding: .isDropped),
            .right(
                "peak resident", short: "resident",
                "The most that was resident at one time (VmHWM)"),
            .right("locked", "The most that was locked (VmLck), as seen after calls that lock"),
            .right("page tables", short: "tables", "The most that its page tables took (VmPTE)"),
            .right("minor", "Faults that waited for no device"),
            .right("major", "Faults that waited for a device"),
        ]
        guard hasRecorded else { return columns }
        return columns + [
            .right(
                "recorded peak", short: "recorded",
                "The most that was resident at one time (VmHWM), as the recording says"),
            .right(
                "off by",
                "How far the peak is from the recorded one: of the programs that it ran, the one "
                    + "that is off most"),
        ]
    }

    private func row(_ process: ProcessSummary, hasRecorded: Bool) -> [Table.Cell] {
        let steps = Double(stepCount)
        let start = Double(process.firstStep) / steps
        let end = process.lastStep.map { Double($0 + 1) / steps } ?? 1
        let isKilled = summary.lost.contains {
            $0.process == process.process && $0.step == process.lastStep
        }
        let lifetime = Table.Cell(
            Figures.count(process.firstStep) + "–"
                + (process.lastStep.map { Figures.count($0) } ?? "end")
                + (isKilled ? ", killed" : ""), isKilled ? .bad : .plain,
            bar: start...max(start, min(1, end)))
        let cells: [Table.Cell] = [
            Table.Cell(process.name, .strong), "\(process.process.rawValue)",
            process.parent.map { "\($0.rawValue)" } ?? .none,
            lifetime, .bytes(process.peak.resident), .bytes(process.peak.locked),
            .bytes(process.peak.pageTables), .count(process.minorFaults),
            .count(process.majorFaults),
        ]
        guard hasRecorded else { return cells }
        return cells + [
            process.recordedPeak.map { .bytes($0) } ?? .none,
            Table.Cell(offBy: process.worstDeviation),
        ]
    }

    /// System calls, the most frequent first.
    func callTable(limit: Int) -> Table {
        var table = Table([
            .left("system call"), .right("count"), .right("failed"), .elastic("errors"),
        ])
        let calls = systemCalls
        let most = Double(max(1, calls.first?.count ?? 1))
        for call in calls.prefix(limit) {
            let failed = call.errorCount
            table.add(
                Table.Cell(call.kind.rawValue, .strong),
                Table.Cell(Figures.count(call.count), bar: 0...min(1, Double(call.count) / most)),
                failed == 0 ? .none : Table.Cell(Figures.count(failed), .bad),
                Table.Cell(errorText(call.errors)))
        }
        table.remark = remark(calls.count - limit, "other call")
        return table
    }

    /// Faults by kind, the most frequent first.
    func faultTable(limit: Int) -> Table {
        var table = Table([.left("fault"), .right("count"), .right("share")])
        let faults = faults
        let total = Double(max(1, faultCount))
        let most = Double(max(1, faults.first?.count ?? 1))
        for fault in faults.prefix(limit) {
            table.add(
                Table.Cell(fault.kind),
                Table.Cell(Figures.count(fault.count), bar: 0...(Double(fault.count) / most)),
                Table.Cell(Figures.percent(Double(fault.count) / total), .quiet))
        }
        table.remark = remark(faults.count - limit, "other kind")
        return table
    }

    private func errorText(_ errors: [Errno: Int]) -> String {
        errors.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
            .map { "\($0.key) ×\(Figures.count($0.value))" }.joined(separator: ", ")
    }

    private func remark(_ left: Int, _ noun: String) -> String? {
        left > 0 ? "and \(Figures.count(left, noun))" : nil
    }
}

extension Table.Cell {
    /// How far a figure is from the one it should be: 0.05 is 5 % more.
    init(offBy deviation: Double?) {
        guard let deviation else {
            self = .none
            return
        }
        self.init(
            Figures.deviation(deviation),
            deviation.magnitude <= RunReport.tolerance ? .good : .bad)
    }
}

extension ZoneFragmentation {
    /// Free blocks and the two indexes by order.
    var table: Table {
        var table = Table([
            .right("order"), .right("block"), .right("free blocks"),
            .right("free memory", "In blocks of exactly this order"),
            .right(
                "unusable", "How much of free memory a request of this order cannot use: 0 to 1"),
            .right(
                "fragmentation",
                "Why a request would fail: toward 0 for lack of memory, toward 1 because free "
                    + "memory is scattered"),
        ])
        let most = Double(max(1, rows.map(\.freeBytes).max() ?? 1))
        for row in rows {
            let succeeds = row.fragmentation < 0
            table.add(
                "\(row.order)", .bytes(row.blockBytes), .count(row.freeBlocks),
                Table.Cell(
                    Figures.bytes(row.freeBytes), row.freeBytes == 0 ? .quiet : .plain,
                    bar: 0...(Double(row.freeBytes) / most)),
                Table.Cell(
                    Figures.thousandths(row.unusable), row.unusable == 0 ? .quiet : .plain,
                    bar: 0...(Double(min(max(row.unusable, 0), 1000)) / 1000)),
                succeeds
                    ? Table.Cell("would succeed", .quiet)
                    : Table.Cell(
                        Figures.thousandths(row.fragmentation),
                        bar: 0...(Double(min(row.fragmentation, 1000)) / 1000)))
        }
        return table
    }

    /// The zone in one line.
    var line: String {
        guard freeBytes > 0 else { return "\(name): nothing free" }
        let largest = rows.last { $0.freeBlocks > 0 }?.blockBytes ?? 0
        var line = "\(name): \(Figures.bytes(freeBytes)) free"
        if let huge = rows.first(where: { $0.order == 9 }) {
            line += ", \(Figures.percent(Double(huge.unusable) / 1000)) of it unusable for 2 MiB"
        }
        return line + "; largest block \(Figures.bytes(largest))"
    }
}
