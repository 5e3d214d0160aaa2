// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// The tree against a sorted array that does the same in the obvious way.
private struct Model {
    var vmas: [VMARef] = []

    func place(of address: UInt64) -> Int {
        vmas.firstIndex { $0.end > address } ?? vmas.count
    }

    /// The free ranges in order of address, less the guard gaps of the VMAs above them.
    func gaps(upTo top: UInt64) -> [(bottom: UInt64, top: UInt64)] {
        var gaps: [(bottom: UInt64, top: UInt64)] = []
        var bottom: UInt64 = 0
        for vma in vmas {
            gaps.append((bottom, max(bottom, vma.guardedStart)))
            bottom = vma.end
        }
        gaps.append((bottom, max(bottom, top)))
        return gaps
    }

    /// Every page that would do, tried one by one.
    func places(_ query: GapQuery) -> [UInt64] {
        gaps(upTo: query.ceiling).flatMap { gap -> [UInt64] in
            let bottom = max(gap.bottom, query.floor)
            let top = min(gap.top, query.ceiling)
            guard top >= bottom, top - bottom >= query.length else { return [] }
            return stride(from: bottom, through: top - query.length, by: 4096).filter {
                ($0 &- query.offset) % query.alignment == 0
            }
        }
    }
}

private struct GapQuery {
    var length: UInt64
    var floor: UInt64
    var ceiling: UInt64
    var alignment: UInt64
    var offset: UInt64

    init(random: inout TreeRandom, pages: UInt64) {
        alignment = 4096 << random.below(UInt64(5))
        offset = 4096 * random.below(UInt64(40))
        length = 4096 * (1 + random.below(random.below(2) == 0 ? UInt64(8) : UInt64(400)))
        let one = 4096 * random.below(pages)
        let other = 4096 * random.below(pages)
        (floor, ceiling) =
            random.below(3) == 0 ? (min(one, other), max(one, other)) : (0, 4096 * pages)
    }
}

/// A tree, its model, and random changes made to both.
private final class Trial {
    let tree = VMATree()
    let arena = VMAArena()
    var model = Model()
    var random: TreeRandom
    let pages: UInt64

    init(seed: UInt64, pages: UInt64) {
        random = TreeRandom(seed: seed)
        self.pages = pages
    }

    deinit { tree.deallocate() }

    func change(growing: Bool) throws {
        switch random.below(10) {
        case 0..<(growing ? 5 : 2): insert()
        case 0..<6: remove()
        case 6, 7: setBounds()
        default: changeFlags()
        }
        try tree.checkInvariants()
        #expect(tree.count == model.vmas.count)
    }

    func insert() {
        let start = 4096 * random.below(pages)
        let place = model.place(of: start)
        let top = place < model.vmas.count ? model.vmas[place].start : 4096 * pages
        guard start < top else { return }
        let length = 4096 * (1 + random.below(min((top - start) / 4096, 12)))
        let vma = arena.make(start, start + length, flags: randomFlags())
        tree.insert(vma)
        model.vmas.insert(vma, at: place)
    }

    func remove() {
        guard !model.vmas.isEmpty else { return }
        let vma = model.vmas.remove(at: random.below(model.vmas.count))
        tree.remove(vma)
        #expect(vma.previous == nil && vma.next == nil)
        arena.recycle(vma)
    }

    func setBounds() {
        guard !model.vmas.isEmpty else { return }
        let place = random.below(model.vmas.count)
        let vma = model.vmas[place]
        let bottom = place > 0 ? model.vmas[place - 1].end : 0
        let top = place + 1 < model.vmas.count ? model.vmas[place + 1].start : 4096 * pages
        let startPage = (bottom / 4096) + random.below((vma.end - bottom) / 4096)
        let endPage = startPage + 1 + random.below(top / 4096 - startPage)
        tree.setBounds(of: vma, start: startPage * 4096, end: endPage * 4096)
        #expect(vma.start == startPage * 4096 && vma.end == endPage * 4096)
    }

    func changeFlags() {
        guard !model.vmas.isEmpty else { return }
        let vma = model.vmas[random.below(model.vmas.count)]
        vma.flags = randomFlags()
        tree.refresh(vma)
    }

    /// Some rights, and now and then a guard gap.
    func randomFlags() -> VMAFlags {
        let rights = VMAFlags(rawValue: random.below(UInt64(8)))
        return random.below(16) == 0 ? rights.union(.growsDown) : rights
    }

    func compareSearches() {
        let address = random.below(4096 * pages)
        let place = model.place(of: address)
        let expected = place < model.vmas.count ? model.vmas[place] : nil
        #expect(tree.find(address) == expected)
        compare(tree.locate(address), with: expected, at: address)
        let end = address + 1 + random.below(UInt64(40_000))
        #expect(tree.isFree(start: address, end: end) == (expected?.start ?? .max >= end))
    }

    /// What a leaf says must be true of the VMA, whether or not it says all.
    func compare(_ located: VMAPlace?, with expected: VMARef?, at address: UInt64) {
        #expect(located?.outline.vma == expected)
        guard let located, let expected else { return }
        #expect(located.outline.rights == expected.flags.intersection(.rights))
        #expect(located.end == expected.end)
        #expect(located.start >= expected.start && located.start < expected.end)
        #expect((located.start <= address) == (expected.start <= address))
    }

    func compareGaps() {
        var query = GapQuery(random: &random, pages: pages)
        if random.below(2) == 0 {
            // Bounds and a length that just let a gap do.
            let gaps = model.gaps(upTo: 4096 * pages).filter { $0.top > $0.bottom }
            if let gap = gaps.randomElement(using: &random) {
                query.length = gap.top - gap.bottom
                query.alignment = 4096
                if random.below(2) == 0 { query.floor = gap.bottom }
                if random.below(2) == 0 { query.ceiling = max(gap.top, query.floor) }
            }
        }
        let places = model.places(query)
        let highest = tree.highestGap(
            length: query.length, floor: query.floor, ceiling: query.ceiling,
            alignment: query.alignment, alignmentOffset: query.offset)
        #expect(highest == places.last, "\(query)")
        let lowest = tree.lowestGap(
            length: query.length, floor: query.floor, ceiling: query.ceiling,
            alignment: query.alignment, alignmentOffset: query.offset)
        #expect(lowest == places.first, "\(query)")
    }
}

@Suite struct VMATreeTests {
    @Test(arguments: TreeRandom.seeds)
    func `does what a sorted array does`(seed: UInt64) throws {
        print("VMATree against a sorted array: MOORING_SEED=\(seed)")
        let trial = Trial(seed: seed, pages: 1 << 12)
        for round in 0..<6 {
            for _ in 0..<1000 {
                try trial.change(growing: round % 2 == 0)
                trial.compareSearches()
            }
        }
        #expect(
            Array(sequence(first: trial.tree.first, next: { $0?.next }).prefix { $0 != nil })
                == trial.model.vmas)
    }

    @Test(arguments: TreeRandom.seeds)
    func `finds the same gaps as a look at every page`(seed: UInt64) throws {
        print("VMATree gaps: MOORING_SEED=\(seed)")
        let trial = Trial(seed: seed, pages: 1500)
        for round in 0..<4 {
            for _ in 0..<250 {
                try trial.change(growing: round % 2 == 0)
                trial.compareGaps()
            }
        }
    }

    @Test func `an empty tree has one gap and no VMA`() throws {
        let tree = VMATree()
        defer { tree.deallocate() }
        #expect(tree.find(0) == nil)
        #expect(tree.find(.max) == nil)
        #expect(tree.first == nil && tree.last == nil && tree.count == 0)
        #expect(tree.isFree(start: 0, end: 1 << 47))
        #expect(tree.highestGap(length: 4096, floor: 0, ceiling: 1 << 47) == (1 << 47) - 4096)
        #expect(tree.lowestGap(length: 4096, floor: 65536, ceiling: 1 << 47) == 65536)
        #expect(tree.highestGap(length: 8192, floor: 0, ceiling: 4096) == nil)
        try tree.checkInvariants()
    }

    @Test func `holds the first and the last page of the address space`() throws {
        let top: UInt64 = 1 << 47
        let tree = VMATree()
        let arena = VMAArena()
        defer { tree.deallocate() }
        let lowest = arena.make(0, 4096)
        let highest = arena.make(top - 4096, top)
        tree.insert(highest)
        tree.insert(lowest)
        try tree.checkInvariants()
        #expect(tree.find(0) == lowest && tree.find(4095) == lowest)
        #expect(tree.find(4096) == highest && tree.find(top - 1) == highest)
        #expect(tree.find(top) == nil && tree.find(.max) == nil)
        #expect(tree.highestGap(length: 4096, floor: 0, ceiling: top) == top - 8192)
        #expect(tree.lowestGap(length: 4096, floor: 0, ceiling: top) == 4096)
        #expect(tree.highestGap(length: top - 8192, floor: 0, ceiling: top) == 4096)
        #expect(tree.highestGap(length: top - 4096, floor: 0, ceiling: top) == nil)
        #expect(tree.highestGap(length: .max, floor: 0, ceiling: .max) == nil)
        #expect(tree.lowestGap(length: 4096, floor: 0, ceiling: .max - 4095) == 4096)
    }

    @Test func `keeps the guard gap of a stack free, but not from those who ask by address`() {
        let tree = VMATree()
        let arena = VMAArena()
        defer { tree.deallocate() }
        let stack = arena.make(1 << 30, (1 << 30) + 4096, flags: .growsDown)
        tree.insert(stack)
        let guarded = (1 << 30) - VMARef.stackGuardGap
        #expect(tree.highestGap(length: 4096, floor: 0, ceiling: 1 << 30) == guarded - 4096)
        #expect(tree.isFree(start: guarded, end: 1 << 30))
        #expect(
            tree.lowestGap(length: 4096, floor: guarded, ceiling: 1 << 40)
                == (1 << 30) + 4096)
    }

    @Test(arguments: ["ascending", "descending", "shuffled"])
    func `holds 60,000 VMAs and gives them all back`(order: String) throws {
        let tree = VMATree()
        let arena = VMAArena()
        defer { tree.deallocate() }
        let base: UInt64 = 1 << 32
        var random = TreeRandom(seed: 7)
        var vmas = (0..<60_000).map { arena.make(base + $0 * 4096, base + ($0 + 1) * 4096) }
        switch order {
        case "descending": vmas.reverse()
        case "shuffled": vmas.shuffle(using: &random)
        default: break
        }
        for vma in vmas { tree.insert(vma) }
        try tree.checkInvariants()
        let top = base + 60_000 * 4096
        #expect(tree.highestGap(length: 4096, floor: 0, ceiling: top) == base - 4096)
        #expect(tree.lowestGap(length: 4096, floor: base, ceiling: .max) == top)
        for vma in vmas { #expect(tree.find(vma.start) == vma) }
        // In a row, only the nodes on the way to the last one inserted may have room.
        if order != "shuffled" {
            #expect(tree.nodeCounts.allSatisfy { $0.notFull <= 2 }, "\(tree.nodeCounts)")
        }
        vmas.shuffle(using: &random)
        for (index, vma) in vmas.enumerated() {
            tree.remove(vma)
            if index % 5000 == 0 { try tree.checkInvariants() }
        }
        try tree.checkInvariants()
        #expect(tree.count == 0 && tree.state.pointee.height == 0)
    }
}

extension VMATree {
    /// For each level from the root down, how many nodes there are and how many have room.
    fileprivate var nodeCounts: [(nodes: Int, notFull: Int)] {
        var level = [state.pointee.root]
        var counts: [(nodes: Int, notFull: Int)] = []
        for depth in 0...state.pointee.height {
            counts.append((level.count, level.count { !$0.isFull }))
            if depth < state.pointee.height {
                level = level.flatMap { node in (0..<node.count).map { node.child($0) } }
            }
        }
        return counts
    }
}
