// SPDX-License-Identifier: Apache-2.0
//
// A table as a value: reports make one, a terminal and a page lay it out.

/// What a piece of text is to its reader; colour follows from it.
enum Tone: Hashable, Sendable {
    case plain
    /// Worth less attention: a zero, a unit.
    case quiet
    /// What to look at first.
    case strong
    case good
    case bad
}

/// Whether a text may hold colours.
package enum Colouring: Sendable {
    case none
    /// For a terminal that understands ANSI sequences.
    case ansi

    /// The text as this tone looks.
    func paint(_ text: String, _ tone: Tone) -> String {
        guard self == .ansi, !text.isEmpty else { return text }
        let code: Int
        switch tone {
        case .plain: return text
        case .quiet: code = 2
        case .strong: code = 1
        case .good: code = 32
        case .bad: code = 31
        }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}

/// A table as a value.
struct Table: Sendable {
    enum Alignment: Sendable {
        case left
        case right
    }

    /// What happens to a column where a terminal is too narrow.
    enum Yielding: Sendable {
        case stays
        /// Its texts are cut.
        case isCut
        /// It is left out.
        case isDropped
    }

    struct Column: Sendable {
        var title: String
        var alignment: Alignment
        /// What it means, for who asks: a tooltip in a page.
        var meaning: String?
        /// The title where room is scarce: in a terminal.
        var short: String?
        /// What happens to it where a terminal is too narrow.
        var yielding = Yielding.stays

        static func left(
            _ title: String, _ meaning: String? = nil, yielding: Yielding = .stays
        ) -> Column {
            Column(title: title, alignment: .left, meaning: meaning, yielding: yielding)
        }

        static func right(_ title: String, short: String? = nil, _ meaning: String? = nil)
            -> Column
        {
            Column(title: title, alignment: .right, meaning: meaning, short: short)
        }

        /// A column of text of any length.
        static func elastic(_ title: String, _ meaning: String? = nil) -> Column {
            Column(title: title, alignment: .left, meaning: meaning, yielding: .isCut)
        }
    }

    struct Cell: Sendable, ExpressibleByStringInterpolation {
        var text: String
        var tone = Tone.plain
        /// A bar from one share of the width to another, in a page.
        var bar: ClosedRange<Double>?

        init(_ text: String, _ tone: Tone = .plain, bar: ClosedRange<Double>? = nil) {
            self.text = printable(text)
            self.tone = tone
            self.bar = bar
        }

        init(stringLiteral value: String) { self.init(value) }

        /// A size.
        static func bytes(_ bytes: UInt64) -> Cell {
            Cell(Figures.bytes(bytes), bytes == 0 ? .quiet : .plain)
        }

        static func count(_ count: some BinaryInteger) -> Cell {
            Cell(Figures.count(count), count == 0 ? .quiet : .plain)
        }

        /// Nothing to say.
        static let none = Cell("–", .quiet)
    }

    var columns: [Column]
    var rows: [[Cell]] = []
    /// What is not in it: `and 12 more`.
    var remark: String?

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ cells: Cell...) {
        precondition(cells.count == columns.count, "a row has a cell for each column")
        rows.append(cells)
    }
}

extension Table {
    private static let gap = 2

    /// The table for a terminal, one string a line, without trailing blanks.
    func lines(colouring: Colouring = .none, width: Int = .max) -> [String] {
        var shown = Array(columns.indices)
        var widths = columns.indices.map { index in
            rows.reduce(title(index).count) { max($0, $1[index].text.count) }
        }
        func total() -> Int { shown.reduce(Table.gap * (shown.count - 1)) { $0 + widths[$1] } }
        for index in columns.indices
        where columns[index].yielding == .isDropped && total() > width {
            shown.removeAll { $0 == index }
        }
        // The widest gives way first.
        let least = 12
        while total() > width {
            let elastic = shown.filter {
                columns[$0].yielding == .isCut && widths[$0] > max(least, title($0).count)
            }
            guard let widest = elastic.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        let head = columns.indices.map { Cell(title($0), .quiet) }
        var lines = ([head] + rows).map { line($0, shown, widths, colouring) }
        if let remark { lines.append(colouring.paint(remark, .quiet)) }
        return lines
    }

    private func title(_ index: Int) -> String { columns[index].short ?? columns[index].title }

    private func line(
        _ cells: [Cell], _ shown: [Int], _ widths: [Int], _ colouring: Colouring
    ) -> String {
        var line = ""
        // Blanks are held back until something follows them.
        var blanks = 0
        for index in shown {
            let text = shortened(cells[index].text, to: widths[index])
            let padding = widths[index] - text.count
            if columns[index].alignment == .right { blanks += padding }
            if !text.isEmpty {
                line += String(repeating: " ", count: blanks)
                line += colouring.paint(text, cells[index].tone)
                blanks = 0
            }
            if columns[index].alignment == .left { blanks += padding }
            blanks += Table.gap
        }
        return line
    }
}

/// The text in at most `width` characters; what is cut off is marked.
func shortened(_ text: String, to width: Int) -> String {
    guard text.count > width else { return text }
    return width > 1 ? text.prefix(width - 1) + "…" : String(text.prefix(width))
}

/// Two blocks of lines next to each other.
func sideBySide(_ left: [String], _ right: [String], gap: Int = 4) -> [String] {
    let widths = left.map(visibleCount)
    let width = (widths.max() ?? 0) + gap
    return (0..<max(left.count, right.count)).map { index in
        guard index < right.count, !right[index].isEmpty else { return left[index] }
        guard index < left.count else {
            return String(repeating: " ", count: width) + right[index]
        }
        return left[index] + String(repeating: " ", count: width - widths[index]) + right[index]
    }
}

/// How many columns of a terminal a line takes: colours take none.
func visibleCount(_ line: String) -> Int {
    var count = 0
    var isInSequence = false
    for character in line {
        if character == "\u{1B}" { isInSequence = true }
        if !isInSequence { count += 1 }
        if isInSequence, character == "m" { isInSequence = false }
    }
    return count
}
