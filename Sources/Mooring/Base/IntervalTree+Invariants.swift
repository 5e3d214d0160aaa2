// SPDX-License-Identifier: Apache-2.0

extension IntervalTree {
    /// Compares the tree with the nodes in it: order, priorities, links, ends and count.
    ///
    /// - Complexity: O(n).
    package func checkInvariants() throws(TreeFailure) {
        var previous: UInt64 = 0
        let count = try check(state.pointee.root, parent: nil, previous: &previous)
        try TreeFailure.unless(
            count == self.count, "\(count) intervals are in the tree, \(self.count) are counted")
    }

    /// Checks a subtree, whose intervals start no lower than `previous`; returns their number.
    private func check(
        _ node: Node?, parent: Node?, previous: inout UInt64
    ) throws(TreeFailure) -> Int {
        guard let node else { return 0 }
        let first = node.pointee.first
        try TreeFailure.unless(
            node.pointee.parent == parent, "the interval at \(first) has the wrong parent")
        try TreeFailure.unless(
            node.pointee.priority <= parent?.pointee.priority ?? .max,
            "the interval at \(first) has a higher priority than its parent")
        try TreeFailure.unless(
            first <= node.pointee.last, "an interval goes from \(first) to \(node.pointee.last)")

        let before = try check(node.pointee.left, parent: node, previous: &previous)
        try TreeFailure.unless(
            first >= previous, "the interval at \(first) comes after one at \(previous)")
        previous = first
        let after = try check(node.pointee.right, parent: node, previous: &previous)

        let greatest = max(
            node.pointee.last, node.pointee.left?.pointee.greatestLast ?? 0,
            node.pointee.right?.pointee.greatestLast ?? 0)
        try TreeFailure.unless(
            node.pointee.greatestLast == greatest,
            "intervals below \(first) end at \(greatest), it says \(node.pointee.greatestLast)")
        return before + 1 + after
    }
}
