// SPDX-License-Identifier: Apache-2.0

extension Table {
    /// The table for a page.
    var markup: Markup {
        var markup: Markup = "<div class=\"scroll\"><table><thead><tr>"
        for column in columns {
            let style: Markup = column.alignment == .right ? " class=\"right\"" : ""
            let meaning: Markup = column.meaning.map { " title=\"\($0)\"" } ?? ""
            markup += "<th scope=\"col\"\(style)\(meaning)>\(column.title)</th>"
        }
        markup += "</tr></thead>\n<tbody>\n"
        for row in rows {
            markup += "<tr>"
            for (column, cell) in zip(columns, row) { markup += Table.markup(cell, in: column) }
            markup += "</tr>\n"
        }
        markup += "</tbody></table></div>\n"
        if let remark { markup += "<p class=\"note\">\(remark)</p>\n" }
        return markup
    }

    private static func markup(_ cell: Cell, in column: Column) -> Markup {
        var styles: [String] = []
        if column.alignment == .right { styles.append("right") }
        if column.yielding == .isCut { styles.append("text") }
        switch cell.tone {
        case .plain: break
        case .quiet: styles.append("quiet")
        case .strong: styles.append("strong")
        case .good: styles.append("good")
        case .bad: styles.append("bad")
        }
        let style: Markup =
            styles.isEmpty ? "" : " class=\"\(styles.joined(separator: " "))\""
        guard let bar = cell.bar else { return "<td\(style)>\(cell.text)</td>" }
        let start = min(max(bar.lowerBound, 0), 1) * 100
        // What is there at all is seen.
        let width =
            bar.upperBound > bar.lowerBound
            ? max(min(max(bar.upperBound, 0), 1) * 100 - start, 0.1) : 0
        return """
            <td\(style)><div class="barred"><span>\(cell.text)</span><i><b \
            style="margin-left:\(start)%;width:\(width)%"></b></i></div></td>
            """
    }
}
