// SPDX-License-Identifier: Apache-2.0
//
// The buddy allocator of one zone: blocks of 2^order frames, split when a smaller one is wanted
// and merged with their buddy when both are free.
//
// STATE   The zone's: Zone.swift.
// LOCKS   Everything here needs the zone's lock.
// SEE     BuddyAllocator+Pageblocks.swift for fallbacks, stealing, and pageblock types.

/// The free blocks of one zone.
struct BuddyAllocator {
    let zone: ZoneRef

    // MARK: Lists

    /// Puts a block on its list.
    ///
    /// Does not change the number of free frames.
    @inline(__always)
    func link(_ pfn: PFN, order: Int, type: MigrateType) {
        let frames = zone.frames
        let frame = frames[pfn]
        let head = zone.head(order: order, type: type)
        let second = PFN(rawValue: head.pointee)
        frame.resetFlags(.buddy)
        frame.order = order
        frame.freeListType = type.rawValue
        frame.next = second
        frame.prev = .none
        if second != .none { frames[second].prev = pfn }
        head.pointee = pfn.rawValue
        zone.mask(type).pointee |= 1 << UInt32(truncatingIfNeeded: order)
        zone.blockCount(order: order, type: type).add(1)
        if !type.isOrdinary { zone.counter(.withheld).add(1 << order) }
    }

    /// Takes a block off its list.
    ///
    /// Does not change the number of free frames.
    @inline(__always)
    func unlink(_ pfn: PFN, order: Int, type: MigrateType) {
        let frames = zone.frames
        let frame = frames[pfn]
        let next = frame.next
        let previous = frame.prev
        if next != .none { frames[next].prev = previous }
        if previous != .none {
            frames[previous].next = next
        } else {
            zone.head(order: order, type: type).pointee = next.rawValue
            if next == .none {
                zone.mask(type).pointee &= ~(1 << UInt32(truncatingIfNeeded: order))
            }
        }
        frame.resetFlags([])
        frame.clearFreeBlock()
        zone.blockCount(order: order, type: type).add(-1)
        if !type.isOrdinary { zone.counter(.withheld).add(-(1 << order)) }
    }

    /// Takes the first block of a list that has one.
    @inline(__always)
    func takeFirst(order: Int, type: MigrateType) -> PFN {
        let pfn = PFN(rawValue: zone.head(order: order, type: type).pointee)
        unlink(pfn, order: order, type: type)
        return pfn
    }

    /// Puts what a block of 2^`order` frames has beyond its first `used` back on lists.
    @inline(__always)
    func linkRemainder(of pfn: PFN, order: Int, used: Int, type: MigrateType) {
        var offset = used
        let size = 1 << order
        // The blocks grow as the offset runs out of low bits: the same ones that repeated halving
        // leaves.
        while offset < size {
            let part = offset.trailingZeroBitCount
            link(PFN(pfn.index &+ offset), order: part, type: type)
            offset &+= 1 << part
        }
    }

    // MARK: Allocating

    /// Takes a block, from another type's pageblocks if there is none of this type.
    ///
    /// Watermarks are the caller's business.
    ///
    /// - Returns: The first frame, or ``PFN/none`` when no block is large enough.
    func allocate(order: Int, type: MigrateType, on cpu: CPU) -> PFN {
        var pfn = allocateOwn(order: order, type: type)
        if pfn == .none, type.isOrdinary {
            pfn = allocateFallback(order: order, type: type, on: cpu)
        }
        if pfn != .none { zone.counter(.free).add(-(1 << order)) }
        return pfn
    }

    /// Takes a block from the type's own lists, the smallest that is large enough.
    @inline(__always)
    private func allocateOwn(order: Int, type: MigrateType) -> PFN {
        var orders = zone.mask(type).pointee >> UInt32(truncatingIfNeeded: order)
        while orders == 0 {
            guard type == .movable, initialiseNextBlock() else { return .none }
            orders = zone.mask(type).pointee >> UInt32(truncatingIfNeeded: order)
        }
        let found = order &+ orders.trailingZeroBitCount
        let pfn = takeFirst(order: found, type: type)
        linkRemainder(of: pfn, order: found, used: 1 << order, type: type)
        return pfn
    }

    /// Takes up to `count` single frames, lowest first within a block: the same ones as so many
    /// calls of ``allocate(order:type:on:)`` would, without splitting blocks that are used up.
    ///
    /// - Returns: How many it took.
    func allocateSingles(
        into buffer: UnsafeMutablePointer<PFN>, count: Int, type: MigrateType, on cpu: CPU
    ) -> Int {
        var taken = 0
        while taken < count {
            let orders = zone.mask(type).pointee
            guard orders != 0 else {
                // The ordinary way initialises blocks, and falls back.
                let pfn = allocate(order: 0, type: type, on: cpu)
                if pfn == .none { break }
                buffer[taken] = pfn
                taken &+= 1
                continue
            }
            let order = orders.trailingZeroBitCount
            let pfn = takeFirst(order: order, type: type)
            let used = min(1 << order, count &- taken)
            for offset in 0..<used { buffer[taken &+ offset] = PFN(pfn.index &+ offset) }
            linkRemainder(of: pfn, order: order, used: used, type: type)
            zone.counter(.free).add(-used)
            taken &+= used
        }
        return taken
    }

    // MARK: Freeing

    /// Gives a block back and merges it with its buddies as far as they are free.
    ///
    /// The descriptors of its frames must be clean: ``FrameAllocator`` sees to that.
    @inline(__always)
    func free(_ pfn: PFN, order: Int) {
        zone.counter(.free).add(1 << order)
        let type = zone.pageblocks[pfn]
        if order == maximumOrder {
            let second = PFN(pfn.index &+ pageblockFrames)
            if zone.pageblocks[second] != type {
                // One of its two pageblocks changed its type while the block was in use.
                linkMerged(second, order: pageblockOrder, type: zone.pageblocks[second])
                linkMerged(pfn, order: pageblockOrder, type: type)
                return
            }
        }
        linkMerged(pfn, order: order, type: type)
    }

    /// Puts a block that is already counted on a list, merged with its buddies.
    @inline(__always)
    func linkMerged(_ pfn: PFN, order: Int, type: MigrateType) {
        let frames = zone.frames
        let end = zone.end
        var pfn = pfn
        var order = order
        while order < maximumOrder {
            let buddy = PFN(pfn.index ^ (1 << order))
            // Descriptors are initialised 2^10 frames at a time, so that the buddy has one
            // unless the zone ends before it. Zones begin at multiples of 2^10.
            guard buddy.index &+ (1 << order) <= end else { break }
            let frame = frames[buddy]
            guard frame.has(.buddy), frame.order == order else { break }
            let buddyType = MigrateType.stored(frame.freeListType)
            if buddyType != type {
                // Only whole pageblocks can differ. Free ordinary ones may change their type:
                // there is nothing in them that would be in the wrong company.
                guard buddyType.isOrdinary, type.isOrdinary else { break }
                zone.pageblocks[buddy] = type
            }
            unlink(buddy, order: order, type: buddyType)
            pfn = PFN(pfn.index & ~(1 << order))
            order &+= 1
        }
        link(pfn, order: order, type: type)
    }

    // MARK: Descriptors

    /// Gives the next block of the zone descriptors and puts it on the movable lists.
    ///
    /// - Returns: Whether there was one left.
    @inline(never)
    func initialiseNextBlock() -> Bool {
        let start = zone.nextUninitialised
        guard start < zone.end else { return false }
        let end = min(start + maximumBlockFrames, zone.end)
        zone.frames.initialise(start..<end, zone: zone.index)
        var next = start
        while next < end {
            // A whole block, or the tail's bits from the highest.
            let order = (UInt64(end - next).leadingZeroBitCount ^ 63)
            zone.blockCount(order: order, type: .movable).add(-1)
            link(PFN(next), order: order, type: .movable)
            next += 1 << order
        }
        zone.counter(.nextUninitialised).store(Int64(end))
        return true
    }
}

extension FrameRef {
    /// Forgets order and type of a block that is free no longer; the word is then a clean lock
    /// word for a page table.
    @inline(__always)
    func clearFreeBlock() {
        (UnsafeMutableRawPointer(pointer) + 4).storeBytes(of: 0, as: UInt32.self)
    }
}
