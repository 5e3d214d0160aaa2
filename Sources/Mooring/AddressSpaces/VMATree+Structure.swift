// SPDX-License-Identifier: Apache-2.0
//
// How a VMA tree keeps its shape: ways down, splits, merges, and summaries on the way up.
//
// STATE      `path` in the tree's state: the inner nodes passed on the way down and the slot taken
//            in each. It is scratch space of one change and means nothing afterwards.
// INVARIANT  No node but an empty root is empty. A removal that leaves a node sparse merges it with
//            a neighbour if both fit in three quarters of a node; nodes are not kept half full.
//            A full node is split only when its neighbours are full too, so that VMAs inserted in
//            a row, upwards or downwards, leave full nodes: 65,536 of them take four levels.

extension VMATree {
    /// The leaf and slot of a VMA of this tree; leaves the way there in `path`.
    @inline(__always)
    func descend(to vma: VMARef) -> (leaf: VMATreeNode, slot: Int) {
        let address = vma.start
        let leaf = descend(above: address)
        let slot = leaf.slot(above: address)
        #if DEBUG || Checks
            precondition(slot < leaf.count && leaf.vma(slot) == vma, "a VMA is not in its tree")
        #endif
        return (leaf, slot)
    }

    /// The leaf with the first VMA that ends above `address`; there is one.
    ///
    /// Leaves the way there in `path`.
    @inline(__always)
    private func descend(above address: UInt64) -> VMATreeNode {
        let path = state.pointee.path
        var node = state.pointee.root
        let height = state.pointee.height
        var depth = 0
        while depth < height {
            let slot = node.slot(above: address)
            path[depth] = VMATreeState.Step(node: node, slot: slot)
            node = node.child(slot)
            depth += 1
        }
        return node
    }

    /// The leaf with the last VMA, if any.
    ///
    /// Leaves the way there in `path`.
    @inline(__always)
    private func descendToLast() -> VMATreeNode {
        let path = state.pointee.path
        var node = state.pointee.root
        let height = state.pointee.height
        var depth = 0
        while depth < height {
            let slot = node.count - 1
            path[depth] = VMATreeState.Step(node: node, slot: slot)
            node = node.child(slot)
            depth += 1
        }
        return node
    }

    /// The leaf that a VMA starting at `start` belongs in, with room for it.
    ///
    /// Leaves the way there in `path`.
    @inline(__always)
    func descendMakingRoom(for start: UInt64) -> VMATreeNode {
        while true {
            let leaf =
                start < state.pointee.lastEnd ? descend(above: start) : descendToLast()
            if !leaf.isFull { return leaf }
            stepTowardsRoom(for: start)
        }
    }

    /// Sets the ends and gaps that the ancestors in `path` keep of `node`, up to where nothing
    /// changes any more.
    ///
    /// - Parameters:
    ///   - node: The node that changed.
    ///   - depth: How many ancestors it has.
    ///   - oldGap: The greatest of the gaps in it that changed, before; `.max` if unknown.
    ///   - newGap: The greatest of them now; if `oldGap` is unknown, of all in it.
    @inline(__always)
    func refreshSummaries(from node: VMATreeNode, depth: Int, oldGap: UInt64, newGap: UInt64) {
        let path = state.pointee.path
        var node = node
        var depth = depth
        var oldGap = oldGap
        var newGap = newGap
        while depth > 0 {
            depth -= 1
            let step = path[depth]
            let known = step.node.gaps[step.slot]
            // The other gaps are at most what is known; only where the greatest itself became
            // smaller is there nothing for it but to look at them all.
            if newGap < known {
                newGap = oldGap < known ? known : node.greatestGap
            }
            oldGap = known
            let end = node.lastEnd
            if step.node.ends[step.slot] == end && known == newGap { return }
            step.node.ends[step.slot] = end
            step.node.gaps[step.slot] = newGap
            node = step.node
        }
    }

    // MARK: Splits

    /// Takes one step towards room in the full leaf that `path` leads to, at the lowest level that
    /// has room for it: a neighbour takes some items, or a node is split, or the root gets a parent.
    @inline(never)
    private func stepTowardsRoom(for start: UInt64) {
        let height = state.pointee.height
        var depth = height
        while depth > 0 {
            depth -= 1
            let step = state.pointee.path[depth]
            if share(childOf: step.node, at: step.slot, for: start) { return }
            if !step.node.isFull {
                split(childOf: step.node, at: step.slot, for: start, isLeaf: depth + 1 == height)
                return
            }
        }
        addLevel()
    }

    /// Puts a new root above the old one.
    private func addLevel() {
        precondition(state.pointee.height < VMATreeState.greatestHeight, "the tree is too high")
        let root = state.pointee.store.allocate()
        root.insert(state.pointee.root, at: 0)
        state.pointee.root = root
        state.pointee.height += 1
    }

    /// Lets a neighbour take items of the full child in `slot` of `parent`, as many as half of
    /// its room, but none that would take the way to `start` along.
    ///
    /// - Returns: Whether one had room.
    private func share(childOf parent: VMATreeNode, at slot: Int, for start: UInt64) -> Bool {
        let child = parent.child(slot)
        let place = child.slot(above: start)
        if slot > 0 {
            let left = parent.child(slot - 1)
            let moved = min((left.room + 1) / 2, place)
            if moved > 0 {
                child.move(0..<moved, to: left, at: left.count)
                parent.summarise(slot - 1)
                parent.summarise(slot)
                return true
            }
        }
        if slot + 1 < parent.count {
            let right = parent.child(slot + 1)
            let capacity = VMATreeNode.capacity
            let moved = min((right.room + 1) / 2, capacity - 1 - place)
            if moved > 0 {
                child.move(capacity - moved..<capacity, to: right, at: 0)
                parent.summarise(slot)
                parent.summarise(slot + 1)
                return true
            }
        }
        return false
    }

    /// Splits the full child in `slot` of `parent`, which is not full, on the way to `start`.
    private func split(childOf parent: VMATreeNode, at slot: Int, for start: UInt64, isLeaf: Bool) {
        let left = parent.child(slot)
        let right = state.pointee.store.allocate()
        let place = splitPlace(in: left, for: start, isLeaf: isLeaf)
        left.move(place..<VMATreeNode.capacity, to: right, at: 0)
        parent.summarise(slot)
        parent.insert(right, at: slot + 1)
    }

    /// How many items stay in the left half of a full node.
    ///
    /// Half of them, unless VMAs are being inserted in a row, as mmap does from the top down: then
    /// the half that the row grows into is left small and the other full.
    private func splitPlace(in node: VMATreeNode, for start: UInt64, isLeaf: Bool) -> Int {
        let capacity = VMATreeNode.capacity
        if start >= node.ends[capacity - 1] { return capacity - 1 }
        let slot = node.slot(above: start)
        if slot == 0 { return 1 }
        if isLeaf, let newest = state.pointee.newest {
            if node.vma(slot) == newest { return min(slot + 1, capacity - 1) }
            if node.vma(slot - 1) == newest { return slot }
        }
        return capacity / 2
    }

    // MARK: Merges

    /// Drops or merges nodes in `path` that a removal from `leaf` left empty or sparse, and
    /// brings all summaries up to date; `oldGap` and `newGap` are as in
    /// ``refreshSummaries(from:depth:oldGap:newGap:)``.
    @inline(__always)
    func mergeSparseNodes(from leaf: VMATreeNode, oldGap: UInt64, newGap: UInt64) {
        let height = state.pointee.height
        if leaf.count <= VMATreeNode.sparseCount, height > 0 {
            let step = state.pointee.path[height - 1]
            if leaf.count == 0 || pair(with: leaf, in: step.node, at: step.slot) != nil {
                return mergeUpwards(from: leaf)
            }
        }
        refreshSummaries(from: leaf, depth: height, oldGap: oldGap, newGap: newGap)
    }

    @inline(never)
    private func mergeUpwards(from leaf: VMATreeNode) {
        var node = leaf
        var depth = state.pointee.height
        while depth > 0 && node.count <= VMATreeNode.sparseCount {
            let step = state.pointee.path[depth - 1]
            guard merge(node, in: step.node, at: step.slot) else { break }
            node = step.node
            depth -= 1
        }
        refreshSummaries(from: node, depth: depth, oldGap: .max, newGap: node.greatestGap)

        // A root with one child is that child; one with none is an empty leaf.
        while state.pointee.height > 0 && state.pointee.root.count == 1 {
            let old = state.pointee.root
            state.pointee.root = old.child(0)
            state.pointee.store.free(old)
            state.pointee.height -= 1
        }
        if state.pointee.root.count == 0 {
            state.pointee.height = 0
        }
    }

    /// Takes one node fewer for `node`, which is sparse, and a neighbour under `parent`; returns
    /// whether that was possible.
    private func merge(_ node: VMATreeNode, in parent: VMATreeNode, at slot: Int) -> Bool {
        if node.count == 0 {
            parent.remove(at: slot)
            state.pointee.store.free(node)
            return true
        }
        guard let left = pair(with: node, in: parent, at: slot) else { return false }
        let kept = parent.child(left)
        let emptied = parent.child(left + 1)
        emptied.move(0..<emptied.count, to: kept, at: kept.count)
        parent.remove(at: left + 1)
        parent.summarise(left)
        state.pointee.store.free(emptied)
        return true
    }

    /// The left slot of two neighbours under `parent` that may become one node: `node`, which is in
    /// `slot` and sparse, and another.
    private func pair(with node: VMATreeNode, in parent: VMATreeNode, at slot: Int) -> Int? {
        let room = VMATreeNode.mergedCount - node.count
        if slot > 0, parent.child(slot - 1).count <= room { return slot - 1 }
        if slot + 1 < parent.count, parent.child(slot + 1).count <= room { return slot }
        return nil
    }
}
