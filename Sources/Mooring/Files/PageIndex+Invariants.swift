// SPDX-License-Identifier: Apache-2.0

extension PageIndex {
    /// Compares the index with the pages in it: counts, parents and height.
    package func checkInvariants() throws(TreeFailure) {
        var count = 0
        if let root = state.pointee.root {
            let height = state.pointee.height
            count = try check(root, level: height, parent: nil)
            let isTooHigh =
                height > 0 && root.count(isLeaf: false) == 1 && root.children[0] != nil
            try TreeFailure.unless(!isTooHigh, "only the first child of the root is left")
        }
        try TreeFailure.unless(
            count == self.count, "\(count) pages are in the index, \(self.count) are counted")
    }

    /// Checks a subtree; returns how many pages are in it.
    private func check(
        _ node: PageIndexNode, level: Int, parent: PageIndexNode?
    ) throws(TreeFailure) -> Int {
        let isLeaf = level == 0
        try TreeFailure.unless(
            node.parent(isLeaf: isLeaf) == parent,
            "a node \(level) levels above the leaves has the wrong parent")
        var taken = 0
        var pages = 0
        for slot in 0..<PageIndexNode.slotCount {
            if isLeaf {
                taken += node.pfns[slot] == .none ? 0 : 1
            } else if let child = node.children[slot] {
                taken += 1
                pages += try check(child, level: level - 1, parent: node)
            }
        }
        let counted = node.count(isLeaf: isLeaf)
        try TreeFailure.unless(
            taken > 0 && taken == counted,
            "\(taken) slots \(level) levels above the leaves are taken, \(counted) are counted")
        return isLeaf ? taken : pages
    }
}
