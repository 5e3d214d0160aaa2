// SPDX-License-Identifier: Apache-2.0
//
// From figures to places on a page, and the figures to write along the edges.

/// One direction of a chart: from 0 or more up to a limit.
struct Axis {
    var lowest: Double
    var highest: Double
    /// Where figures are written, and what.
    var ticks: [(value: Double, label: String)]

    /// The share of the way from the lowest to the highest.
    func share(_ value: Double) -> Double {
        highest > lowest ? min(max((value - lowest) / (highest - lowest), 0), 1) : 0
    }

    /// Sizes from 0: ticks at powers of two, the last at or above the largest.
    static func bytes(upTo largest: UInt64) -> Axis {
        var step: UInt64 = 4096
        while step < UInt64(1) << 60, largest.dividedRoundingUp(by: step) > 5 { step *= 2 }
        let count = max(1, largest.dividedRoundingUp(by: step))
        return Axis(
            lowest: 0, highest: Double(count * step),
            ticks: (0...count).map { (Double($0 * step), Figures.bytes($0 * step)) })
    }

    /// Nanoseconds from `first` to `last`.
    static func time(_ first: Double, _ last: Double) -> Axis {
        let (unit, name): (Double, String) =
            switch last {
            case ..<2e3: (1, "ns")
            case ..<2e6: (1e3, "µs")
            case ..<2e9: (1e6, "ms")
            case ..<600e9: (1e9, "s")
            default: (60e9, "min")
            }
        return decimal(first, last, unit: unit) { "\($0) \(name)" }
    }

    /// Counts from `first` to `last`.
    static func count(_ first: Double, _ last: Double) -> Axis {
        decimal(first, last, unit: 1) { $0 }
    }

    /// Ticks at 1, 2 or 5 times a power of ten of a unit; at most nine.
    private static func decimal(
        _ first: Double, _ last: Double, unit: Double, _ label: (String) -> String
    ) -> Axis {
        let span = max(last - first, unit / 1000) / unit
        var step = 1.0
        while step * 10 < span { step *= 10 }
        while step > span { step /= 10 }
        // Between 1 and 10 steps now; finer ones where there are few.
        var decimals = 0
        if span / step < 2 { step /= 5 } else if span / step < 5 { step /= 2 }
        while decimals < 4, !isWhole(step, decimals: decimals) { decimals += 1 }
        var ticks: [(Double, String)] = []
        var index = (first / unit / step).rounded(.up)
        while index * step * unit <= last * (1 + 1e-9), ticks.count < 12 {
            let value = index * step
            let text =
                decimals == 0 || index == 0
                ? Figures.count(Int(value.rounded())) : Figures.fixed(value, decimals: decimals)
            ticks.append((value * unit, label(text)))
            index += 1
        }
        return Axis(lowest: first, highest: last, ticks: ticks.map { (value: $0.0, label: $0.1) })
    }

    private static func isWhole(_ value: Double, decimals: Int) -> Bool {
        var value = value
        for _ in 0..<decimals { value *= 10 }
        return (value - value.rounded()).magnitude < 1e-9
    }
}

extension UInt64 {
    fileprivate func dividedRoundingUp(by divisor: UInt64) -> UInt64 {
        self / divisor + (self % divisor == 0 ? 0 : 1)
    }
}
