// SPDX-License-Identifier: Apache-2.0
//
// Numbers as people read them. One place, so that a figure is written alike in a terminal and in
// a page.

/// Numbers as people read them.
package enum Figures {
    private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    /// A size: `0`, `412 KiB`, `3.2 MiB`, `64 MiB`.
    static func bytes(_ bytes: UInt64) -> String {
        guard bytes > 0 else { return "0" }
        var unit = 0
        while unit < units.count - 1, bytes >> UInt64(10 * unit) >= 1024 { unit += 1 }
        let value = Double(bytes) / Double(UInt64(1) << UInt64(10 * unit))
        // What rounds up to 1024 of a unit is 1 of the next.
        if value >= 1023.5, unit < units.count - 1 { return "1 \(units[unit + 1])" }
        let isWhole = bytes & ((1 << UInt64(10 * unit)) - 1) == 0
        return "\(fixed(value, decimals: isWhole || value >= 99.95 ? 0 : 1)) \(units[unit])"
    }

    /// How much more one size is than another: `+1.2 MiB`, `-340 KiB`, `0`.
    static func difference(_ bytes: UInt64, from other: UInt64) -> String {
        guard bytes != other else { return "0" }
        return bytes > other
            ? "+" + Figures.bytes(bytes - other) : "-" + Figures.bytes(other - bytes)
    }

    /// A size in the largest unit that it is a whole number of: `3,968 MiB`.
    package static func exactBytes(_ bytes: UInt64) -> String {
        guard bytes > 0 else { return "0" }
        let unit = min(bytes.trailingZeroBitCount / 10, units.count - 1)
        return "\(count(bytes >> UInt64(10 * unit))) \(units[unit])"
    }

    /// A count with its thousands set apart: `12,345`.
    static func count(_ count: some BinaryInteger) -> String {
        let digits = String(count.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return (count < 0 ? "-" : "") + text
    }

    /// A count and its noun: `1 process`, `12 processes`.
    package static func count(
        _ count: some BinaryInteger, _ one: String, _ many: String? = nil
    ) -> String {
        "\(Figures.count(count)) \(count == 1 ? one : many ?? one + "s")"
    }

    /// A number with so many decimals.
    static func fixed(_ value: Double, decimals: Int) -> String {
        guard value.isFinite else { return "?" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value.magnitude * scale).rounded()
        guard scaled < 9e15 else { return String(value) }
        let whole = UInt64(scaled)
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard decimals > 0 else { return sign + String(whole) }
        let divisor = UInt64(scale)
        let rest = String(whole % divisor)
        let padding = String(repeating: "0", count: decimals - rest.count)
        return "\(sign)\(whole / divisor).\(padding)\(rest)"
    }

    /// A share of one: `12 %`, `0.4 %`, `<0.1 %`.
    static func percent(_ share: Double) -> String {
        let value = share * 100
        guard value != 0 else { return "0 %" }
        if value < 0.1 { return "<0.1 %" }
        if value > 99.9, value < 100 { return ">99.9 %" }
        let isWhole = value == value.rounded()
        return "\(fixed(value, decimals: isWhole || value >= 9.95 ? 0 : 1)) %"
    }

    /// How far something is off: `+1.2 %`, `0.0 %`.
    static func deviation(_ share: Double) -> String {
        let text = fixed(share * 100, decimals: share.magnitude < 10 ? 1 : 0)
        return (share > 0 && text != "0.0" ? "+" : "") + text + " %"
    }

    /// Nanoseconds: `1.24 s`, `312 ms`, `45 µs`.
    static func nanoseconds(_ time: Double) -> String {
        switch time {
        case ..<1: "0 s"
        case ..<1e3: "\(fixed(time, decimals: 0)) ns"
        case ..<1e6: "\(short(time / 1e3)) µs"
        case ..<1e9: "\(short(time / 1e6)) ms"
        case ..<600e9: "\(short(time / 1e9)) s"
        default: "\(fixed(time / 60e9, decimals: 1)) min"
        }
    }

    static func duration(_ duration: Duration) -> String { nanoseconds(seconds(duration) * 1e9) }

    static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }

    /// Thousandths: `0.123`.
    static func thousandths(_ value: Int) -> String {
        fixed(Double(value) / 1000, decimals: 3)
    }

    static func address(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }

    /// Three digits: `1.24`, `12.4`, `124`.
    private static func short(_ value: Double) -> String {
        fixed(value, decimals: value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
    }
}
