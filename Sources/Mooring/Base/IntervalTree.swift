// SPDX-License-Identifier: Apache-2.0
//
// Intervals of page offsets, embedded in what they stand for: who maps this page of the file?
//
// STATE      A treap. Nodes are in order of their first offset and, where that is equal, of their
//            insertion; a parent's priority is at least its children's. Priorities come from a
//            generator in the tree's state, so that a machine's trees always look the same.
// INVARIANT  `greatestLast` of a node is the greatest `last` in its subtree, so that a search
//            leaves out subtrees that end too early.
//            Ends are inclusive and compared as they are: no sum that could pass `UInt64.max`.
// LOCKS      None here; searches only read.

/// A member of an ``IntervalTree``, embedded in what it stands for.
struct IntervalNode {
    /// First and last page offset that it covers, both included.
    var first: UInt64 = 0
    var last: UInt64 = 0
    /// The greatest `last` in the subtree below and including this node.
    var greatestLast: UInt64 = 0
    var left: UnsafeMutablePointer<IntervalNode>?
    var right: UnsafeMutablePointer<IntervalNode>?
    var parent: UnsafeMutablePointer<IntervalNode>?
    /// What it is embedded in.
    var owner: UnsafeMutableRawPointer?
    var priority: UInt32 = 0
}

/// What is behind an ``IntervalTree``, a part of its owner's record.
///
/// All zeros is an empty tree.
struct IntervalTreeState {
    var root: UnsafeMutablePointer<IntervalNode>?
    var count = 0
    /// The state of the generator of priorities.
    var seed: UInt32 = 0
}

/// Intervals in order of their first offset, found by what they overlap.
struct IntervalTree {
    typealias Node = UnsafeMutablePointer<IntervalNode>

    let state: UnsafeMutablePointer<IntervalTreeState>

    /// The tree whose state is at `state`.
    @inline(__always)
    init(at state: UnsafeMutablePointer<IntervalTreeState>) { self.state = state }

    /// How many intervals it has.
    @inline(__always)
    var count: Int { state.pointee.count }

    /// Whether it has none.
    @inline(__always)
    var isEmpty: Bool { state.pointee.root == nil }

    // MARK: Searches

    /// The first interval, in the tree's order, that has an offset in `first...last`.
    ///
    /// - Complexity: O(log n).
    @inline(__always)
    func first(overlapping first: UInt64, _ last: UInt64) -> Node? {
        SchedulingPoint.reach(.read, state)
        guard let root = state.pointee.root, root.pointee.greatestLast >= first else { return nil }
        return IntervalTree.leftmost(in: root, first, last)
    }

    /// The interval after `node`, in the tree's order, that has an offset in `first...last`.
    ///
    /// - Complexity: O(log n).
    func next(after node: Node, overlapping first: UInt64, _ last: UInt64) -> Node? {
        if let right = node.pointee.right, right.pointee.greatestLast >= first {
            // What comes after this subtree starts no lower than anything in it; if nothing here
            // starts low enough, nothing there does.
            return IntervalTree.leftmost(in: right, first, last)
        }
        var below = node
        while let parent = below.pointee.parent {
            if parent.pointee.left == below {
                if parent.pointee.first > last { return nil }
                if parent.pointee.last >= first { return parent }
                if let right = parent.pointee.right, right.pointee.greatestLast >= first {
                    return IntervalTree.leftmost(in: right, first, last)
                }
            }
            below = parent
        }
        return nil
    }

    /// The first interval in a subtree that overlaps; something in it ends at or above `first`.
    @inline(__always)
    private static func leftmost(in root: Node, _ first: UInt64, _ last: UInt64) -> Node? {
        var node = root
        while true {
            if let left = node.pointee.left, left.pointee.greatestLast >= first {
                // The first that ends high enough is in there. Either it also starts low enough,
                // or none after it does.
                node = left
                continue
            }
            if node.pointee.first > last { return nil }
            if node.pointee.last >= first { return node }
            guard let right = node.pointee.right, right.pointee.greatestLast >= first else {
                return nil
            }
            node = right
        }
    }

    // MARK: Changes

    /// Adds a node, whose `first` and `last` are set, behind those that start where it does.
    ///
    /// - Complexity: O(log n) expected.
    func insert(_ node: Node) {
        SchedulingPoint.reach(.write, state)
        let first = node.pointee.first
        let last = node.pointee.last
        #if DEBUG || Checks
            precondition(first <= last, "an interval has at least one offset")
        #endif
        let priority = nextPriority()
        node.pointee.priority = priority
        state.pointee.count += 1

        // Down to where the priority belongs; everything passed gets the node below it.
        var parent: Node?
        var isLeft = false
        var place = state.pointee.root
        while let passed = place, passed.pointee.priority >= priority {
            if passed.pointee.greatestLast < last { passed.pointee.greatestLast = last }
            parent = passed
            isLeft = first < passed.pointee.first
            place = isLeft ? passed.pointee.left : passed.pointee.right
        }
        node.pointee.parent = parent
        if let parent {
            if isLeft { parent.pointee.left = node } else { parent.pointee.right = node }
        } else {
            state.pointee.root = node
        }
        node.pointee.left = nil
        node.pointee.right = nil
        node.pointee.greatestLast = last
        if let place { split(place, under: node) }
    }

    /// Takes a node out.
    ///
    /// - Complexity: O(1) expected for the links, O(log n) for what ancestors know of ends.
    func remove(_ node: Node) {
        SchedulingPoint.reach(.write, state)
        let parent = node.pointee.parent
        let merged = merge(node.pointee.left, node.pointee.right)
        if let merged { merged.pointee.parent = parent }
        if let parent {
            if parent.pointee.left == node {
                parent.pointee.left = merged
            } else {
                parent.pointee.right = merged
            }
        } else {
            state.pointee.root = merged
        }
        state.pointee.count -= 1
        // Ancestors whose greatest end was another's keep it, and so do all above them.
        let last = node.pointee.last
        var above = parent
        while let ancestor = above, ancestor.pointee.greatestLast == last {
            IntervalTree.refresh(ancestor)
            if ancestor.pointee.greatestLast == last { break }
            above = ancestor.pointee.parent
        }
        node.pointee.left = nil
        node.pointee.right = nil
        node.pointee.parent = nil
    }

    /// A number that looks random: a counter with its bits mixed (MurmurHash3's finalizer).
    @inline(__always)
    private func nextPriority() -> UInt32 {
        state.pointee.seed &+= 0x9E37_79B9
        var number = state.pointee.seed
        number = (number ^ (number >> 16)) &* 0x85EB_CA6B
        number = (number ^ (number >> 13)) &* 0xC2B2_AE35
        return number ^ (number >> 16)
    }

    /// Sets what a node knows of the ends in its subtree.
    @inline(__always)
    private static func refresh(_ node: Node) {
        var greatest = node.pointee.last
        if let left = node.pointee.left { greatest = max(greatest, left.pointee.greatestLast) }
        if let right = node.pointee.right { greatest = max(greatest, right.pointee.greatestLast) }
        node.pointee.greatestLast = greatest
    }

    /// Hangs the parts of a subtree before and after `node`'s place to its left and right.
    private func split(_ root: Node, under node: Node) {
        let first = node.pointee.first
        // Where the next piece of each part goes: first `node` itself, then the lowest node of
        // the part on the side of the cut.
        var before = node
        var after = node
        var place: Node? = root
        while let piece = place {
            if first < piece.pointee.first {
                if after == node {
                    node.pointee.right = piece
                } else {
                    after.pointee.left = piece
                }
                piece.pointee.parent = after
                after = piece
                place = piece.pointee.left
            } else {
                if before == node {
                    node.pointee.left = piece
                } else {
                    before.pointee.right = piece
                }
                piece.pointee.parent = before
                before = piece
                place = piece.pointee.right
            }
        }
        if before != node { before.pointee.right = nil }
        if after != node { after.pointee.left = nil }
        refresh(from: before, upTo: node)
        refresh(from: after, upTo: node)
        IntervalTree.refresh(node)
    }

    /// Sets what nodes know of the ends below them, from `bottom` up to below `top`.
    @inline(__always)
    private func refresh(from bottom: Node, upTo top: Node) {
        var node = bottom
        while node != top {
            IntervalTree.refresh(node)
            // Every node below `top` has a parent.
            node = node.pointee.parent.unsafelyUnwrapped
        }
    }

    /// Makes one subtree of two, all of the first before all of the second.
    @inline(__always)
    private func merge(_ left: Node?, _ right: Node?) -> Node? {
        guard let left else { return right }
        guard let right else { return left }
        let root = left.pointee.priority >= right.pointee.priority ? left : right
        mergeBelow(left, right)
        return root
    }

    private func mergeBelow(_ left: Node, _ right: Node) {
        var left = left
        var right = right
        // The one of higher priority is the parent of what is left of both, so it ends where the
        // later of the two does.
        while true {
            if left.pointee.priority >= right.pointee.priority {
                left.pointee.greatestLast = max(
                    left.pointee.greatestLast, right.pointee.greatestLast)
                guard let rest = left.pointee.right else {
                    left.pointee.right = right
                    right.pointee.parent = left
                    return
                }
                if rest.pointee.priority < right.pointee.priority {
                    left.pointee.right = right
                    right.pointee.parent = left
                }
                left = rest
            } else {
                right.pointee.greatestLast = max(
                    left.pointee.greatestLast, right.pointee.greatestLast)
                guard let rest = right.pointee.left else {
                    right.pointee.left = left
                    left.pointee.parent = right
                    return
                }
                if left.pointee.priority >= rest.pointee.priority {
                    right.pointee.left = left
                    left.pointee.parent = right
                }
                right = rest
            }
        }
    }
}
