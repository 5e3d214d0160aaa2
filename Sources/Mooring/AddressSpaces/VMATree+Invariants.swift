// SPDX-License-Identifier: Apache-2.0

extension VMATree {
    /// Compares the tree with the VMAs in it: order, ends, gaps, summaries, links and counts.
    ///
    /// - Complexity: O(n).
    package func checkInvariants() throws(TreeFailure) {
        var previous: VMARef?
        var count = 0
        try check(
            state.pointee.root, level: state.pointee.height, previous: &previous, count: &count)
        try TreeFailure.unless(
            count == self.count, "\(count) VMAs are in the tree, \(self.count) are counted")
        try TreeFailure.unless(previous == last, "the last VMA of the tree is not its `last`")
        try TreeFailure.unless(previous?.next == nil, "the last VMA has a successor")
        try TreeFailure.unless(
            (previous == nil) == (first == nil), "an empty tree has a first VMA, or the reverse")
        let lastEnd = previous?.end ?? 0
        try TreeFailure.unless(
            state.pointee.lastEnd == lastEnd,
            "the tree ends at \(lastEnd), its state says \(state.pointee.lastEnd)")
        try TreeFailure.unless(
            state.pointee.height == 0 || state.pointee.root.count > 1, "a root has one child")
    }

    private func check(
        _ node: VMATreeNode, level: Int, previous: inout VMARef?, count: inout Int
    ) throws(TreeFailure) {
        let items = node.count
        try TreeFailure.unless(
            items > 0 && items <= VMATreeNode.capacity
                || items == 0 && node == state.pointee.root && level == 0,
            "a node \(level) levels above the leaves has \(items) items")
        for slot in 0..<items {
            if level == 0 {
                try check(node.vma(slot), in: node, at: slot, previous: previous)
                previous = node.vma(slot)
                count += 1
                continue
            }
            let child = node.child(slot)
            try check(child, level: level - 1, previous: &previous, count: &count)
            try TreeFailure.unless(
                node.ends[slot] == child.lastEnd,
                "a child ends at \(child.lastEnd), its parent says \(node.ends[slot])")
            try TreeFailure.unless(
                node.gaps[slot] == child.greatestGap,
                "a child has a gap of \(child.greatestGap), its parent says \(node.gaps[slot])")
        }
        for slot in items..<VMATreeNode.capacity {
            try TreeFailure.unless(
                node.ends[slot] == .max && node.gaps[slot] == 0,
                "an unused slot holds the end \(node.ends[slot]) and the gap \(node.gaps[slot])")
        }
    }

    private func check(
        _ vma: VMARef, in leaf: VMATreeNode, at slot: Int, previous: VMARef?
    ) throws(TreeFailure) {
        let previousEnd = previous?.end ?? 0
        try TreeFailure.unless(
            vma.start < vma.end, "a VMA starts at \(vma.start) and ends at \(vma.end)")
        try TreeFailure.unless(
            vma.start >= previousEnd,
            "a VMA starts at \(vma.start), the one before ends at \(previousEnd)")
        try TreeFailure.unless(
            leaf.ends[slot] == vma.end, "a VMA ends at \(vma.end), its leaf says \(leaf.ends[slot])"
        )
        let gap = VMATree.gap(from: previousEnd, to: vma)
        try TreeFailure.unless(
            leaf.gaps[slot] == gap,
            "a VMA at \(vma.start) has a gap of \(gap), its leaf says \(leaf.gaps[slot])")
        let outline = VMAOutline(of: vma, after: previousEnd)
        try TreeFailure.unless(
            leaf.outline(slot) == outline,
            "the outline of the VMA at \(vma.start) is \(outline), its leaf says \(leaf.outline(slot))"
        )
        try TreeFailure.unless(
            vma.previous == previous, "the VMA at \(vma.start) has the wrong predecessor")
        let link = previous == nil ? first : previous?.next
        try TreeFailure.unless(
            link == vma, "the VMA before the one at \(vma.start) has the wrong successor")
    }
}
