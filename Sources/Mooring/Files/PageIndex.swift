// SPDX-License-Identifier: Apache-2.0
//
// Which frame holds which page of a file: a radix tree over page offsets.
//
// STATE      Leaves hold the PFNs of 512 consecutive pages, inner nodes hold 512 nodes. The tree
//            is as high as its greatest offset ever needed, and lower again when only the first
//            child of the root is left. An absent page is `PFN.none`, or the trace of one that was
//            taken out of memory (PageTrace.swift); an absent subtree is no node.
// INVARIANT  No node is without taken slots: the last page out takes its nodes along.
// LOCKS      None here. Lookups only read, and remember nothing: with one to three loads each
//            they need no shortcut that readers would have to agree about.

/// What is behind a ``PageIndex``, a part of its file's record.
///
/// All zeros is an empty index.
struct PageIndexState {
    var root: PageIndexNode?
    /// How many levels of inner nodes are above the leaves.
    var height = 0
    /// How many pages are present, and how many have left a trace.
    var count = 0
    var traceCount = 0
    var spareLeaves = PageIndexSpares()
    var spareInnerNodes = PageIndexSpares()
}

/// 512 consecutive pages of a file, as an index holds them.
struct PageIndexLeaf {
    /// The page offset of the first slot.
    let firstOffset: UInt64
    /// One PFN a page, `PFN.none` where absent; valid until the index changes.
    let pfns: UnsafePointer<PFN>
}

/// The present pages of one file, by page offset.
struct PageIndex {
    let state: UnsafeMutablePointer<PageIndexState>

    /// Offsets are below this: 2^48 bytes of file.
    static let offsetLimit: UInt64 = 1 << 36

    /// The index whose state is at `state`.
    @inline(__always)
    init(at state: UnsafeMutablePointer<PageIndexState>) { self.state = state }

    /// How many pages are present.
    @inline(__always)
    var count: Int { state.pointee.count }

    // MARK: Lookups

    /// The frame that holds a page; `PFN.none` if it is absent.
    @inline(__always)
    func lookup(_ offset: UInt64) -> PFN {
        guard let leaf = leafNode(containing: offset) else { return .none }
        let pfn = leaf.pfns[PageIndex.slot(of: offset, level: 0)]
        return pfn.isFrame ? pfn : .none
    }

    /// Where the slot of a page is, to be prefetched.
    @inline(__always)
    func address(of offset: UInt64) -> UnsafeMutableRawPointer? {
        guard let leaf = leafNode(containing: offset) else { return nil }
        return UnsafeMutableRawPointer(leaf.pfns + PageIndex.slot(of: offset, level: 0))
    }

    /// What is left of a page that is not in memory; nil if nothing is.
    func trace(of offset: UInt64) -> PageTrace? {
        guard let leaf = leafNode(containing: offset) else { return nil }
        return PageTrace(slot: leaf.pfns[PageIndex.slot(of: offset, level: 0)])
    }

    /// The slots of a page and its neighbours; nil if none of the 512 is present.
    @inline(__always)
    func leaf(containing offset: UInt64) -> PageIndexLeaf? {
        guard let leaf = leafNode(containing: offset) else { return nil }
        return PageIndexLeaf(firstOffset: offset & ~511, pfns: UnsafePointer(leaf.pfns))
    }

    /// The first present page at `offset` or above it.
    func firstPresent(from offset: UInt64) -> (offset: UInt64, pfn: PFN)? {
        var offset = offset
        while let leaf = firstLeaf(from: offset) {
            offset = max(offset, leaf.firstOffset)
            repeat {
                let pfn = leaf.pfns[PageIndex.slot(of: offset, level: 0)]
                if pfn.isFrame { return (offset, pfn) }
                offset += 1
            } while offset & 511 != 0
        }
        return nil
    }

    /// Hands out the present pages with offsets in `range`, in order.
    ///
    /// `body` must not change the index; for that, ask ``firstPresent(from:)`` again each time.
    @inline(__always)
    func forEach<Failure>(
        in range: Range<UInt64>, _ body: (UInt64, PFN) throws(Failure) -> Void
    ) throws(Failure) {
        var offset = range.lowerBound
        while offset < range.upperBound, let leaf = firstLeaf(from: offset) {
            offset = max(offset, leaf.firstOffset)
            let end = min(range.upperBound, leaf.firstOffset + 512)
            while offset < end {
                let pfn = leaf.pfns[PageIndex.slot(of: offset, level: 0)]
                if pfn.isFrame { try body(offset, pfn) }
                offset += 1
            }
        }
    }

    /// Visits the traces of all pages that are not in memory.
    func forEachTrace(_ body: (PageTrace) -> Void) {
        var offset: UInt64 = 0
        while let leaf = firstLeaf(from: offset) {
            for slot in 0..<PageIndexNode.slotCount {
                if let trace = PageTrace(slot: leaf.pfns[slot]) { body(trace) }
            }
            offset = leaf.firstOffset + 512
        }
    }

    /// The first leaf with offsets at `offset` or above it.
    func firstLeaf(from offset: UInt64) -> PageIndexLeaf? {
        guard let root = state.pointee.root, !isBeyondRoot(offset) else { return nil }
        return firstLeaf(from: offset, in: root, level: state.pointee.height, base: 0)
    }

    private func firstLeaf(
        from offset: UInt64, in node: PageIndexNode, level: Int, base: UInt64
    ) -> PageIndexLeaf? {
        guard level > 0 else {
            return PageIndexLeaf(firstOffset: base, pfns: UnsafePointer(node.pfns))
        }
        var slot = offset <= base ? 0 : PageIndex.slot(of: offset, level: level)
        while slot < PageIndexNode.slotCount {
            if let child = node.children[slot] {
                let childBase = base + UInt64(slot) << PageIndex.shift(of: level)
                let leaf = firstLeaf(from: offset, in: child, level: level - 1, base: childBase)
                if let leaf { return leaf }
            }
            slot += 1
        }
        return nil
    }

    @inline(__always)
    private func leafNode(containing offset: UInt64) -> PageIndexNode? {
        SchedulingPoint.reach(.read, state)
        guard var node = state.pointee.root, !isBeyondRoot(offset) else { return nil }
        var level = state.pointee.height
        while level > 0 {
            guard let child = node.children[PageIndex.slot(of: offset, level: level)] else {
                return nil
            }
            node = child
            level &-= 1
        }
        return node
    }

    /// Whether an offset is too great for a tree of this height.
    @inline(__always)
    private func isBeyondRoot(_ offset: UInt64) -> Bool {
        offset &>> PageIndex.shift(of: state.pointee.height + 1) != 0
    }

    /// log2 of how many pages one slot of a node stands for.
    @inline(__always)
    static func shift(of level: Int) -> UInt64 {
        PageIndexNode.slotBits &* UInt64(truncatingIfNeeded: level)
    }

    /// The slot of an offset in a node `level` levels above the leaves.
    @inline(__always)
    static func slot(of offset: UInt64, level: Int) -> Int {
        Int(truncatingIfNeeded: (offset &>> shift(of: level)) & 511)
    }

    // MARK: Changes

    /// Says that a frame holds a page, whatever was left of it; returns the frame that did before,
    /// or `PFN.none`.
    @discardableResult
    func insert(_ offset: UInt64, _ pfn: PFN) -> PFN {
        SchedulingPoint.reach(.write, state)
        precondition(offset < PageIndex.offsetLimit, "a file has at most 2^36 pages")
        #if DEBUG || Checks
            precondition(pfn.isFrame, "an absent page is removed, not inserted")
        #endif
        let leaf = leafNode(containing: offset) ?? makeLeaf(containing: offset)
        let slot = PageIndex.slot(of: offset, level: 0)
        let previous = leaf.pfns[slot]
        leaf.pfns[slot] = pfn
        if previous.isFrame { return previous }
        state.pointee.count += 1
        if previous == .none {
            leaf.setCount(leaf.count(isLeaf: true) + 1, isLeaf: true)
        } else {
            state.pointee.traceCount -= 1
        }
        return .none
    }

    /// Forgets a page; returns the frame that held it, or `PFN.none`.
    ///
    /// A trace stays.
    @discardableResult
    func remove(_ offset: UInt64) -> PFN {
        SchedulingPoint.reach(.write, state)
        guard let leaf = leafNode(containing: offset) else { return .none }
        let slot = PageIndex.slot(of: offset, level: 0)
        let previous = leaf.pfns[slot]
        guard previous.isFrame else { return .none }
        leaf.pfns[slot] = .none
        state.pointee.count -= 1
        release(1, of: leaf, containing: offset)
        return previous
    }

    /// Leaves a trace in the place of a page that is present.
    func replace(_ offset: UInt64, by trace: PageTrace) {
        guard let leaf = leafNode(containing: offset) else { return }
        let slot = PageIndex.slot(of: offset, level: 0)
        guard leaf.pfns[slot].isFrame else { return }
        leaf.pfns[slot] = trace.slot
        state.pointee.count -= 1
        state.pointee.traceCount += 1
    }

    /// Forgets the traces of pages `first...last`, and hands each out.
    func removeTraces(from first: UInt64, through last: UInt64, _ body: (PageTrace) -> Void) {
        var offset = first
        while state.pointee.traceCount > 0, offset <= last, let leaf = firstLeaf(from: offset) {
            offset = max(offset, leaf.firstOffset)
            let end = min(last, leaf.firstOffset + 511)
            guard offset <= end, let node = leafNode(containing: offset) else { return }
            var removed = 0
            for slot in PageIndex.slot(of: offset, level: 0)...PageIndex.slot(of: end, level: 0) {
                guard let trace = PageTrace(slot: node.pfns[slot]) else { continue }
                body(trace)
                node.pfns[slot] = .none
                removed += 1
            }
            state.pointee.traceCount -= removed
            if removed > 0 { release(removed, of: node, containing: offset) }
            offset = end + 1
        }
    }

    /// Counts slots off that a leaf has lost, and drops it with the last.
    private func release(_ slots: Int, of leaf: PageIndexNode, containing offset: UInt64) {
        let left = leaf.count(isLeaf: true) - slots
        leaf.setCount(left, isLeaf: true)
        if left == 0 { drop(leaf, containing: offset) }
    }

    /// Forgets all pages and gives the memory back.
    func removeAll() {
        if let root = state.pointee.root {
            PageIndex.deallocate(root, level: state.pointee.height)
        }
        state.pointee.spareLeaves.deallocate()
        state.pointee.spareInnerNodes.deallocate()
        state.pointee = PageIndexState()
    }

    private static func deallocate(_ node: PageIndexNode, level: Int) {
        if level > 0 {
            for slot in 0..<PageIndexNode.slotCount {
                if let child = node.children[slot] { deallocate(child, level: level - 1) }
            }
        }
        node.base.deallocate()
    }

    /// Makes the missing nodes on the way to a leaf.
    @inline(never)
    private func makeLeaf(containing offset: UInt64) -> PageIndexNode {
        if state.pointee.root == nil {
            // A lone leaf of a high offset starts as high as it needs to be.
            state.pointee.height = 0
            while isBeyondRoot(offset) { state.pointee.height += 1 }
            state.pointee.root = makeNode(level: state.pointee.height)
        }
        while isBeyondRoot(offset) {
            addLevel()
        }
        // Made above if it was missing.
        var node = state.pointee.root.unsafelyUnwrapped
        var level = state.pointee.height
        while level > 0 {
            let slot = PageIndex.slot(of: offset, level: level)
            level -= 1
            if let child = node.children[slot] {
                node = child
                continue
            }
            let child = makeNode(level: level)
            child.setParent(node, isLeaf: level == 0)
            node.children[slot] = child
            node.setCount(node.count(isLeaf: false) + 1, isLeaf: false)
            node = child
        }
        return node
    }

    /// Puts a new root above the old one.
    private func addLevel() {
        let old = state.pointee.root
        let root = makeNode(level: state.pointee.height + 1)
        old?.setParent(root, isLeaf: state.pointee.height == 0)
        root.children[0] = old
        root.setCount(1, isLeaf: false)
        state.pointee.root = root
        state.pointee.height += 1
    }

    private func makeNode(level: Int) -> PageIndexNode {
        level == 0
            ? state.pointee.spareLeaves.take(isLeaf: true)
            : state.pointee.spareInnerNodes.take(isLeaf: false)
    }

    /// Takes out an empty leaf, and the nodes above it that become empty.
    @inline(never)
    private func drop(_ leaf: PageIndexNode, containing offset: UInt64) {
        var parent = leaf.parent(isLeaf: true)
        var level = 1
        state.pointee.spareLeaves.give(leaf)
        while let node = parent {
            node.children[PageIndex.slot(of: offset, level: level)] = nil
            let left = node.count(isLeaf: false) - 1
            node.setCount(left, isLeaf: false)
            if left > 0 { break }
            parent = node.parent(isLeaf: false)
            level += 1
            state.pointee.spareInnerNodes.give(node)
        }
        guard parent != nil else {
            state.pointee.root = nil
            state.pointee.height = 0
            return
        }
        lowerRoot()
    }

    /// Takes roots away of which only the first child is left.
    private func lowerRoot() {
        while state.pointee.height > 0, let root = state.pointee.root,
            root.count(isLeaf: false) == 1, let child = root.children[0]
        {
            root.children[0] = nil
            state.pointee.spareInnerNodes.give(root)
            state.pointee.height -= 1
            child.setParent(nil, isLeaf: state.pointee.height == 0)
            state.pointee.root = child
        }
    }
}
