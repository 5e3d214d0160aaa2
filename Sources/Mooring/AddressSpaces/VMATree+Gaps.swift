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
        return highest(request, in: state.pointee.root, level: state.pointee.height)
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
            let address = lowest(request, in: state.pointee.root, level: state.pointee.height)
        {
            return address
        }
        return request.lowest(in: lastEnd, ceiling)
    }

    /// The highest address below an item of `node` that does; `node` is `level` levels above the
    /// leaves.
    private func highest(_ request: Request, in node: VMATreeNode, level: Int) -> UInt64? {
        // Gaps below later items start at or above the ceiling.
        var slot = min(node.slot(above: request.ceiling - 1), node.count - 1)
        let lowestEnd = request.floor + request.length
        while true {
            if node.gaps[slot] >= request.length {
                if level > 0 {
                    let address = highest(request, in: node.child(slot), level: level - 1)
                    if let address { return address }
                } else {
                    let bottom = bottomOfGap(below: slot, in: node)
                    let address = request.highest(in: bottom, bottom + node.gaps[slot])
                    if let address { return address }
                }
            }
            // The items before end too low for anything below them to be above the floor.
            if slot == 0 || node.ends[slot - 1] < lowestEnd { return nil }
            slot -= 1
        }
    }

    /// The lowest address below an item of `node` that does; `node` is `level` levels above the
    /// leaves.
    private func lowest(_ request: Request, in node: VMATreeNode, level: Int) -> UInt64? {
        // Items that end at or below the floor have only gaps below it.
        var slot = min(node.slot(above: request.floor), node.count - 1)
        let highestBottom = request.ceiling - request.length
        let count = node.count
        while true {
            if node.gaps[slot] >= request.length {
                if level > 0 {
                    let address = lowest(request, in: node.child(slot), level: level - 1)
                    if let address { return address }
                } else {
                    let bottom = bottomOfGap(below: slot, in: node)
                    let address = request.lowest(in: bottom, bottom + node.gaps[slot])
                    if let address { return address }
                }
            }
            // Gaps below the items after start above the last address that would do.
            if slot + 1 == count || node.ends[slot] > highestBottom { return nil }
            slot += 1
        }
    }

    /// Where the gap below a VMA of a leaf starts.
    @inline(__always)
    private func bottomOfGap(below slot: Int, in leaf: VMATreeNode) -> UInt64 {
        slot > 0 ? leaf.ends[slot - 1] : leaf.vma(0).previous?.end ?? 0
    }
}
