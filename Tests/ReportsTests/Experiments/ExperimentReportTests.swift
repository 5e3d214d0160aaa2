// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Experiments
@testable import Reports

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct ExperimentReportTests {
    /// Two designs at two places, with a figure that one of them does not have.
    private static func result(mark: String = "") -> ExperimentResult {
        var result = ExperimentResult(
            name: "sample" + mark, question: "What is it?" + mark,
            settings: [.init(name: "pages", values: [1024])], variable: "processes",
            places: ["1", "256" + mark], designs: ["none", "count" + mark])
        let walks = result.addFigure("walks" + mark, .ratio, "walks for each page" + mark)
        let times = result.addFigure("time", .nanoseconds, isMeasured: true, "time for each page")
        result[walks, 0, 0] = 0
        result[walks, 0, 1] = 1.5
        result[walks, 1, 1] = 0
        result[times, 0, 0] = 12.34
        result[times, 1, 1] = 4321
        result.claim("count: no walks" + mark, true)
        result.claim("none: walks", false)
        result.notes.append("a note" + mark)
        return result
    }

    @Test func `a terminal shows a column a design, and which claims hold`() {
        let text = ExperimentText(Self.result()).description
        #expect(
            text == """
                sample: What is it?
                pages 1,024

                walks
                walks for each page
                processes  none  count
                1          0.00      –
                256        1.50   0.00

                time, measured here
                time for each page
                processes     none    count
                1          12.3 ns        –
                256              –  4.32 µs

                note: a note

                holds  count: no walks
                DOES NOT HOLD  none: walks

                """)
    }

    @Test func `JSON has every value, and null where there is none`() throws {
        let text = try ExperimentJSON(Self.result()).encoded()
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["schema"] as? String == "mooring.experiment/1")
        #expect(object["settings"] as? [String: [Int]] == ["pages": [1024]])
        let figures = try #require(object["figures"] as? [[String: Any]])
        #expect(figures.map { $0["measured"] as? Bool } == [false, true])
        let values = try #require(figures[0]["values"] as? [String: [Any]])
        #expect(values["none"]?.last as? Double == 1.5)
        #expect(values["count"]?.first is NSNull)
        let claims = try #require(object["claims"] as? [[String: Any]])
        #expect(claims.map { $0["holds"] as? Bool } == [true, false])
    }

    @Test(arguments: ["", "\"'><script>alert(1)</script>&\u{1B}[31m\u{202E}"])
    func `the page is well-formed, complete in itself, and has a line a design`(
        mark: String
    ) throws {
        let html = ExperimentHTML(Self.result(mark: mark), version: "1").html
        let parser = XMLParser(data: Data(html.utf8))
        let isWellFormed = parser.parse()
        #expect(
            isWellFormed, "line \(parser.lineNumber): \(String(describing: parser.parserError))")
        #expect(!html.contains("<script>alert"))
        for sign in ["http:", "https:", "src=", "@import", "<link"] {
            #expect(!html.contains(sign), "\(sign)")
        }
        // Two pictures of two designs each.
        #expect(html.components(separatedBy: "<path class=\"series").count == 5)
        #expect(html.components(separatedBy: "<circle").count == 6)
        #expect(html.contains("Not all that is claimed holds."))
    }
}
