// SPDX-License-Identifier: Apache-2.0

/// A set of addresses, kept as ranges that neither touch nor overlap.
struct AddressRanges {
    /// In ascending order.
    private(set) var ranges: [Range<UInt64>] = []

    /// The first range that ends at `address` or above.
    private func index(endingFrom address: UInt64) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func insert(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        var merged = range
        let first = index(endingFrom: range.lowerBound)
        var last = first
        while last < ranges.count, ranges[last].lowerBound <= range.upperBound {
            merged =
                min(
                    merged.lowerBound, ranges[last].lowerBound)..<max(
                    merged.upperBound, ranges[last].upperBound)
            last += 1
        }
        ranges.replaceSubrange(first..<last, with: [merged])
    }

    mutating func remove(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        let first = index(endingFrom: range.lowerBound)
        var last = first
        var kept: [Range<UInt64>] = []
        while last < ranges.count, ranges[last].lowerBound < range.upperBound {
            let old = ranges[last]
            if old.lowerBound < range.lowerBound {
                kept.append(old.lowerBound..<min(old.upperBound, range.lowerBound))
            }
            if old.upperBound > range.upperBound {
                kept.append(max(old.lowerBound, range.upperBound)..<old.upperBound)
            }
            last += 1
        }
        ranges.replaceSubrange(first..<last, with: kept)
    }

    /// The parts of `range` that are not in the set.
    func missing(in range: Range<UInt64>) -> [Range<UInt64>] {
        var gaps: [Range<UInt64>] = []
        var position = range.lowerBound
        for known in ranges[index(endingFrom: range.lowerBound)...] {
            guard known.lowerBound < range.upperBound else { break }
            if known.lowerBound > position { gaps.append(position..<known.lowerBound) }
            position = max(position, known.upperBound)
        }
        if position < range.upperBound { gaps.append(position..<range.upperBound) }
        return gaps
    }
}
