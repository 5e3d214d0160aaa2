// SPDX-License-Identifier: Apache-2.0
//
// The VMAs of one address space in order of address: a B+tree.
//
// STATE      Leaves hold outlines of VMAs, inner nodes hold nodes; each slot says where its item
//            ends and which is the greatest gap in it. The VMAs also form a list, `previous` and
//            `next`.
// INVARIANT  A slot's end is exact, not a bound: the first slot that ends above an address holds
//            the first VMA that does, so that a search never has to step sideways.
//            A VMA's gap is what lies free below it, down to the VMA before or to address 0, less
//            the guard gap that a stack claims. What is free above the last VMA is in no slot.
// LOCKS      None here. Searches only read; all else needs the address space's lock exclusively.
// SEE        VMATree+Gaps.swift for the search for free ranges.

/// What is behind a ``VMATree``.
struct VMATreeState {
    var root: VMATreeNode
    /// How many levels of inner nodes are above the leaves.
    var height = 0
    /// Where the last VMA ends; 0 if there is none.
    var lastEnd: UInt64 = 0
    var first: VMARef?
    var last: VMARef?
    var count = 0
    /// The VMA inserted last, which may be gone: compared, never followed.
    var newest: VMARef?
    var store: VMATreeNodeStore
    /// The inner nodes passed on the way to the leaf at hand, and the slot taken in each.
    let path: UnsafeMutablePointer<Step>

    struct Step {
        let node: VMATreeNode
        let slot: Int
    }

    /// More levels than any tree has: with nodes of 4 slots and 2 used, 2^40 VMAs.
    static let greatestHeight = 40
}

/// The VMAs of an address space, by address.
struct VMATree {
    let state: UnsafeMutablePointer<VMATreeState>

    /// An empty tree.
    init() {
        var store = VMATreeNodeStore()
        let root = store.allocate()
        state = .allocate(capacity: 1)
        state.initialize(
            to: VMATreeState(
                root: root, store: store,
                path: .allocate(capacity: VMATreeState.greatestHeight)))
    }

    /// Gives the tree's memory back; the VMAs are the caller's.
    func deallocate() {
        state.pointee.store.deallocate()
        state.pointee.path.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// How many VMAs it has.
    @inline(__always)
    var count: Int { state.pointee.count }

    /// The VMA with the lowest addresses.
    @inline(__always)
    var first: VMARef? { state.pointee.first }

    /// The VMA with the highest addresses.
    @inline(__always)
    var last: VMARef? { state.pointee.last }

    /// The first VMA that ends above `address`; it may also start above it.
    ///
    /// - Complexity: O(log n).
    @inline(__always)
    func find(_ address: UInt64) -> VMARef? {
        SchedulingPoint.reach(.read, state)
        guard address < state.pointee.lastEnd else { return nil }
        let leaf = leaf(above: address)
        return leaf.vma(leaf.slot(above: address))
    }

    /// The first VMA that ends above `address`, as ``find(_:)``, without a look at the VMA where
    /// its leaf knows enough.
    ///
    /// - Complexity: O(log n).
    @inline(__always)
    func locate(_ address: UInt64) -> VMAPlace? {
        guard address < state.pointee.lastEnd else { return nil }
        let leaf = leaf(above: address)
        leaf.fetchItems()
        let slot = leaf.slot(above: address)
        let outline = leaf.outline(slot)
        let start: UInt64
        if outline.touchesPrevious {
            // The VMA before ends at or below the address, or the search had found that one.
            start = slot > 0 ? leaf.ends[slot - 1] : address
        } else {
            start = outline.vma.start
        }
        return VMAPlace(outline: outline, start: start, end: leaf.ends[slot])
    }

    /// The leaf with the first VMA that ends above `address`; there is one.
    @inline(__always)
    private func leaf(above address: UInt64) -> VMATreeNode {
        var node = state.pointee.root
        var level = state.pointee.height
        while level > 0 {
            node = node.child(node.slot(above: address))
            level &-= 1
        }
        return node
    }

    /// Whether no VMA has an address in `start..<end`; a stack's guard gap is free.
    @inline(__always)
    func isFree(start: UInt64, end: UInt64) -> Bool {
        guard let vma = find(start) else { return true }
        return vma.start >= end
    }

    // MARK: Changes

    /// Adds a VMA whose range is free, and links it with its neighbours.
    ///
    /// - Complexity: O(log n).
    func insert(_ vma: VMARef) {
        SchedulingPoint.reach(.write, state)
        let start = vma.start
        let end = vma.end
        let leaf = descendMakingRoom(for: start)
        let slot = leaf.slot(above: start)

        // Slots are exact: unless it goes behind all others, its successor is in this leaf.
        let next = slot < leaf.count ? leaf.vma(slot) : nil
        let previous = next.map(\.previous) ?? state.pointee.last
        let previousEnd = previous?.end ?? 0
        #if DEBUG || Checks
            precondition(start < end, "a VMA has at least one byte")
            precondition(previousEnd <= start, "a VMA starts inside the one before")
            precondition(end <= next?.start ?? .max, "a VMA ends inside the one after")
        #endif

        vma.previous = previous
        vma.next = next
        if let previous { previous.next = vma } else { state.pointee.first = vma }
        let gap = leaf.insert(vma, after: previousEnd, at: slot)
        state.pointee.count += 1
        state.pointee.newest = vma
        var oldGap: UInt64 = 0
        var newGap = gap
        if let next {
            next.previous = vma
            oldGap = leaf.gaps[slot + 1]
            newGap = max(gap, leaf.describe(next, after: end, at: slot + 1))
        } else {
            state.pointee.last = vma
            state.pointee.lastEnd = end
        }
        refreshSummaries(
            from: leaf, depth: state.pointee.height, oldGap: oldGap, newGap: newGap)
    }

    /// Takes a VMA out, and links its neighbours with each other.
    ///
    /// - Complexity: O(log n).
    func remove(_ vma: VMARef) {
        SchedulingPoint.reach(.write, state)
        let (leaf, slot) = descend(to: vma)
        let previous = vma.previous
        let next = vma.next
        if let previous { previous.next = next } else { state.pointee.first = next }
        if let next {
            next.previous = previous
        } else {
            state.pointee.last = previous
            state.pointee.lastEnd = previous?.end ?? 0
        }
        vma.previous = nil
        vma.next = nil
        state.pointee.count -= 1

        let isLastOfLeaf = slot + 1 == leaf.count
        var oldGap = leaf.gaps[slot]
        var newGap: UInt64 = 0
        if let next, !isLastOfLeaf {
            oldGap = max(oldGap, leaf.gaps[slot + 1])
            newGap = leaf.describe(next, after: previous?.end ?? 0, at: slot + 1)
        }
        leaf.remove(at: slot)
        mergeSparseNodes(from: leaf, oldGap: oldGap, newGap: newGap)
        if let next, isLastOfLeaf {
            refresh(next)
        }
    }

    /// Moves a VMA's borders, between its neighbours.
    ///
    /// - Complexity: O(log n).
    func setBounds(of vma: VMARef, start: UInt64, end: UInt64) {
        SchedulingPoint.reach(.write, state)
        let (leaf, slot) = descend(to: vma)
        let previousEnd = vma.previous?.end ?? 0
        #if DEBUG || Checks
            precondition(start < end, "a VMA has at least one byte")
            precondition(previousEnd <= start, "a VMA starts inside the one before")
            precondition(end <= vma.next?.start ?? .max, "a VMA ends inside the one after")
        #endif
        vma.start = start
        vma.end = end
        var oldGap = leaf.gaps[slot]
        var newGap = leaf.describe(vma, after: previousEnd, at: slot)
        let next = vma.next
        let isLastOfLeaf = slot + 1 == leaf.count
        if let next, !isLastOfLeaf {
            oldGap = max(oldGap, leaf.gaps[slot + 1])
            newGap = max(newGap, leaf.describe(next, after: end, at: slot + 1))
        }
        if next == nil {
            state.pointee.lastEnd = end
        }
        refreshSummaries(
            from: leaf, depth: state.pointee.height, oldGap: oldGap, newGap: newGap)
        if let next, isLastOfLeaf {
            refresh(next)
        }
    }

    /// Moves the border between two VMAs that touch each other.
    ///
    /// - Complexity: O(log n), one descent.
    func moveBorder(below high: VMARef, to border: UInt64) {
        SchedulingPoint.reach(.write, state)
        // Slots are found by starts and keep ends: only the lower one's slot changes.
        guard let low = high.previous else { return }
        let (leaf, slot) = descend(to: low)
        #if DEBUG || Checks
            precondition(low.end == high.start, "VMAs with a border do not touch")
            precondition(low.start < border && border < high.end, "a VMA has at least one byte")
        #endif
        low.end = border
        high.start = border
        leaf.ends[slot] = border
        refreshSummaries(
            from: leaf, depth: state.pointee.height, oldGap: leaf.gaps[slot],
            newGap: leaf.gaps[slot])
    }

    /// Takes note that a VMA's flags have changed, or the end of the one before.
    ///
    /// - Complexity: O(log n).
    func refresh(_ vma: VMARef) {
        let (leaf, slot) = descend(to: vma)
        let oldGap = leaf.gaps[slot]
        let newGap = leaf.describe(vma, after: vma.previous?.end ?? 0, at: slot)
        refreshSummaries(
            from: leaf, depth: state.pointee.height, oldGap: oldGap, newGap: newGap)
    }

    /// What is free between an address and a VMA's guarded start.
    @inline(__always)
    static func gap(from end: UInt64, to vma: VMARef) -> UInt64 {
        let top = vma.guardedStart
        return top > end ? top - end : 0
    }
}
