// SPDX-License-Identifier: Apache-2.0
//
// Keeping unmovable contents together: what happens when a type has no free block of its own.
//
// A request then takes a block of another type. If it takes a lot of a pageblock, or what is in
// use there is of its own kind, the whole pageblock becomes its type, so that the next requests
// of the type follow it there and not into a third pageblock. Otherwise the rest of the block
// stays with its old type, and the pageblock is mixed: the event `.extfrag`.
//
// LINUX   The order of fallbacks and the preference for the largest block are those that
//         /proc/pagetypeinfo and mm_page_alloc_extfrag make visible. We count the event only
//         when it fragments (the tracepoint's `fragmenting=1`): whole free pageblocks may
//         change their type at no cost.

extension BuddyAllocator {
    /// From this order up, a block is worth taking its pageblock's type along.
    private static let claimOrder = pageblockOrder / 2

    /// Takes a block from another type's lists.
    @inline(never)
    func allocateFallback(order: Int, type: MigrateType, on cpu: CPU) -> PFN {
        // Blocks without descriptors are as free as those on lists, and as large as any.
        while zone.mask(.movable).pointee >> UInt32(maximumOrder) == 0, initialiseNextBlock() {}

        let (first, second) = type.fallbacks
        let wanted = ~(UInt32(1) << UInt32(order) &- 1)
        let largest = (zone.mask(first).pointee | zone.mask(second).pointee) & wanted
        guard largest != 0 else { return .none }
        var found = 31 - largest.leadingZeroBitCount

        // Movable contents are no harm to a pageblock for ever: a small request of theirs takes
        // the smallest block and leaves large ones whole.
        let mayClaim = found >= BuddyAllocator.claimOrder || type != .movable
        if !mayClaim { found = largest.trailingZeroBitCount }
        let from = zone.mask(first).pointee >> UInt32(found) & 1 == 1 ? first : second
        let pfn = takeFirst(order: found, type: from)

        if found >= pageblockOrder {
            setType(of: pfn, frames: 1 << found, to: type)
            linkRemainder(of: pfn, order: found, used: 1 << order, type: type)
            return pfn
        }
        cpu.count(.extfrag)
        let claimed =
            mayClaim && claimPageblock(of: pfn, taken: 1 << found, from: from, for: type)
        linkRemainder(
            of: pfn, order: found, used: 1 << order, type: claimed ? type : from)
        return pfn
    }

    /// Makes a pageblock the requester's if enough of it is free or of its kind.
    ///
    /// - Returns: Whether it did.
    private func claimPageblock(
        of pfn: PFN, taken: Int, from: MigrateType, for type: MigrateType
    ) -> Bool {
        let usage = usage(ofPageblockOf: pfn, taken: taken)
        let alike: Int
        switch (type, from) {
        case (.movable, _): alike = usage.movable
        case (_, .movable): alike = usage.other
        default: alike = 0
        }
        guard usage.free + alike >= pageblockFrames / 2 else { return false }
        moveFreeBlocks(ofPageblockOf: pfn, from: from, to: type)
        zone.pageblocks[pfn] = type
        return true
    }

    /// What the frames of a pageblock are used for; `taken` frames from `pfn` are about to be
    /// and count as free.
    private func usage(
        ofPageblockOf pfn: PFN, taken: Int
    ) -> (free: Int, movable: Int, other: Int) {
        var free = taken
        var movable = 0
        let start = pfn.index & ~(pageblockFrames - 1)
        let end = min(start + pageblockFrames, zone.end)
        var next = start
        while next < end {
            if next == pfn.index {
                next += taken
                continue
            }
            let frame = zone.frames[PFN(next)]
            if frame.has(.buddy) {
                free += 1 << frame.order
                next += 1 << frame.order
                continue
            }
            // RACE: flags of frames in use change under our eyes; this is an estimate.
            let movableFlags: FrameFlags = [.onLRU, .anonymous, .fileCached, .unevictable]
            if !frame.flags.isDisjoint(with: movableFlags) { movable += 1 }
            next += 1
        }
        return (free, movable, end - start - free - movable)
    }

    /// Moves the free blocks of a pageblock to another type's lists.
    private func moveFreeBlocks(
        ofPageblockOf pfn: PFN, from: MigrateType, to type: MigrateType
    ) {
        guard from != type else { return }
        let start = pfn.index & ~(pageblockFrames - 1)
        let end = min(start + pageblockFrames, zone.end)
        var next = start
        while next < end {
            let frame = zone.frames[PFN(next)]
            guard frame.has(.buddy) else {
                next += 1
                continue
            }
            let order = frame.order
            unlink(PFN(next), order: order, type: from)
            link(PFN(next), order: order, type: type)
            next += 1 << order
        }
    }

    private func setType(of pfn: PFN, frames: Int, to type: MigrateType) {
        for offset in stride(from: 0, to: frames, by: pageblockFrames) {
            zone.pageblocks[PFN(pfn.index + offset)] = type
        }
    }

    /// Changes the type of the pageblock that holds `pfn` and moves its free blocks along.
    ///
    /// Initialises descriptors up to there.
    func setPageblockType(of pfn: PFN, to type: MigrateType) {
        while zone.nextUninitialised <= pfn.index, initialiseNextBlock() {}
        let old = zone.pageblocks[pfn]
        guard old != type else { return }

        let start = pfn.index & ~(pageblockFrames - 1)
        let whole = PFN(pfn.index & ~(maximumBlockFrames - 1))
        let head = zone.frames[whole]
        if head.has(.buddy), head.order == maximumOrder {
            // The block spans this pageblock and another: each on its own list from now on.
            unlink(whole, order: maximumOrder, type: old)
            link(whole, order: pageblockOrder, type: old)
            link(PFN(whole.index + pageblockFrames), order: pageblockOrder, type: old)
        }
        if old == .highAtomic { zone.counter(.highAtomicBlocks).add(-1) }
        if type == .highAtomic { zone.counter(.highAtomicBlocks).add(1) }
        moveFreeBlocks(ofPageblockOf: pfn, from: old, to: type)
        zone.pageblocks[pfn] = type

        // A whole free pageblock may merge with its neighbour, but changes nothing about it.
        let block = zone.frames[PFN(start)]
        if block.has(.buddy), block.order == pageblockOrder,
            whole.index + maximumBlockFrames <= zone.end,
            zone.pageblocks[PFN(start ^ pageblockFrames)] == type
        {
            unlink(PFN(start), order: pageblockOrder, type: type)
            linkMerged(PFN(start), order: pageblockOrder, type: type)
        }
    }

    // MARK: High-atomic blocks

    /// Takes a block for a request that cannot wait: from the blocks kept for such requests, or
    /// from anywhere, keeping the pageblock for the next one.
    func allocateHighAtomic(order: Int, on cpu: CPU) -> PFN {
        var pfn = allocate(order: order, type: .highAtomic, on: cpu)
        if pfn != .none { return pfn }
        pfn = allocate(order: order, type: .unmovable, on: cpu)
        // At most a hundredth of the zone, and one block, is kept.
        let kept = Int(zone.counter(.highAtomicBlocks).load()) << pageblockOrder
        if pfn != .none, order > 0, order <= pageblockOrder, kept < zone.managed / 100,
            zone.pageblocks[pfn].isOrdinary
        {
            setPageblockType(of: pfn, to: .highAtomic)
        }
        return pfn
    }

    /// Gives a kept pageblock back to ordinary requests of a type.
    ///
    /// - Returns: Whether there was one with something free in it.
    func releaseHighAtomicBlock(to type: MigrateType) -> Bool {
        let orders = zone.mask(.highAtomic).pointee
        guard orders != 0 else { return false }
        let head = zone.head(order: orders.trailingZeroBitCount, type: .highAtomic)
        setPageblockType(of: PFN(rawValue: head.pointee), to: type)
        return true
    }
}
