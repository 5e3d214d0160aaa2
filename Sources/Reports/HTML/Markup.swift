// SPDX-License-Identifier: Apache-2.0
//
// Text for a page, HTML or SVG, in which what was put in from outside cannot be taken for markup:
// a literal is markup, an interpolated `String` is text and is escaped. The type system keeps the
// two apart, so that no caller has to remember it. All of it is well-formed XML.

/// Markup for a page, HTML or SVG.
struct Markup: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// The markup as it is written to a file.
    private(set) var text: String

    init() { text = "" }
    init(stringLiteral value: String) { text = value }
    init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    /// Takes text from outside: an element's contents, or an attribute's value between quotes.
    init(escaping text: String) {
        var result = ""
        result.reserveCapacity(text.utf8.count + 16)
        for character in printable(text).unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        self.text = result
    }

    struct StringInterpolation: StringInterpolationProtocol {
        var text = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + interpolationCount * 8)
        }

        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
        mutating func appendInterpolation(_ string: String) {
            text += Markup(escaping: string).text
        }
        mutating func appendInterpolation(_ number: Int) { text += String(number) }
        /// A coordinate: a tenth of a pixel is as fine as anyone sees.
        mutating func appendInterpolation(_ number: Double) { text += coordinate(number) }
    }

    static func += (one: inout Markup, other: Markup) { one.text += other.text }

    static func + (one: Markup, other: Markup) -> Markup {
        var sum = one
        sum += other
        return sum
    }
}

extension Sequence<Markup> {
    /// The pieces one after the other.
    func joined() -> Markup { reduce(into: Markup()) { $0 += $1 } }
}

/// A number with at most one decimal: `12`, `12.5`.
func coordinate(_ number: Double) -> String {
    guard number.isFinite, number.magnitude < 1e12 else { return "0" }
    let tenths = Int((number * 10).rounded())
    let whole = tenths.magnitude / 10
    let rest = tenths.magnitude % 10
    return (tenths < 0 ? "-" : "") + (rest == 0 ? "\(whole)" : "\(whole).\(rest)")
}
