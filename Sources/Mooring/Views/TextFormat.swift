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

/// A number in hexadecimal with at least `digits` digits: `%08lx`.
func hex(_ value: UInt64, digits: Int = 8) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

/// A line of smaps or meminfo without its unit: the name and a colon in 16 columns, the value in 8.
func field(_ name: String, _ value: Int) -> String {
    "\(padded(name + ":", -16))\(padded(value, 8))"
}

/// A line of smaps or meminfo in kilobytes.
func kilobyteField(_ name: String, _ kilobytes: Int) -> String {
    field(name, kilobytes) + " kB\n"
}

/// A line of status in kilobytes.
func kilobyteStatus(_ name: String, pages: Int) -> String {
    "\(name):\t\(padded(pages.kilobytes, 8)) kB\n"
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
