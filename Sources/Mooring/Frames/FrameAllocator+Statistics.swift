// SPDX-License-Identifier: Apache-2.0
//
// What views and tests may ask an allocator. Nothing here takes a lock: figures that are read
// while CPUs run are each true of some moment, not all of the same one.

extension FrameAllocator {
    /// How many frames the machine has.
    var totalFrames: Int { state.pointee.totalFrames }

    /// How many zones are numbered, empty ones included.
    var zoneCount: Int { state.pointee.zoneCount }

    /// How many nodes there are.
    var nodeCount: Int { state.pointee.nodeCount }

    /// The zones that have frames, by number.
    var zones: some Sequence<ZoneRef> {
        (0..<zoneCount).lazy.map { zone($0) }.filter { $0.managed > 0 }
    }

    /// Frames in the zones' free blocks; those on per-CPU lists are not among them.
    var freeFrames: Int { zones.reduce(0) { $0 + $1.freeFrames } }

    /// Frames on the lists of all CPUs.
    var usedPerCPUFrames: Int {
        var sum = 0
        for cpu in 0..<state.pointee.cpuCount {
            for zone in 0..<zoneCount { sum += Int(lists(cpu: cpu, zone: zone).total.load()) }
        }
        return sum
    }

    /// Frames that somebody has.
    var usedFrames: Int { totalFrames - freeFrames - usedPerCPUFrames }

    /// The zone of a frame, whether or not it has a descriptor yet.
    func zone(of pfn: PFN) -> ZoneRef {
        guard let zone = zones.first(where: { $0.start <= pfn.index && pfn.index < $0.end }) else {
            preconditionFailure("frame beyond the end of memory")
        }
        return zone
    }

    /// Whether a frame has a descriptor that may be looked at.
    func isInitialised(_ pfn: PFN) -> Bool { pfn.index < zone(of: pfn).nextUninitialised }

    /// The migrate type of the pageblock that holds a frame.
    @inline(__always)
    func pageblockType(of pfn: PFN) -> MigrateType {
        precondition(pfn.index < totalFrames, "frame beyond the end of memory")
        return state.pointee.pageblocks[pfn]
    }

    /// Changes the migrate type of the pageblock that holds a frame, free blocks included.
    ///
    /// Frames of it on per-CPU lists follow when they are given back.
    func setPageblockType(of pfn: PFN, to type: MigrateType, on cpu: CPU) {
        let zone = zone(of: pfn)
        zone.lock.lock(.zone, on: cpu)
        BuddyAllocator(zone: zone).setPageblockType(of: pfn, to: type)
        zone.lock.unlock(.zone, on: cpu)
    }

    /// All figures of the zones that have frames.
    var zoneStatistics: [ZoneStatistics] { zones.map(statistics(of:)) }

    private func statistics(of zone: ZoneRef) -> ZoneStatistics {
        var pageblocks = Array(repeating: 0, count: MigrateType.count)
        for block in stride(from: zone.start, to: zone.end, by: pageblockFrames) {
            pageblocks[pageblockType(of: PFN(block)).index] += 1
        }
        return ZoneStatistics(
            node: zone.node, type: zone.type, start: zone.start, managed: zone.managed,
            free: zone.freeFrames, min: zone.frames(at: .min), low: zone.frames(at: .low),
            high: zone.frames(at: .high),
            protection: ZoneType.allCases.map { zone.protection(from: $0) },
            freeBlocks: MigrateType.allCases.map { type in
                (0..<orderCount).map { Int(zone.blockCount(order: $0, type: type).load()) }
            },
            pageblocks: pageblocks,
            perCPU: (0..<state.pointee.cpuCount).map { cpu in
                let lists = lists(cpu: cpu, zone: zone.index)
                return ZoneStatistics.PerCPU(
                    count: Int(lists.total.load()), high: lists.usualHigh, batch: lists.batch)
            })
    }
}

/// The figures of one zone at about one moment.
package struct ZoneStatistics: Equatable, Sendable {
    /// A CPU's lists for the zone.
    package struct PerCPU: Equatable, Sendable {
        package var count: Int
        package var high: Int
        package var batch: Int
    }

    package var node: Int
    package var type: ZoneType
    /// The first frame.
    package var start: Int
    /// All frames: there are no holes, so that spanned and present are the same.
    package var managed: Int
    package var free: Int
    package var min: Int
    package var low: Int
    package var high: Int
    /// What is kept from requests whose best zone is DMA32, Normal, Movable.
    package var protection: [Int]
    /// Free blocks by migrate type, then order.
    package var freeBlocks: [[Int]]
    /// Pageblocks by migrate type.
    package var pageblocks: [Int]
    /// By CPU.
    package var perCPU: [PerCPU]

    /// Free blocks of each order, whatever their type.
    package var freeBlocksByOrder: [Int] {
        (0..<orderCount).map { order in freeBlocks.reduce(0) { $0 + $1[order] } }
    }
}
