// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reports

@Suite struct MarkupTests {
    @Test func `literals are markup, and what is put in is text`() {
        let name = "<b> & \"c\""
        let inner: Markup = "<i>\(name)</i>"
        let outer: Markup = "<p title='\(name)'>\(inner)</p>"
        #expect(
            outer.text == "<p title='&lt;b&gt; &amp; &quot;c&quot;'>"
                + "<i>&lt;b&gt; &amp; &quot;c&quot;</i></p>")
    }

    @Test(
        arguments: [
            (0, "0"), (12, "12"), (12.34, "12.3"), (12.96, "13"), (-0.04, "0"), (-3.5, "-3.5"),
            (.nan, "0"), (.infinity, "0"),
        ] as [(Double, String)])
    func `coordinates are as fine as anyone sees`(number: Double, text: String) {
        #expect(coordinate(number) == text)
    }
}
