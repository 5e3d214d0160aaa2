// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

private final class Trial {
    let index: PageIndex
    var model: [UInt64: PFN] = [:]
    var random: TreeRandom

    init(seed: UInt64) {
        let state = UnsafeMutablePointer<PageIndexState>.allocate(capacity: 1)
        state.initialize(to: PageIndexState())
        index = PageIndex(at: state)
        random = TreeRandom(seed: seed)
    }

    deinit {
        index.removeAll()
        index.state.deallocate()
    }

    /// Mostly near a few places of very different height, so that pages meet.
    func anyOffset() -> UInt64 {
        let bits = [4, 9, 10, 18, 27, 36][random.below(6)] as UInt64
        let base: UInt64 = random.below(2) == 0 ? 0 : (1 << bits) - 8
        return min(base + random.below(UInt64(16)), PageIndex.offsetLimit - 1)
    }

    func present(in range: Range<UInt64>) -> [UInt64] {
        model.keys.filter(range.contains).sorted()
    }

    func compare(_ range: Range<UInt64>) {
        let expected = present(in: range)
        var found: [UInt64] = []
        index.forEach(in: range) { offset, pfn in
            found.append(offset)
            #expect(model[offset] == pfn)
        }
        #expect(found == expected, "in \(range)")
        let first = index.firstPresent(from: range.lowerBound)
        #expect(first?.offset == present(in: range.lowerBound..<(.max)).first)
        #expect(first?.pfn == first.flatMap { model[$0.offset] })
    }
}

@Suite struct PageIndexTests {
    @Test(arguments: TreeRandom.seeds)
    func `does what a dictionary does`(seed: UInt64) throws {
        print("PageIndex against a dictionary: MOORING_SEED=\(seed)")
        let trial = Trial(seed: seed)
        for step in 0..<6000 {
            let offset = trial.anyOffset()
            if trial.random.below(10) < (step / 500 % 2 == 0 ? 7 : 2) {
                let pfn = PFN(trial.random.below(1 << 20))
                let previous = trial.index.insert(offset, pfn)
                #expect(previous == trial.model.updateValue(pfn, forKey: offset) ?? .none)
            } else {
                let previous = trial.index.remove(offset)
                #expect(previous == trial.model.removeValue(forKey: offset) ?? .none)
            }
            try trial.index.checkInvariants()
            #expect(trial.index.count == trial.model.count)
            let other = trial.anyOffset()
            #expect(trial.index.lookup(other) == trial.model[other] ?? .none)
            if step % 16 == 0 {
                trial.compare(min(offset, other)..<max(offset, other))
            }
        }
        trial.compare(0..<PageIndex.offsetLimit)
        trial.compare(0..<(.max))
    }

    @Test func `an empty index has no page anywhere`() throws {
        let trial = Trial(seed: 1)
        for offset in [0, 1, 511, 512, PageIndex.offsetLimit - 1, .max] as [UInt64] {
            #expect(trial.index.lookup(offset) == .none)
            #expect(trial.index.remove(offset) == .none)
            #expect(trial.index.leaf(containing: offset) == nil)
            #expect(trial.index.firstPresent(from: offset) == nil)
        }
        trial.index.removeAll()
        try trial.index.checkInvariants()
    }

    @Test func `hands out a leaf of 512 consecutive pages`() throws {
        let trial = Trial(seed: 1)
        for offset in 1000..<2000 as Range<UInt64> {
            trial.index.insert(offset, PFN(Int(offset) + 7))
        }
        let leaf = try #require(trial.index.leaf(containing: 1234))
        #expect(leaf.firstOffset == 1024)
        #expect((0..<512).allSatisfy { leaf.pfns[$0] == PFN(1024 + $0 + 7) })
        let first = try #require(trial.index.leaf(containing: 600))
        #expect(first.pfns[1000 - 512 - 1] == .none && first.pfns[1000 - 512] == PFN(1007))
        #expect(trial.index.leaf(containing: 2048) == nil)
    }

    @Test func `becomes as low as a small file again when its far end goes`() throws {
        let trial = Trial(seed: 1)
        let far = PageIndex.offsetLimit - 1
        trial.index.insert(3, PFN(1))
        #expect(trial.index.state.pointee.height == 0)
        trial.index.insert(far, PFN(2))
        #expect(trial.index.state.pointee.height == 3)
        #expect(trial.index.remove(far) == PFN(2))
        #expect(trial.index.state.pointee.height == 0)
        #expect(trial.index.lookup(3) == PFN(1) && trial.index.lookup(far) == .none)
        #expect(trial.index.remove(3) == PFN(1))
        #expect(trial.index.state.pointee.root == nil)
        try trial.index.checkInvariants()
    }

    @Test func `a page can be replaced, and all be forgotten`() throws {
        let trial = Trial(seed: 1)
        for offset in 0..<3000 as Range<UInt64> { trial.index.insert(offset, PFN(5)) }
        #expect(trial.index.insert(2999, PFN(6)) == PFN(5))
        #expect(trial.index.count == 3000)
        trial.index.removeAll()
        #expect(trial.index.count == 0 && trial.index.lookup(2999) == .none)
        trial.index.insert(2999, PFN(8))
        try trial.index.checkInvariants()
        #expect(trial.index.lookup(2999) == PFN(8))
    }
}
