// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// A tree and an array in the order that the tree promises.
private final class Trial {
    typealias Node = UnsafeMutablePointer<IntervalNode>

    let tree: IntervalTree
    var model: [Node] = []
    var random: TreeRandom

    init(seed: UInt64) {
        let state = UnsafeMutablePointer<IntervalTreeState>.allocate(capacity: 1)
        state.initialize(to: IntervalTreeState())
        tree = IntervalTree(at: state)
        random = TreeRandom(seed: seed)
    }

    deinit {
        for node in model { node.deallocate() }
        tree.state.deallocate()
    }

    func insert(_ first: UInt64, _ last: UInt64) {
        let node = Node.allocate(capacity: 1)
        node.initialize(to: IntervalNode(first: first, last: last))
        tree.insert(node)
        let place = model.firstIndex { $0.pointee.first > first } ?? model.count
        model.insert(node, at: place)
    }

    func remove(at place: Int) {
        let node = model.remove(at: place)
        tree.remove(node)
        node.deallocate()
    }

    func overlapping(_ first: UInt64, _ last: UInt64) -> [Node] {
        var found: [Node] = []
        var node = tree.first(overlapping: first, last)
        while let current = node {
            found.append(current)
            node = tree.next(after: current, overlapping: first, last)
        }
        return found
    }

    func compare(_ first: UInt64, _ last: UInt64) {
        let expected = model.filter { $0.pointee.first <= last && $0.pointee.last >= first }
        #expect(overlapping(first, last) == expected, "overlapping \(first)...\(last)")
    }
}

@Suite struct IntervalTreeTests {
    @Test(arguments: TreeRandom.seeds, [8, 400, UInt64.max])
    func `finds what a look at every interval finds`(seed: UInt64, span: UInt64) throws {
        print("IntervalTree against an array: MOORING_SEED=\(seed)")
        let trial = Trial(seed: seed)
        for step in 0..<4000 {
            let isGrowing = step / 500 % 2 == 0
            if trial.model.isEmpty || trial.random.below(10) < (isGrowing ? 7 : 3) {
                let first = trial.random.below(span)
                let room = min(span - first, trial.random.below(4) == 0 ? span : span / 16 + 1)
                trial.insert(first, first + trial.random.below(room))
            } else {
                trial.remove(at: trial.random.below(trial.model.count))
            }
            try trial.tree.checkInvariants()
            #expect(trial.tree.count == trial.model.count)
            #expect(trial.tree.isEmpty == trial.model.isEmpty)
            if step % 4 == 0 {
                let first = trial.random.below(span)
                trial.compare(first, first + trial.random.below(span - first))
                trial.compare(first, first)
            }
        }
        trial.compare(0, .max)
    }

    @Test func `keeps a thousand equal intervals in the order of their insertion`() throws {
        let trial = Trial(seed: 1)
        for _ in 0..<1000 { trial.insert(5, 9) }
        trial.insert(4, 4)
        trial.insert(6, 6)
        try trial.tree.checkInvariants()
        trial.compare(5, 5)
        for _ in 0..<500 { trial.remove(at: trial.random.below(trial.model.count)) }
        try trial.tree.checkInvariants()
        trial.compare(9, 9)
        trial.compare(0, .max)
        trial.compare(10, .max)
    }

    @Test func `reaches the last offset there is`() throws {
        let trial = Trial(seed: 1)
        trial.insert(0, .max)
        trial.insert(.max, .max)
        trial.insert(0, 0)
        trial.insert(.max - 1, .max)
        try trial.tree.checkInvariants()
        for (first, last) in [(0, 0), (0, .max), (.max, .max), (1, .max - 2)] as [(UInt64, UInt64)]
        {
            trial.compare(first, last)
        }
        while !trial.model.isEmpty {
            trial.remove(at: 0)
            try trial.tree.checkInvariants()
            trial.compare(0, .max)
        }
        #expect(trial.tree.isEmpty)
    }

    @Test func `stays low under insertions in order`() throws {
        let trial = Trial(seed: 1)
        for offset in 0..<4000 as Range<UInt64> { trial.insert(offset, offset) }
        func height(_ node: UnsafeMutablePointer<IntervalNode>?) -> Int {
            guard let node else { return 0 }
            return 1 + max(height(node.pointee.left), height(node.pointee.right))
        }
        #expect(height(trial.tree.state.pointee.root) < 48)
    }
}
