// SPDX-License-Identifier: Apache-2.0
//
// Where a new mapping finds room: the highest or the lowest free range of a length.
//
// A slot whose greatest gap is shorter than the length is passed over with all that is below it,
// so that a search looks at one node a level. Only gaps that are long enough and yet do not do,
// because a bound cuts them or no aligned address fits, are visited in vain.

extension VMATree {
    /// What is looked for.
    private struct Request {
        let length: UInt64
        let floor: UInt64
        let ceiling: UInt64
        let alignmentMask: UInt64
        let alignmentOffset: UInt64

        /// The highest address in the free range `bottom..<top` that does.
        @inline(__always)
        func highest(in bottom: UInt64, _ top: UInt64) -> UInt64? {
            let bottom = max(bottom, floor)
            let top = min(top, ceiling)
            guard top >= bottom && top - bottom >= length else { return nil }
            let address = top - length
            let excess = (address &- alignmentOffset) & alignmentMask
            return address - bottom >= excess ? address - excess : nil
        }

        /// The highest address in the gap below a VMA of a leaf that does.
        @inline(__always)
        func highest(below slot: Int, in leaf: VMATreeNode) -> UInt64? {
            let bottom = Request.bottomOfGap(below: slot, in: leaf)
            return highest(in: bottom, bottom + leaf.gaps[slot])
        }

        /// The lowest address in the gap below a VMA of a leaf that does.
        @inline(__always)
        func lowest(below slot: Int, in leaf: VMATreeNode) -> UInt64? {
            let bottom = Request.bottomOfGap(below: slot, in: leaf)
            return lowest(in: bottom, bottom + leaf.gaps[slot])
        }

        /// Where the gap below a VMA of a leaf starts.
        @inline(__always)
        private static func bottomOfGap(below slot: Int, in leaf: VMATreeNode) -> UInt64 {
            slot > 0 ? leaf.ends[slot - 1] : leaf.vma(0).previous?.end ?? 0
        }

        /// The lowest address in the free range `bottom..<top` that does.
        @inline(__always)
        func lowest(in bottom: UInt64, _ top: UInt64) -> UInt64? {
            let bottom = max(bottom, floor)
            let top = min(top, ceiling)
            guard top >= bottom && top - bottom >= length else { return nil }
            let missing = (alignmentOffset &- bottom) & alignmentMask
            return top - length - bottom >= missing ? bottom + missing : nil
        }
    }

    /// The highest address at which `length` bytes are free and lie in `floor..<ceiling`.
    ///
    /// The guard gap below a stack counts as used. The address is congruent to `alignmentOffset`
    /// modulo `alignment`, a power of two.
    ///
    /// Linux: the top-down search of mmap. For alignments above a page Linux asks for a gap that
    /// is longer by the alignment less a page, and so misses gaps in which the range fits just so.
    ///
    /// - Complexity: O(log n), plus the gaps that are long enough but cut by a bound or misaligned.
    func highestGap(
        length: UInt64, floor: UInt64, ceiling: UInt64, alignment: UInt64 = 4096,
        alignmentOffset: UInt64 = 0
    ) -> UInt64? {
        guard length > 0 && ceiling >= floor && ceiling - floor >= length else { return nil }
        let request = Request(
            length: length, floor: floor, ceiling: ceiling, alignmentMask: alignment - 1,
            alignmentOffset: alignmentOffset)
        let lastEnd = state.pointee.lastEnd
        if lastEnd < ceiling {
            if let address = request.highest(in: lastEnd, ceiling) { return address }
            if count == 0 { return nil }
        }
        return highest(
            request, in: state.pointee.root, level: state.pointee.height, isCut: true)
    }

    /// The lowest address at which `length` bytes are free and lie in `floor..<ceiling`; otherwise
    /// as ``highestGap(length:floor:ceiling:alignment:alignmentOffset:)``.
    func lowestGap(
        length: UInt64, floor: UInt64, ceiling: UInt64, alignment: UInt64 = 4096,
        alignmentOffset: UInt64 = 0
    ) -> UInt64? {
        guard length > 0 && ceiling >= floor && ceiling - floor >= length else { return nil }
        let request = Request(
            length: length, floor: floor, ceiling: ceiling, alignmentMask: alignment - 1,
            alignmentOffset: alignmentOffset)
        let lastEnd = state.pointee.lastEnd
        if floor < lastEnd,
            let address = lowest(
                request, in: state.pointee.root, level: state.pointee.height, isCut: true)
        {
            return address
        }
        return request.lowest(in: lastEnd, ceiling)
    }

    /// The highest address below an item of `node` that does; `node` is `level` levels above the
    /// leaves, and `isCut` if it may reach above the ceiling.
    private func highest(
        _ request: Request, in node: VMATreeNode, level: Int, isCut: Bool
    ) -> UInt64? {
        // Gaps below the items after this one start at or above the ceiling.
        let top = isCut ? node.slot(above: request.ceiling - 1) : VMATreeNode.capacity
        var slot = min(top, node.count - 1)
        while slot >= 0 {
            if node.gaps[slot] >= request.length {
                // What ends this low has nothing below it that would be above the floor.
                if node.ends[slot] < request.floor + request.length { return nil }
                let address =
                    level > 0
                    ? highest(
                        request, in: node.child(slot), level: level - 1, isCut: slot == top)
                    : request.highest(below: slot, in: node)
                if let address { return address }
            }
            slot -= 1
        }
        return nil
    }

    /// The lowest address below an item of `node` that does; `node` is `level` levels above the
    /// leaves, and `isCut` if it may reach below the floor.
    private func lowest(
        _ request: Request, in node: VMATreeNode, level: Int, isCut: Bool
    ) -> UInt64? {
        // The items before this one end at or below the floor.
        let bottom = isCut ? node.slot(above: request.floor) : 0
        let count = node.count
        var slot = bottom
        while slot < count {
            if node.gaps[slot] >= request.length {
                // Where the item before ends this high, all gaps after it start too high.
                let isTooHigh =
                    slot > 0 && node.ends[slot - 1] > request.ceiling - request.length
                if isTooHigh { return nil }
                let address =
                    level > 0
                    ? lowest(
                        request, in: node.child(slot), level: level - 1,
                        isCut: isCut && slot == bottom)
                    : request.lowest(below: slot, in: node)
                if let address { return address }
            }
            slot += 1
        }
        return nil
    }
}
