// SPDX-License-Identifier: Apache-2.0

extension PageIndex {
    /// Compares the index with the pages in it: counts, parents and height.
    package func checkInvariants() throws(TreeFailure) {
        var found = Found()
        if let root = state.pointee.root {
            let height = state.pointee.height
            found = try check(root, level: height, parent: nil)
            let isTooHigh =
                height > 0 && root.count(isLeaf: false) == 1 && root.children[0] != nil
            try TreeFailure.unless(!isTooHigh, "only the first child of the root is left")
        }
        try TreeFailure.unless(
            found.pages == count, "\(found.pages) pages are in the index, \(count) are counted")
        let traces = state.pointee.traceCount
        try TreeFailure.unless(
            found.traces == traces,
            "\(found.traces) traces are in the index, \(traces) are counted")
    }

    /// What a subtree holds.
    private struct Found {
        var pages = 0
        var traces = 0
    }

    /// Checks a subtree and says what is in it.
    private func check(
        _ node: PageIndexNode, level: Int, parent: PageIndexNode?
    ) throws(TreeFailure) -> Found {
        let isLeaf = level == 0
        try TreeFailure.unless(
            node.parent(isLeaf: isLeaf) == parent,
            "a node \(level) levels above the leaves has the wrong parent")
        var taken = 0
        var found = Found()
        for slot in 0..<PageIndexNode.slotCount {
            if isLeaf {
                let pfn = node.pfns[slot]
                found.pages += pfn.isFrame ? 1 : 0
                found.traces += PageTrace(slot: pfn) == nil ? 0 : 1
            } else if let child = node.children[slot] {
                taken += 1
                let below = try check(child, level: level - 1, parent: node)
                found.pages += below.pages
                found.traces += below.traces
            }
        }
        if isLeaf { taken = found.pages + found.traces }
        let counted = node.count(isLeaf: isLeaf)
        try TreeFailure.unless(
            taken > 0 && taken == counted,
            "\(taken) slots \(level) levels above the leaves are taken, \(counted) are counted")
        return found
    }
}
