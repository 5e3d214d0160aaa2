// SPDX-License-Identifier: Apache-2.0
//
// The report as a page: one file, which needs no network and no script. What the sections hold:
// `HTMLSections`; the pictures: Charts.

import Workloads

/// A report as one self-contained page.
package struct HTMLReport {
    let report: RunReport

    package init(_ report: RunReport) { self.report = report }

    /// The page, as the contents of a file in UTF-8.
    package var html: String {
        var body: Markup = ""
        body += header
        body += cards
        body += timeline
        body += lost
        body += comparison
        body += physicalMemory
        body += addressSpaces
        body += callsAndFaults
        body += processes
        body += peaks
        body += differences
        body += failures
        body += fragmentation
        body += production
        return HTMLPage.text(
            title: report.source.name, version: report.production.version, body)
    }

    /// A titled part of the page; `nil` contents leave it out.
    func section(_ title: String, id: String? = nil, lead: String? = nil, _ contents: Markup)
        -> Markup
    {
        let anchor: Markup = id.map { " id=\"\($0)\"" } ?? ""
        let leading: Markup = lead.map { "<p class=\"lead\">\($0)</p>\n" } ?? ""
        return "<section\(anchor)><h2>\(title)</h2>\n\(leading)\(contents)</section>\n"
    }
}
