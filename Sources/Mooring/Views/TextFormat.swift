// SPDX-License-Identifier: Apache-2.0
//
// Columns, hexadecimal numbers and kilobytes as the kernel prints them: what printf does elsewhere,
// since the engine imports no library that has one.

/// A value in a column of at least `width` characters: to the right, or to the left if negative.
func padded(_ value: some CustomStringConvertible, _ width: Int) -> String {
    let text = value.description
    let space = String(repeating: " ", count: max(0, abs(width) - text.utf8.count))
    return width < 0 ? text + space : space + text
}

/// A text of many lines as it grows: a string for each line would cost more than to look up what it
/// says.
struct TextBuffer {
    private var bytes: [UInt8] = []

    /// All of it.
    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends a number that is not negative to the right of a column.
    mutating func append(_ value: Int, width: Int) {
        let start = bytes.count
        var rest = value
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        appendSpaces(width - (bytes.count - start))
        bytes[start...].reverse()
    }

    /// Appends a number in hexadecimal with at least eight digits: `%08lx`.
    mutating func append(hexadecimal value: UInt64) {
        let digits = max(8, (67 - value.leadingZeroBitCount) / 4)
        for place in stride(from: 4 * (digits - 1), through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(place)) & 15
            bytes.append(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10))
        }
    }

    /// Appends a line of smaps or meminfo: the name and a colon in 16 columns, the value in 8.
    mutating func appendField(_ name: String, _ value: Int, unit: String = " kB") {
        append(name)
        append(":")
        appendSpaces(15 - name.utf8.count)
        append(value, width: 8)
        append(unit)
        append("\n")
    }

    /// Appends a line of status in kilobytes.
    mutating func appendStatus(_ name: String, pages: Int) {
        append(name)
        append(":\t")
        append(pages.kilobytes, width: 8)
        append(" kB\n")
    }

    /// Appends blanks up to a column of the line that begins at `start`.
    mutating func pad(to column: Int, from start: Int) {
        appendSpaces(column - (bytes.count - start))
    }

    /// How many bytes it has.
    var count: Int { bytes.count }

    private mutating func appendSpaces(_ count: Int) {
        for _ in 0..<max(0, count) { bytes.append(UInt8(ascii: " ")) }
    }
}

/// Thousandths with three decimals: `0.123`, `-1.000`.
package func thousandths(_ value: Int) -> String {
    let digits = String(value.magnitude % 1000)
    let decimals = String(repeating: "0", count: 3 - digits.utf8.count) + digits
    return "\(value < 0 ? "-" : "")\(value.magnitude / 1000).\(decimals)"
}

extension Int {
    /// This many pages in kilobytes.
    var kilobytes: Int { self << (Int(pageShift) - 10) }
}
