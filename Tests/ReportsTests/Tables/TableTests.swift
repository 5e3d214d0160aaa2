// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reports

@Suite struct TableTests {
    private func table() -> Table {
        var table = Table([
            .elastic("operation"), .right("count"), .left("when", yielding: .isDropped),
            .left("note"),
        ])
        table.add("mmap 4K rw private anonymous", .count(12_345), "at noon", "")
        table.add("brk", .count(0), "later", "odd")
        return table
    }

    @Test func `columns are aligned, and nothing trails`() {
        #expect(
            table().lines() == [
                "operation                      count  when     note",
                "mmap 4K rw private anonymous  12,345  at noon",
                "brk                                0  later    odd",
            ])
    }

    @Test func `a narrow terminal first drops and then cuts`() {
        #expect(table().lines(width: 43).first == "operation                      count  note")
        #expect(
            table().lines(width: 34) == [
                "operation              count  note",
                "mmap 4K rw private …  12,345",
                "brk                        0  odd",
            ])
    }

    @Test func `colours take no room`() {
        let lines = table().lines(colouring: .ansi)
        #expect(lines[1] == "mmap 4K rw private anonymous  12,345  at noon")
        #expect(lines[2].contains("\u{1B}[2m0\u{1B}[0m"))
        #expect(visibleCount(lines[2]) == table().lines()[2].count)
    }

    @Test func `two blocks stand side by side`() {
        #expect(
            sideBySide(["a", "bbb"], ["1", "2", "3"], gap: 2) == ["a    1", "bbb  2", "     3"])
        #expect(sideBySide(["a", "b"], [], gap: 2) == ["a", "b"])
    }

    @Test func `the page has the same cells`() {
        var table = Table([.left("a <b>"), .right("n", "what \"n\" is")])
        table.add(Table.Cell("x & y", .strong), Table.Cell("7", bar: 0.25...0.5))
        let html = table.markup.text
        #expect(html.contains("<th scope=\"col\">a &lt;b&gt;</th>"))
        #expect(html.contains("title=\"what &quot;n&quot; is\""))
        #expect(html.contains("<td class=\"strong\">x &amp; y</td>"))
        #expect(html.contains("margin-left:25%;width:25%"))
    }
}
