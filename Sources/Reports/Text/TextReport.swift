// SPDX-License-Identifier: Apache-2.0
//
// What a run shows in a terminal: at most a screen or two, and the verdict last, where the eye is.

import Workloads

/// A report as text for a terminal.
package struct TextReport: CustomStringConvertible {
    private let report: RunReport
    private let colouring: Colouring
    private let width: Int

    /// How many rows each table has at most, so that a run of many processes fits as well.
    private enum Limit {
        static let processes = 10
        static let calls = 10
        static let differences = 8
        static let losses = 4
        static let zones = 4
        static let notes = 5
    }

    /// Lays out a report.
    ///
    /// - Parameters:
    ///   - report: What is shown.
    ///   - colouring: `.ansi` where the output is a terminal that wants colours.
    ///   - width: How many columns there are; longer lines are cut where that loses little.
    package init(_ report: RunReport, colouring: Colouring = .none, width: Int = 100) {
        self.report = report
        self.colouring = colouring
        self.width = max(60, width)
    }

    /// The text, with a line feed at its end.
    package var description: String {
        let sections = [
            origin, processes, comparison, callsAndFaults, memory, lost, peaks, differences,
            failures,
            verdict,
        ].filter { !$0.isEmpty }
        return sections.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    // MARK: Sections, top to bottom

    private var origin: [String] {
        let source = report.source
        var lines = [field("source", "\(source.name) (\(source.kind.rawValue))")]
        if let command = source.command { lines.append(field("command", command)) }
        if let place = source.recordedOn { lines.append(field("recorded", "on \(place)")) }
        let system = report.comparison?.systems.joined(separator: " and ") ?? report.summary.system
        let machine = report.picture.map { ", \($0.configuration)" } ?? ""
        lines.append(field("run on", system + machine))
        let operations = Figures.count(report.summary.operations, "operation")
        let pace = paceText.map { " (\($0))" } ?? ""
        lines.append(
            field("work", "\(operations) in \(Figures.duration(report.summary.elapsed))\(pace)"))
        if let spread = report.spreadText { lines.append(field("CPUs", spread)) }
        lines += report.notes.prefix(Limit.notes).map { field("note", $0) }
        return lines
    }

    private var paceText: String? {
        let seconds = Figures.seconds(report.summary.elapsed)
        guard seconds > 0, report.summary.operations > 0 else { return nil }
        return "\(Figures.count(Int(Double(report.summary.operations) / seconds))) a second"
    }

    private var processes: [String] {
        guard !report.summary.processes.isEmpty else { return [] }
        let table =
            report.comparison?.processTable(limit: Limit.processes)
            ?? report.processTable(limit: Limit.processes)
        return lines(table)
    }

    private var comparison: [String] {
        guard let comparison = report.comparison else { return [] }
        return lines(comparison.figureTable)
    }

    private var callsAndFaults: [String] {
        let calls = report.callTable(limit: Limit.calls)
        let faults = report.faultTable(limit: Limit.calls)
        if calls.rows.isEmpty { return faults.rows.isEmpty ? [] : lines(faults) }
        if faults.rows.isEmpty { return lines(calls) }
        let joined = sideBySide(lines(calls), lines(faults))
        guard joined.contains(where: { visibleCount($0) > width }) else { return joined }
        return lines(calls) + [""] + lines(faults)
    }

    private var memory: [String] {
        let peak = report.summary.peak
        var text = "\(Figures.bytes(peak.resident)) resident, "
        text += "\(Figures.bytes(peak.locked)) locked, "
        text += "\(Figures.bytes(peak.pageTables)) of page tables"
        if report.summary.processes.count > 1 { text += ", summed over processes" }
        var lines = [field("at peak", text)]
        let zones = (report.picture?.zones ?? []).filter { !$0.rows.isEmpty }
        lines += zones.prefix(Limit.zones).map { field("free", $0.line) }
        if zones.count > Limit.zones {
            lines.append(field("", "and \(Figures.count(zones.count - Limit.zones, "zone")) more"))
        }
        return lines
    }

    private var lost: [String] {
        guard report.summaries.contains(where: { !$0.lost.isEmpty }) else { return [] }
        return [colouring.paint("Processes that the run had to do without", .strong)]
            + lines(report.lostTable(limit: Limit.losses))
    }

    private var peaks: [String] {
        guard report.missesPeaks else { return [] }
        return [colouring.paint("Peaks of resident memory, and where the rest is", .strong)]
            + lines(report.peakTable(limit: Limit.losses))
    }

    private var differences: [String] {
        if let comparison = report.comparison {
            guard comparison.findingCount > 0 else { return [] }
            return [colouring.paint(comparison.differenceTitle, .strong)]
                + lines(comparison.differenceTable(limit: Limit.differences))
        }
        guard report.summary.differenceCount > 0 else { return [] }
        return [colouring.paint("Differences from the recording", .strong)]
            + lines(report.differenceTable(limit: Limit.differences))
    }

    private var failures: [String] {
        guard report.failureCount > 0 else { return [] }
        return [colouring.paint("Claims that do not hold", .strong)]
            + lines(report.failureTable(limit: Limit.differences))
    }

    private var verdict: [String] {
        let verdict = Verdict(report)
        // The headline is the last line.
        return verdict.remarks.map(printable)
            + [colouring.paint(printable(verdict.headline), verdict.isGood ? .good : .bad)]
    }

    // MARK: Parts

    private func lines(_ table: Table) -> [String] {
        table.lines(colouring: colouring, width: width)
    }

    private func field(_ name: String, _ value: String) -> String {
        let padding = String(repeating: " ", count: max(0, 10 - name.count))
        return colouring.paint(name, .quiet) + padding
            + shortened(printable(value), to: width - 10)
    }
}
