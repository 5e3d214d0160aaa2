// SPDX-License-Identifier: Apache-2.0

import Workloads

extension HTMLReport {
    /// How many rows a table has at most: pages are long, and still have an end.
    private enum Limit {
        static let processes = 60
        static let findings = 100
        static let zones = 6
        static let addressSpaces = 3
    }

    // MARK: What it is about

    var header: Markup {
        let source = report.source
        let systems = report.comparison?.systems.joined(separator: " and ") ?? report.summary.system
        let configuration = report.picture.map { ": \($0.configuration)" } ?? ""
        var markup: Markup = """
            <header><p class="over">A \(source.kind.rawValue) run on \(systems)\(configuration)</p>
            <h1>\(source.name)</h1>

            """
        if let command = source.command {
            let place = source.recordedOn.map { ", recorded on \($0)" } ?? ""
            markup += "<p class=\"under\"><code>\(command)</code>\(place)</p>\n"
        }
        markup += "</header>\n"

        let verdict = Verdict(report)
        let style: Markup = verdict.isGood ? "verdict" : "verdict bad"
        let sign = verdict.isGood ? "✓" : "≠"
        markup += "<div class=\"\(style)\" role=\"status\"><b aria-hidden=\"true\">\(sign)</b><div>"
        markup += "<p>\(verdict.headline)\(findingsLink)</p>"
        for remark in verdict.remarks + report.notes { markup += "<p>\(remark)</p>" }
        return markup + "</div></div>\n"
    }

    private var findingsLink: Markup {
        if report.summaries.contains(where: { $0.lost.contains { !$0.wasExpected } }) {
            return " <a href=\"#lost\">Which?</a>"
        }
        if report.failureCount > 0 { return " <a href=\"#claims\">Which?</a>" }
        if let comparison = report.comparison, comparison.findingCount > 0 {
            return " <a href=\"#comparison\">Which?</a>"
        }
        if report.summary.differenceCount > 0 { return " <a href=\"#differences\">Which?</a>" }
        if report.missesPeaks, !report.isWhatIf { return " <a href=\"#peaks\">Which?</a>" }
        return ""
    }

    var cards: Markup {
        let summary = report.summary
        var markup: Markup = "<div class=\"cards\">"
        func add(_ title: String, _ figure: String, _ detail: String) {
            markup += "<div class=\"card\"><span>\(title)</span><b>\(figure)</b>"
            markup += "<span>\(detail)</span></div>\n"
        }
        let peak = summary.peak
        let many = summary.processes.count > 1 ? "all processes" : "at one time"
        add("Peak resident", Figures.bytes(peak.resident), many)
        add("Peak locked", Figures.bytes(peak.locked), many)
        add("Peak page tables", Figures.bytes(peak.pageTables), many)
        let major = summary.processes.reduce(0) { $0 + $1.majorFaults }
        add(
            "Page faults", Figures.count(report.faultCount),
            major > 0
                ? "\(Figures.count(major)) major" : "none major")
        let failed = report.systemCalls.reduce(0) { $0 + $1.errorCount }
        add(
            "System calls", Figures.count(report.callCount),
            failed > 0 ? "\(Figures.count(failed)) failed" : "none failed")
        let living = summary.processes.count { $0.lastStep == nil }
        let fate = living > 0 ? "\(Figures.count(living)) still alive" : "all have ended"
        add(
            "Processes", Figures.count(summary.processes.count),
            summary.lost.isEmpty ? fate : "\(Figures.count(summary.lost.count)) lost")
        add(
            "Operations", Figures.count(summary.operations),
            "in \(Figures.duration(summary.elapsed))")
        return markup + "</div>\n"
    }

    // MARK: Pictures

    var timeline: Markup {
        let chart = AreaChart(TimelineSeries(report.summary))
        let samples = report.summary.timeline.count
        let lead =
            samples > 0
            ? "Resident memory by process, one on top of the other; a page that several map "
                + "counts for each. \(Figures.count(samples, "sample"))."
            : nil
        return section("Memory over time", lead: lead, chart.markup)
    }

    var physicalMemory: Markup {
        guard let picture = report.picture, let memory = picture.memory else { return "" }
        return section(
            titled("Physical memory", picture.moment),
            lead: "\(Figures.bytes(memory.bytes)) in pageblocks of "
                + "\(Figures.bytes(PhysicalMap.pageblockBytes)), from address 0; the colour is that "
                + "of the owner of most of what is in use.",
            PageblockGrid(memory).markup)
    }

    private func titled(_ title: String, _ moment: String?) -> String {
        moment.map { "\(title) \($0)" } ?? title
    }

    /// The first address space, and the others folded away.
    var addressSpaces: Markup {
        let pictures = (report.picture?.addressSpaces ?? []).prefix(Limit.addressSpaces)
        return pictures.enumerated().map { index, picture in
            let mapped = picture.areas.reduce(UInt64(0)) { $0 + $1.length }
            let resident = picture.areas.reduce(UInt64(0)) { $0 + $1.resident }
            // A name that a scenario could use may have the number in it already.
            let number = "\(picture.process.rawValue)"
            let name = picture.name.hasSuffix(number) ? picture.name : "\(picture.name) \(number)"
            let title = titled("Address space of \(name)", picture.moment)
            let lead =
                "\(Figures.count(picture.areas.count, "area")), \(Figures.bytes(mapped)) mapped, "
                + "\(Figures.bytes(resident)) resident. In order, not to scale."
            let strip = AddressSpaceStrip(picture).markup
            guard index > 0 else { return section(title, lead: lead, strip) }
            return """
                <section><details><summary>\(title)</summary>
                <p class="lead">\(lead)</p>
                \(strip)</details></section>

                """
        }.joined()
    }

    var fragmentation: Markup {
        guard let picture = report.picture else { return "" }
        let zones = picture.zones.filter { !$0.rows.isEmpty }
        guard !zones.isEmpty else { return "" }
        var contents: Markup = ""
        for zone in zones.prefix(Limit.zones) {
            contents += "<h3>\(zone.line)</h3>\n\(zone.table.markup)"
        }
        if zones.count > Limit.zones {
            contents += """
                <p class="note">and \(Figures.count(zones.count - Limit.zones, "zone")) more</p>

                """
        }
        return section(
            titled("Free memory and its fragmentation", picture.moment),
            lead: "Unusable: how much of free memory is in blocks too small "
                + "for a request. Fragmentation: why a request would fail, toward 0 for lack of "
                + "memory, toward 1 because free memory is scattered.",
            contents)
    }

    // MARK: Tables

    var callsAndFaults: Markup {
        let calls = report.callTable(limit: .max)
        let faults = report.faultTable(limit: .max)
        var markup: Markup = "<div class=\"pair\">\n"
        markup += section(
            "Page faults by kind",
            faults.rows.isEmpty ? "<p class=\"empty\">There were none.</p>\n" : faults.markup)
        markup += section(
            "System calls",
            calls.rows.isEmpty ? "<p class=\"empty\">None was made.</p>\n" : calls.markup)
        return markup + "</div>\n"
    }

    var processes: Markup {
        let table = report.processTable(limit: Limit.processes)
        guard !table.rows.isEmpty else { return "" }
        return section("Processes", table.markup)
    }

    var lost: Markup {
        guard report.summaries.contains(where: { !$0.lost.isEmpty }) else { return "" }
        return section(
            "Processes that the run had to do without", id: "lost",
            lead: "The work goes on with them, and they ended here or were never made. The run "
                + "went on without them: their later steps, and those of children that they would "
                + "have made, were skipped.",
            boxed(report.lostTable(limit: Limit.findings)))
    }

    var peaks: Markup {
        guard report.missesPeaks else { return "" }
        return section(
            "Peaks of resident memory that are not as recorded", id: "peaks",
            lead: "By kind of memory: how much more was resident than recorded when the address "
                + "space ended.",
            boxed(report.peakTable(limit: Limit.findings)))
    }

    var differences: Markup {
        guard report.summary.differenceCount > 0 else { return "" }
        return section(
            "Differences from the recording", id: "differences",
            lead: "Where a mapping lies elsewhere than recorded, later operations follow it there, "
                + "so that one difference does not bring about the next.",
            boxed(report.differenceTable(limit: Limit.findings)))
    }

    var failures: Markup {
        guard report.failureCount > 0 else { return "" }
        return section(
            "Claims that do not hold", id: "claims",
            boxed(report.failureTable(limit: Limit.findings)))
    }

    var comparison: Markup {
        guard let comparison = report.comparison else { return "" }
        var contents: Markup = "<div class=\"halves\"><div><h3>The whole run</h3>\n"
        contents += comparison.figureTable.markup + "</div>\n"
        let processes = comparison.processTable(limit: 20)
        if !processes.rows.isEmpty {
            contents += "<div><h3>Peak resident memory of each process</h3>\n"
            contents += processes.markup + "</div>\n"
        }
        contents += "</div>\n"
        let count = Figures.count(comparison.differenceCount, "difference")
        contents += "<h3>\(count) in outcomes</h3>\n"
        if comparison.differenceCount > 0 {
            contents += boxed(comparison.differenceTable(limit: Limit.findings))
        }
        return section(
            "\(comparison.systems.joined(separator: " and ")) side by side", id: "comparison",
            contents)
    }

    /// A table that may be long, in a box that scrolls.
    private func boxed(_ table: Table) -> Markup {
        table.rows.count > 20 ? "<div class=\"tall\">\(table.markup)</div>\n" : table.markup
    }

    // MARK: How it was made

    var production: Markup {
        let production = report.production
        var list: Markup = "<dl>"
        func add(_ term: String, _ text: Markup) { list += "<dt>\(term)</dt><dd>\(text)</dd>\n" }
        add("command", "<code>\(production.command)</code>")
        add("source", "\(report.source.name)")
        if let command = report.source.command { add("recorded", "<code>\(command)</code>") }
        if let place = report.source.recordedOn { add("recorded on", "\(place)") }
        let systems = report.comparison?.systems.joined(separator: ", ")
        add("system", "\(systems ?? report.summary.system)")
        if let picture = report.picture { add("machine", "\(picture.configuration)") }
        if let spread = report.spreadText { add("CPUs", "\(spread)") }
        add("version", "Mooring \(production.version)")
        if let date = production.date { add("made", "\(date)") }
        for detail in production.details { add("", "\(detail)") }
        return section("How this was made", list + "</dl>\n")
    }
}
