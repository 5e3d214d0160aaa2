// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a page index, and the few that it keeps for later.
//
// STATE      512 slots, then a header: the parent and how many slots are taken. A leaf's slots are
//            PFNs of 4 bytes, an inner node's are nodes of 8.
// INVARIANT  A node is only given back when all its slots are empty, so a kept one is ready for
//            use but for its first 8 bytes, which link it with the next.

/// A node of a ``PageIndex``: 512 slots, all PFNs or all nodes.
struct PageIndexNode: Equatable {
    let base: UnsafeMutableRawPointer

    /// log2 of ``slotCount``.
    static let slotBits: UInt64 = 9
    /// How many slots a node has.
    static let slotCount = 512

    /// The PFNs of a leaf.
    @inline(__always)
    var pfns: UnsafeMutablePointer<PFN> { base.assumingMemoryBound(to: PFN.self) }

    /// The children of an inner node.
    @inline(__always)
    var children: UnsafeMutablePointer<PageIndexNode?> {
        base.assumingMemoryBound(to: PageIndexNode?.self)
    }

    @inline(__always)
    private static func headerOffset(isLeaf: Bool) -> Int { isLeaf ? 2048 : 4096 }

    /// The parent of a leaf or of an inner node; nil for the root.
    @inline(__always)
    func parent(isLeaf: Bool) -> PageIndexNode? {
        (base + PageIndexNode.headerOffset(isLeaf: isLeaf)).load(as: PageIndexNode?.self)
    }

    @inline(__always)
    func setParent(_ parent: PageIndexNode?, isLeaf: Bool) {
        (base + PageIndexNode.headerOffset(isLeaf: isLeaf))
            .storeBytes(of: parent, as: PageIndexNode?.self)
    }

    /// How many slots of a leaf or of an inner node are taken.
    @inline(__always)
    func count(isLeaf: Bool) -> Int {
        (base + PageIndexNode.headerOffset(isLeaf: isLeaf) + 8).load(as: Int.self)
    }

    @inline(__always)
    func setCount(_ count: Int, isLeaf: Bool) {
        (base + PageIndexNode.headerOffset(isLeaf: isLeaf) + 8)
            .storeBytes(of: count, as: Int.self)
    }

    /// Memory for a node with all slots empty.
    static func make(isLeaf: Bool) -> PageIndexNode {
        let size = headerOffset(isLeaf: isLeaf)
        let base = UnsafeMutableRawPointer.allocate(byteCount: size + 64, alignment: 64)
        // All ones is `PFN.none`, all zeros is no node.
        base.initializeMemory(as: UInt8.self, repeating: isLeaf ? 0xFF : 0, count: size)
        return PageIndexNode(base: base)
    }
}

/// Empty nodes of one kind, kept so that a file that shrinks and grows across a node's border
/// does not ask for memory each time.
struct PageIndexSpares {
    private var first: PageIndexNode?
    private var count = 0

    private static let greatestCount = 8

    /// An empty node without a parent.
    mutating func take(isLeaf: Bool) -> PageIndexNode {
        let node: PageIndexNode
        if let spare = first {
            node = spare
            first = node.base.load(as: PageIndexNode?.self)
            node.base.storeBytes(of: isLeaf ? .max : 0, as: UInt64.self)
            count -= 1
        } else {
            node = .make(isLeaf: isLeaf)
        }
        node.setCount(0, isLeaf: isLeaf)
        node.setParent(nil, isLeaf: isLeaf)
        return node
    }

    /// Takes back a node whose slots are all empty.
    mutating func give(_ node: PageIndexNode) {
        guard count < PageIndexSpares.greatestCount else {
            node.base.deallocate()
            return
        }
        node.base.storeBytes(of: first, as: PageIndexNode?.self)
        first = node
        count += 1
    }

    /// Gives their memory back.
    mutating func deallocate() {
        while let spare = first {
            first = spare.base.load(as: PageIndexNode?.self)
            spare.base.deallocate()
        }
        count = 0
    }
}
