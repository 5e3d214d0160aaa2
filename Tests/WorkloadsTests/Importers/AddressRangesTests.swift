// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Workloads

@Suite struct AddressRangesTests {
    @Test func `ranges are kept as a set of addresses would be`() {
        var random = SeededRandom.fromEnvironment()
        var ranges = AddressRanges()
        var model: Set<UInt64> = []
        for round in 0..<2000 {
            let start = UInt64.random(in: 0..<60, using: &random)
            let range = start..<start + UInt64.random(in: 0..<12, using: &random)
            if Bool.random(using: &random) {
                ranges.insert(range)
                model.formUnion(range)
            } else {
                ranges.remove(range)
                model.subtract(range)
            }
            let kept = ranges.ranges.flatMap { Array($0) }
            #expect(kept == model.sorted(), "seed \(random.seed), round \(round)")
            for (one, next) in zip(ranges.ranges, ranges.ranges.dropFirst()) {
                #expect(one.upperBound < next.lowerBound)
            }
            let missing = ranges.missing(in: 10..<40).flatMap { Array($0) }
            #expect(missing == (10..<40).filter { !model.contains($0) })
        }
    }
}
