// SPDX-License-Identifier: Apache-2.0

import Foundation
import Mooring
import Testing

@testable import Reports
@testable import Workloads

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct HTMLReportTests {
    /// Shapes that are easy, and those that are hard to draw.
    static let shapes: [(name: String, shape: SampleShape)] = [
        ("typical", .init(differences: 5)),
        ("one", .init(processes: 1, failures: 2, isRecording: false)),
        ("twelve", .init(processes: 12, isCompared: true, areas: 120)),
        ("forty", .init(processes: 40, differences: 300)),
        ("empty", .init(processes: 0, samples: 0, areas: 0)),
        ("single-sample", .init(processes: 2, samples: 1, memory: .mebibytes(64))),
        ("tebibyte", .init(processes: 3, memory: .tebibytes(1))),
        ("small", .init(processes: 2, samples: 20, memory: .mebibytes(512), areas: 8)),
    ]

    @Test(arguments: shapes.map(\.name))
    func `is well-formed, of bearable size, and complete in itself`(name: String) throws {
        let shape = try #require(HTMLReportTests.shapes.first { $0.name == name }).shape
        let html = HTMLReport(.sample(shape)).html
        #expect(html.utf8.count < 400_000)
        try expectWellFormed(html)
        for sign in ["http:", "https:", "src=", "@import", "<link", "url(h"] {
            #expect(!html.contains(sign), "\(sign)")
        }
        if let folder = ProcessInfo.processInfo.environment["MOORING_REPORT_SAMPLES"] {
            try html.write(toFile: "\(folder)/\(name).html", atomically: true, encoding: .utf8)
        }
    }

    @Test func `text from outside cannot become markup`() throws {
        let mark = "\"'><script>alert(1)</script>&\u{1B}[31m\u{202E}"
        var report = RunReport.sample(
            .init(differences: 3, failures: 2, isCompared: true, mark: mark))
        report.stopped = mark
        report.notes = [mark]
        let html = HTMLReport(report).html
        try expectWellFormed(html)
        #expect(!html.contains("<script>alert"))
        #expect(!html.contains("\u{1B}"))
        #expect(!html.contains("\u{202E}"))
        #expect(html.contains("&lt;script&gt;"))
    }

    private func expectWellFormed(_ html: String) throws {
        let parser = XMLParser(data: Data(html.utf8))
        let isWellFormed = parser.parse()
        #expect(
            isWellFormed, "line \(parser.lineNumber): \(String(describing: parser.parserError))")
    }
}
