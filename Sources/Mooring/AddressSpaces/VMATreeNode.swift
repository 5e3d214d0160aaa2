// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a VMA tree, and the store that they come from.
//
// STATE      Three arrays of one length, one after the other: where each item ends, the greatest
//            gap in it, and the item: a VMA's outline in a leaf, a node's address elsewhere. Then
//            the item count.
// INVARIANT  Unused slots hold an end of `UInt64.max` and a gap of 0, so that searches and
//            maxima run over all slots without looking at the count.

/// A node of a ``VMATree``.
struct VMATreeNode: Equatable {
    let base: UnsafeMutableRawPointer

    /// How many items a node has room for; a multiple of 4.
    ///
    /// Checked builds use few, so that a test with twenty VMAs has a tree of three levels.
    @inline(__always)
    static var capacity: Int {
        #if DEBUG || Checks
            4
        #else
            16
        #endif
    }

    /// A node with no more items than this is merged with a neighbour where that fits.
    @inline(__always)
    static var sparseCount: Int { max(1, capacity / 3) }

    /// The most items that merging leaves in a node: room stays for some insertions.
    @inline(__always)
    static var mergedCount: Int { capacity * 3 / 4 }

    /// The bytes that a node takes: a whole number of cache lines.
    static var stride: Int { (24 * capacity + 8 + 63) & ~63 }

    /// Where each item ends: the VMA, or the last VMA below the child.
    @inline(__always)
    var ends: UnsafeMutablePointer<UInt64> { base.assumingMemoryBound(to: UInt64.self) }

    /// The free bytes below each VMA, or the greatest such figure below the child.
    @inline(__always)
    var gaps: UnsafeMutablePointer<UInt64> { ends + VMATreeNode.capacity }

    @inline(__always)
    private var items: UnsafeMutablePointer<UInt64> { gaps + VMATreeNode.capacity }

    /// How many items it has.
    @inline(__always)
    var count: Int {
        get { (base + 24 * VMATreeNode.capacity).load(as: Int.self) }
        nonmutating set {
            (base + 24 * VMATreeNode.capacity).storeBytes(of: newValue, as: Int.self)
        }
    }

    @inline(__always)
    var isFull: Bool { count == VMATreeNode.capacity }

    /// How many more items it has room for.
    @inline(__always)
    var room: Int { VMATreeNode.capacity - count }

    /// The child in a slot of an inner node.
    @inline(__always)
    func child(_ slot: Int) -> VMATreeNode {
        // SAFETY: an inner node's used slots hold the addresses of nodes.
        VMATreeNode(
            base: UnsafeMutableRawPointer(bitPattern: UInt(items[slot])).unsafelyUnwrapped)
    }

    /// What a leaf says of the VMA in a slot.
    @inline(__always)
    func outline(_ slot: Int) -> VMAOutline { VMAOutline(bits: items[slot]) }

    /// The VMA in a slot of a leaf.
    @inline(__always)
    func vma(_ slot: Int) -> VMARef { outline(slot).vma }

    /// Loads the cache lines of the items, for a search that is about to look at the ends: the
    /// item that it will want is then on its way while it searches.
    @inline(__always)
    func fetchItems() {
        // Atomic loads, as the compiler drops others that nobody uses.
        var slot = 0
        while slot < VMATreeNode.capacity {
            _ = AtomicField64(at: items + slot).load()
            slot += 8
        }
    }

    /// Where its last item ends.
    @inline(__always)
    var lastEnd: UInt64 { ends[count - 1] }

    /// The greatest gap in it.
    @inline(__always)
    var greatestGap: UInt64 {
        // Two at a time: each maximum waits for the one before, and there are two chains.
        var even: UInt64 = 0
        var odd: UInt64 = 0
        var slot = 0
        while slot < VMATreeNode.capacity {
            even = max(even, gaps[slot])
            odd = max(odd, gaps[slot + 1])
            slot += 2
        }
        return max(even, odd)
    }

    /// How many of its items end at or below `address`, but at most `capacity - 1`: the slot of
    /// the first item that ends above it, when there is one.
    @inline(__always)
    func slot(above address: UInt64) -> Int {
        // Two rounds of comparisons that do not wait for one another, and nothing to mispredict:
        // the last of each block of four says which block, the first three say which slot. A
        // binary search takes 4 rounds and half as long again; vectors of 64 bits are no faster.
        var block = 0
        var pivot = 3
        while pivot < VMATreeNode.capacity - 1 {
            block &+= ends[pivot] <= address ? 1 : 0
            pivot += 4
        }
        let start = ends + block &* 4
        let one = start[0] <= address ? 1 : 0
        let two = start[1] <= address ? 1 : 0
        let three = start[2] <= address ? 1 : 0
        let slot = block &* 4 &+ one &+ two &+ three
        return slot
    }

    /// Makes it empty.
    @inline(__always)
    func clear() {
        ends.update(repeating: .max, count: VMATreeNode.capacity)
        gaps.update(repeating: 0, count: VMATreeNode.capacity)
        count = 0
    }

    /// Puts a child into a slot of an inner node; those from there on move up by one.
    func insert(_ child: VMATreeNode, at slot: Int) {
        open(1, at: slot)
        items[slot] = UInt64(UInt(bitPattern: child.base))
        summarise(slot)
    }

    /// Puts a VMA into a slot of a leaf; those from there on move up by one.
    ///
    /// - Returns: The gap below it.
    @inline(__always)
    func insert(_ vma: VMARef, after previousEnd: UInt64, at slot: Int) -> UInt64 {
        open(1, at: slot)
        return describe(vma, after: previousEnd, at: slot)
    }

    /// Takes the item out of a slot; those above move down by one.
    @inline(__always)
    func remove(at slot: Int) { close(1, at: slot) }

    /// Brings a slot of an inner node up to date with its child.
    func summarise(_ slot: Int) {
        ends[slot] = child(slot).lastEnd
        gaps[slot] = child(slot).greatestGap
    }

    /// Brings a slot of a leaf up to date with its VMA; the one before it ends at `previousEnd`.
    ///
    /// - Returns: The gap below it.
    @inline(__always)
    func describe(_ vma: VMARef, after previousEnd: UInt64, at slot: Int) -> UInt64 {
        let gap = VMATree.gap(from: previousEnd, to: vma)
        ends[slot] = vma.end
        gaps[slot] = gap
        items[slot] = VMAOutline(of: vma, after: previousEnd).bits
        return gap
    }

    /// Moves some items to another node of the level, to lie there from `place` on.
    func move(_ slots: Range<Int>, to other: VMATreeNode, at place: Int) {
        let first = slots.lowerBound
        other.open(slots.count, at: place)
        (other.ends + place).update(from: ends + first, count: slots.count)
        (other.gaps + place).update(from: gaps + first, count: slots.count)
        (other.items + place).update(from: items + first, count: slots.count)
        close(slots.count, at: first)
    }

    /// Makes a number of slots; those from there on move up.
    @inline(__always)
    private func open(_ number: Int, at slot: Int) {
        let moved = count - slot
        (ends + slot + number).update(from: ends + slot, count: moved)
        (gaps + slot + number).update(from: gaps + slot, count: moved)
        (items + slot + number).update(from: items + slot, count: moved)
        count += number
    }

    /// Takes a number of slots away; those above move down.
    @inline(__always)
    private func close(_ number: Int, at slot: Int) {
        let left = count - number
        let moved = left - slot
        (ends + slot).update(from: ends + slot + number, count: moved)
        (gaps + slot).update(from: gaps + slot + number, count: moved)
        (items + slot).update(from: items + slot + number, count: moved)
        (ends + left).update(repeating: .max, count: number)
        (gaps + left).update(repeating: 0, count: number)
        count = left
    }
}

/// Where a tree's nodes come from: chunks that double in size, and a list of the free ones
/// threaded through their first word.
struct VMATreeNodeStore {
    private var free: UnsafeMutableRawPointer?
    /// The newest chunk; each holds a pointer to the one before in its first word.
    private var chunks: UnsafeMutableRawPointer?
    private var nextChunkCount = 4

    /// An empty node.
    @inline(__always)
    mutating func allocate() -> VMATreeNode {
        if free == nil { grow() }
        // `grow` leaves at least one.
        let base = free.unsafelyUnwrapped
        free = base.load(as: UnsafeMutableRawPointer?.self)
        let node = VMATreeNode(base: base)
        node.clear()
        return node
    }

    /// Takes a node back.
    @inline(__always)
    mutating func free(_ node: VMATreeNode) {
        node.base.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = node.base
    }

    @inline(never)
    private mutating func grow() {
        let stride = VMATreeNode.stride
        let count = nextChunkCount
        let chunk = UnsafeMutableRawPointer.allocate(
            byteCount: 64 + count * stride, alignment: 64)
        chunk.storeBytes(of: chunks, as: UnsafeMutableRawPointer?.self)
        chunks = chunk
        nextChunkCount = min(count * 2, 256)
        for index in 0..<count {
            let node = chunk + 64 + (count - 1 - index) * stride
            node.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
            free = node
        }
    }

    /// Gives all memory back.
    mutating func deallocate() {
        while let chunk = chunks {
            chunks = chunk.load(as: UnsafeMutableRawPointer?.self)
            chunk.deallocate()
        }
        free = nil
    }
}
