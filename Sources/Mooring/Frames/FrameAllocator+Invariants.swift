// SPDX-License-Identifier: Apache-2.0
//
// The audit of free memory: everything that zones and per-CPU lists count or link, recomputed
// from descriptors. For moments when no CPU runs.

extension FrameAllocator {
    /// Stops at the first figure or link that is wrong.
    ///
    /// Costs a look at every descriptor that exists.
    ///
    /// - Throws: The figure that is kept and the one that it should be.
    func checkInvariants() throws(AuditFailure) {
        for zone in zones { try ZoneAudit(zone: zone).check() }
        try checkPerCPULists()
    }

    private func checkPerCPULists() throws(AuditFailure) {
        var seen: Set<PFN> = []
        for cpu in 0..<state.pointee.cpuCount {
            for zone in zones {
                let lists = lists(cpu: cpu, zone: zone.index)
                let place = "frames on CPU \(cpu)'s lists for zone \(zone.index)"
                var sum = 0
                for type in MigrateType.allCases.prefix(MigrateType.ordinaryCount) {
                    let count = Int(lists.count(type).load())
                    sum += count
                    for position in 0..<count {
                        let pfn = lists.stack(type)[position]
                        guard seen.insert(pfn).inserted else {
                            throw AuditFailure(
                                "\(place): frame \(pfn.rawValue)", counted: 2, recomputed: 1)
                        }
                        try check(pfn, onListFor: zone, place)
                    }
                }
                try expect(place, Int(lists.total.load()), sum)
            }
        }
    }

    /// A frame on a per-CPU list is in the zone, clean, and in no free block.
    private func check(
        _ pfn: PFN, onListFor zone: ZoneRef, _ place: String
    ) throws(AuditFailure) {
        let frame = state.pointee.frames[pfn]
        guard pfn.index >= zone.start, pfn.index < zone.nextUninitialised else {
            throw AuditFailure(
                "\(place): a frame of another zone", counted: pfn.index,
                recomputed: zone.nextUninitialised)
        }
        try expect("\(place): zone of frame \(pfn.rawValue)", frame.zoneIndex, zone.index)
        try expect(
            "\(place): flags of frame \(pfn.rawValue)",
            Int(frame.flags.rawValue & ~FrameFlags.zoneMask), 0)
        for order in 0..<orderCount {
            let head = state.pointee.frames[PFN(pfn.index & ~(1 << order - 1))]
            if head.has(.buddy), head.order >= order {
                throw AuditFailure(
                    "\(place): frame \(pfn.rawValue) is in a free block too", counted: 1,
                    recomputed: 0)
            }
        }
    }
}

private func expect(
    _ what: @autoclosure () -> String, _ counted: Int, _ recomputed: Int
) throws(AuditFailure) {
    guard counted == recomputed else {
        throw AuditFailure(what(), counted: counted, recomputed: recomputed)
    }
}

/// The audit of one zone.
private struct ZoneAudit {
    let zone: ZoneRef
    /// Free blocks by descriptor, per type and order.
    private var blocks = Array(repeating: 0, count: MigrateType.count * orderCount)

    init(zone: ZoneRef) { self.zone = zone }

    private func name(_ order: Int, _ type: MigrateType) -> String {
        "zone \(zone.index), free \(type.kernelName) blocks of order \(order)"
    }

    func check() throws(AuditFailure) {
        var audit = self
        try audit.countBlocks()
        try audit.checkFigures()
        try audit.checkLists()
    }

    /// Finds every free block by its descriptor: aligned, of the type of all its pageblocks,
    /// nothing in it that is not clean.
    private mutating func countBlocks() throws(AuditFailure) {
        var next = zone.start
        let end = zone.nextUninitialised
        while next < end {
            let frame = zone.frames[PFN(next)]
            try expect("zone number of frame \(next)", frame.zoneIndex, zone.index)
            guard frame.has(.buddy) else {
                next += 1
                continue
            }
            let order = frame.order
            guard order < orderCount, frame.freeListType < MigrateType.count else {
                throw AuditFailure(
                    "order of the free block at \(next)", counted: order,
                    recomputed: maximumOrder)
            }
            let type = MigrateType.stored(frame.freeListType)
            try expect("alignment of the free block at \(next)", next & (1 << order - 1), 0)
            guard next + (1 << order) <= zone.end else {
                throw AuditFailure(
                    "end of the free block at \(next)", counted: next + (1 << order),
                    recomputed: zone.end)
            }
            for inside in next..<next + (1 << order) {
                let flags = zone.frames[PFN(inside)].flags.rawValue & ~FrameFlags.zoneMask
                try expect(
                    "flags of frame \(inside), in the free block at \(next)", Int(flags),
                    inside == next ? Int(FrameFlags.buddy.rawValue) : 0)
                if inside & (pageblockFrames - 1) == 0 || inside == next {
                    try expect(
                        "type of the pageblock of free frame \(inside)",
                        zone.pageblocks[PFN(inside)].index, type.index)
                }
            }
            blocks[type.index * orderCount + order] += 1
            next += 1 << order
        }
    }

    /// Compares what the zone counts with the blocks found and those without descriptors.
    private func checkFigures() throws(AuditFailure) {
        let uninitialised = zone.end - zone.nextUninitialised
        var free = 0
        var withheld = 0
        for type in MigrateType.allCases {
            var mask = 0
            for order in 0..<orderCount {
                let found = blocks[type.index * orderCount + order]
                var all = found
                if type == .movable {
                    all +=
                        order == maximumOrder ? uninitialised >> order : uninitialised >> order & 1
                }
                try expect(
                    name(order, type), Int(zone.blockCount(order: order, type: type).load()), all)
                if found > 0 { mask |= 1 << order }
                free += all << order
                if !type.isOrdinary { withheld += all << order }
            }
            try expect(
                "zone \(zone.index), orders of \(type.kernelName) with free blocks",
                Int(zone.mask(type).pointee), mask)
        }
        try expect("zone \(zone.index), free frames", zone.freeFrames, free)
        try expect(
            "zone \(zone.index), withheld frames", Int(zone.counter(.withheld).load()), withheld)
        var highAtomic = 0
        for block in stride(from: zone.start, to: zone.end, by: pageblockFrames)
        where zone.pageblocks[PFN(block)] == .highAtomic { highAtomic += 1 }
        try expect(
            "zone \(zone.index), high-atomic pageblocks",
            Int(zone.counter(.highAtomicBlocks).load()), highAtomic)
    }

    /// Walks every list: linked both ways, each block on the list of its order and type.
    private func checkLists() throws(AuditFailure) {
        for type in MigrateType.allCases {
            for order in 0..<orderCount {
                var pfn = PFN(rawValue: zone.head(order: order, type: type).pointee)
                var previous = PFN.none
                var length = 0
                let found = blocks[type.index * orderCount + order]
                while pfn != .none, length <= found {
                    guard pfn.index >= zone.start, pfn.index < zone.nextUninitialised else {
                        throw AuditFailure(
                            "\(name(order, type)): linked frame", counted: pfn.index,
                            recomputed: zone.nextUninitialised)
                    }
                    let frame = zone.frames[pfn]
                    let place = "\(name(order, type)): frame \(pfn.rawValue)"
                    try expect("\(place), .buddy", frame.has(.buddy) ? 1 : 0, 1)
                    try expect("\(place), order", frame.order, order)
                    try expect("\(place), type", Int(frame.freeListType), type.index)
                    try expect("\(place), prev", frame.prev.index, previous.index)
                    previous = pfn
                    pfn = frame.next
                    length += 1
                }
                try expect("\(name(order, type)), linked", length, found)
            }
        }
    }
}
