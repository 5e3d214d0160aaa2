// SPDX-License-Identifier: Apache-2.0
//
// Where frames come from and go to: all zones of a machine and the per-CPU lists before them.
//
// STATE      Flat, made once: zones, per-CPU lists, and for each node the order in which zones
//            are asked. A request goes down its node's zones (Movable only for movable contents,
//            Normal, DMA32), then through the other nodes', nearest number first.
// INVARIANT  A frame handed out is clean: no flag, no count, no owner, `detail` 0; its links are
//            undefined. `free` makes it so while the descriptor is still in the cache.
// LOCKS      The caller has entered `cpu`, and may hold anything up to rank lru. Zone locks are
//            taken one at a time.
// LAZY       Says `PFN.none` when the watermark is reached; to reclaim, compact or kill is the
//            caller's part. Draining other CPUs may be deferred: PerCPUFrames.swift.
// SEE        Zone.swift, BuddyAllocator.swift, FrameAllocator+Invariants.swift

/// The flat state behind ``FrameAllocator``.
struct FrameAllocatorState {
    let frames: FrameTable
    let pageblocks: PageblockTypes
    let zones: UnsafeMutableRawPointer
    let zoneCount: Int
    let nodeCount: Int
    /// For each node, and whether the contents are movable: a count and so many zone numbers.
    let zoneLists: UnsafeMutablePointer<UInt8>
    /// The lists of each CPU and zone.
    let lists: UnsafeMutableRawPointer
    let listStride: Int
    /// For each CPU, node, and whether the contents are movable: the lists of the first zone.
    let firstLists: UnsafeMutablePointer<PerCPUFrames>
    let cpus: UnsafeMutablePointer<CPU>
    let cpuCount: Int
    let totalFrames: Int
}

/// All free frames of a machine.
struct FrameAllocator {
    let state: UnsafePointer<FrameAllocatorState>
    private static let zoneListStride = 64

    // MARK: Making

    /// Makes the zones of a machine, everything free.
    ///
    /// - Parameters:
    ///   - configuration: How much memory, and where.
    ///   - frames: Descriptors for exactly that much; none is initialised yet.
    ///   - cpus: All CPUs, in the order of their numbers.
    /// - Throws: What makes such a machine impossible; nothing has been made then.
    init(
        _ configuration: MemoryConfiguration, frames: FrameTable, cpus: [CPU]
    ) throws(MemoryConfigurationError) {
        try configuration.validate()
        guard frames.count == configuration.totalFrames else {
            throw .mismatch("the frame table has \(frames.count) frames")
        }
        guard !cpus.isEmpty, cpus.enumerated().allSatisfy({ $0.offset == $0.element.index }) else {
            throw .mismatch("CPUs are not numbered from 0")
        }
        let zoneCount = configuration.zoneCount
        let nodeCount = configuration.nodeFrames.count
        let blocks = (frames.count + pageblockFrames - 1) >> pageblockOrder
        let pageblocks = PageblockTypes(base: .allocate(byteCount: blocks, alignment: 64))
        pageblocks.base.initializeMemory(
            as: UInt8.self, repeating: MigrateType.movable.rawValue, count: blocks)
        let zones = UnsafeMutableRawPointer.allocate(
            byteCount: zoneCount * ZoneRef.stride, alignment: 64)
        var limits: [PerCPUFrames.Limits] = []
        for index in 0..<zoneCount {
            let node = index / ZoneType.count
            let type = ZoneType.allCases[index % ZoneType.count]
            let range = configuration.frames(ofZone: type, node: node)
            ZoneRef(raw: zones + index * ZoneRef.stride).initialise(
                ZoneConstants(
                    index: index, node: node, type: type, start: range.lowerBound,
                    end: range.upperBound, frames: frames, pageblocks: pageblocks))
            limits.append(
                PerCPUFrames.Limits(
                    batch: configuration.perCPUBatch
                        ?? PerCPUFrames.defaultBatch(managed: range.count),
                    low: Watermark.low.frames(
                        keeping: configuration.minFreeFrames * range.count / frames.count),
                    cpuCount: cpus.count))
        }

        let listStride = limits.map(\.size).max() ?? 0
        let lists = UnsafeMutableRawPointer.allocate(
            byteCount: cpus.count * zoneCount * listStride, alignment: 128)
        for cpu in 0..<cpus.count {
            for zone in 0..<zoneCount {
                PerCPUFrames(raw: lists + (cpu * zoneCount + zone) * listStride).initialise(
                    limits[zone], zone: ZoneRef(raw: zones + zone * ZoneRef.stride))
            }
        }

        let zoneLists = UnsafeMutablePointer<UInt8>.allocate(
            capacity: nodeCount * 2 * FrameAllocator.zoneListStride)
        let firstLists = UnsafeMutablePointer<PerCPUFrames>.allocate(
            capacity: cpus.count * nodeCount * 2)
        for key in 0..<nodeCount * 2 {
            let order = FrameAllocator.zoneOrder(
                configuration, node: key / 2, movable: key % 2 == 1)
            let list = zoneLists + key * FrameAllocator.zoneListStride
            list.initialize(repeating: 0, count: FrameAllocator.zoneListStride)
            list[0] = UInt8(order.count)
            for (position, zone) in order.enumerated() { list[position + 1] = UInt8(zone) }
            for cpu in 0..<cpus.count {
                (firstLists + (cpu * nodeCount * 2 + key)).initialize(
                    to: PerCPUFrames(raw: lists + (cpu * zoneCount + order[0]) * listStride))
            }
        }

        let handles = UnsafeMutablePointer<CPU>.allocate(capacity: cpus.count)
        for (index, cpu) in cpus.enumerated() { (handles + index).initialize(to: cpu) }
        let state = UnsafeMutablePointer<FrameAllocatorState>.allocate(capacity: 1)
        state.initialize(
            to: FrameAllocatorState(
                frames: frames, pageblocks: pageblocks, zones: zones, zoneCount: zoneCount,
                nodeCount: nodeCount, zoneLists: zoneLists, lists: lists, listStride: listStride,
                firstLists: firstLists, cpus: handles, cpuCount: cpus.count,
                totalFrames: frames.count))
        self.state = UnsafePointer(state)
        setReserves(
            minFree: configuration.minFreeFrames, ratio: configuration.lowmemReserveRatio)
    }

    /// The populated zones that a request asks, best first.
    private static func zoneOrder(
        _ configuration: MemoryConfiguration, node: Int, movable: Bool
    ) -> [Int] {
        let nodes = configuration.nodeFrames.count
        let types: [ZoneType] = movable ? [.movable, .normal, .dma32] : [.normal, .dma32]
        var order: [Int] = []
        for distance in 0..<nodes {
            let near = (node + distance) % nodes
            for type in types where !configuration.frames(ofZone: type, node: near).isEmpty {
                order.append(near * ZoneType.count + Int(type.rawValue))
            }
        }
        return order
    }

    /// Sets the watermarks of all zones and what they keep from requests with better zones.
    private func setReserves(minFree: Int, ratio: [Int]) {
        for zone in zones {
            zone.setWatermarks(min: minFree * zone.managed / totalFrames)
            var above = 0
            for type in ZoneType.allCases where type.rawValue > zone.type.rawValue {
                above += self.zone(zone.node * ZoneType.count + Int(type.rawValue)).managed
                let divisor = ratio[Int(zone.type.rawValue)]
                zone.counter(type == .normal ? .protectionFromNormal : .protectionFromMovable)
                    .store(Int64(divisor == 0 ? 0 : above / divisor))
            }
        }
    }

    /// Gives the memory of the allocator back; the frame table is its owner's.
    func deallocate() {
        let state = UnsafeMutablePointer(mutating: state)
        state.pointee.pageblocks.base.deallocate()
        state.pointee.zones.deallocate()
        state.pointee.zoneLists.deallocate()
        state.pointee.lists.deallocate()
        state.pointee.firstLists.deallocate()
        state.pointee.cpus.deallocate()
        state.deallocate()
    }

    // MARK: Parts

    /// The zone with this number: node × 3 + type.
    ///
    /// Some are empty.
    @inline(__always)
    func zone(_ index: Int) -> ZoneRef {
        precondition(index >= 0 && index < state.pointee.zoneCount, "no zone of this number")
        return ZoneRef(raw: state.pointee.zones + index &* ZoneRef.stride)
    }

    /// The CPU whose lists an address lies in.
    func locateLists(_ address: UInt) -> Int? {
        let stride = UInt(state.pointee.listStride * state.pointee.zoneCount)
        let index = Int((address &- UInt(bitPattern: state.pointee.lists)) / stride)
        return index < state.pointee.cpuCount ? index : nil
    }

    /// The lists of a CPU for a zone.
    @inline(__always)
    func lists(cpu: Int, zone: Int) -> PerCPUFrames {
        PerCPUFrames(
            raw: state.pointee.lists
                + (cpu &* state.pointee.zoneCount &+ zone) &* state.pointee.listStride)
    }

    /// The lists of a CPU for the zone that a request asks first.
    @inline(__always)
    private func firstLists(_ type: MigrateType, node: Int, on cpu: CPU) -> PerCPUFrames {
        precondition(node >= 0 && node < state.pointee.nodeCount, "no node of this number")
        let key = cpu.index &* state.pointee.nodeCount &+ node
        return state.pointee.firstLists[key &* 2 &+ (type == .movable ? 1 : 0)]
    }

    /// The numbers of the zones that a request asks.
    @inline(__always)
    private func zoneList(
        _ type: MigrateType, node: Int
    ) -> UnsafeBufferPointer<UInt8> {
        precondition(node >= 0 && node < state.pointee.nodeCount, "no node of this number")
        let list =
            state.pointee.zoneLists
            + (node &* 2 &+ (type == .movable ? 1 : 0)) &* FrameAllocator.zoneListStride
        return UnsafeBufferPointer(start: list + 1, count: Int(list[0]))
    }

    // MARK: Allocating

    /// Takes 2^`order` frames.
    ///
    /// - Parameters:
    ///   - order: log2 of the number of frames, up to 10.
    ///   - type: What will be in them; ``MigrateType/highAtomic`` for a request that cannot wait,
    ///     which may go below the mark.
    ///   - node: Where to look first.
    ///   - mark: How many free frames a zone has to keep. What is on the CPU's own lists has left
    ///     its zone already and is handed out regardless.
    ///   - cpu: The CPU that the caller has entered.
    /// - Returns: The first frame, or ``PFN/none`` when no zone may give that much.
    @inline(__always)
    func allocate(
        order: Int = 0, type: MigrateType, node: Int = 0, keeping mark: Watermark = .min,
        on cpu: CPU
    ) -> PFN {
        checkEntered(cpu)
        if order == 0, type.isOrdinary {
            let lists = firstLists(type, node: node, on: cpu)
            let pfn = lists.pop(type)
            if pfn != .none {
                noteMade(pfn)
                cpu.count(lists.allocationEvent)
                checkClean(pfn)
                return pfn
            }
        }
        return allocateSlowly(order: order, type: type, node: node, keeping: mark, on: cpu)
    }

    @inline(never)
    private func allocateSlowly(
        order: Int, type: MigrateType, node: Int, keeping mark: Watermark, on cpu: CPU
    ) -> PFN {
        precondition(order >= 0 && order <= maximumOrder, "an order beyond the largest")
        precondition(type != .isolate, "nothing is allocated from isolated blocks")
        var pfn = allocateOnce(order: order, type: type, node: node, keeping: mark, on: cpu)
        // Nobody is made to give anything up for a request that leaves so much.
        if mark == .low || mark == .high { return pfn }
        if pfn == .none, drainAll(on: cpu) {
            pfn = allocateOnce(order: order, type: type, node: node, keeping: mark, on: cpu)
        }
        if pfn == .none, type != .highAtomic, releaseHighAtomicBlocks(to: type, on: cpu) {
            pfn = allocateOnce(order: order, type: type, node: node, keeping: mark, on: cpu)
        }
        return pfn
    }

    /// Asks every zone of the request's list once.
    private func allocateOnce(
        order: Int, type: MigrateType, node: Int, keeping mark: Watermark, on cpu: CPU
    ) -> PFN {
        let best: ZoneType = type == .movable ? .movable : .normal
        for index in zoneList(type, node: node) {
            let zone = zone(Int(index))
            if order == 0, type.isOrdinary {
                let lists = lists(cpu: cpu.index, zone: Int(index))
                var pfn = lists.pop(type)
                if pfn == .none, lists.refill(type, keeping: mark, best: best, on: cpu) {
                    pfn = lists.pop(type)
                }
                if pfn == .none { continue }
                noteMade(pfn)
                cpu.count(zone.allocationEvent)
                checkClean(pfn)
                return pfn
            }
            let buddy = BuddyAllocator(zone: zone)
            var pfn = PFN.none
            zone.lock.lock(.zone, on: cpu)
            if type == .highAtomic {
                let withheld = Int(zone.counter(.withheld).load())
                if zone.available(above: .emergency, best: best) + withheld >= 1 << order {
                    pfn = buddy.allocateHighAtomic(order: order, on: cpu)
                }
            } else if zone.available(above: mark, best: best) >= 1 << order {
                pfn = buddy.allocate(order: order, type: type, on: cpu)
            }
            zone.lock.unlock(.zone, on: cpu)
            if pfn == .none { continue }
            cpu.count(zone.allocationEvent, 1 << order)
            for offset in 0..<1 << order { checkClean(PFN(pfn.index + offset)) }
            return pfn
        }
        return .none
    }

    /// Takes up to `count` single frames.
    ///
    /// - Returns: How many it took; fewer only when no zone may give more.
    func allocate(
        into buffer: UnsafeMutablePointer<PFN>, count: Int, type: MigrateType, node: Int = 0,
        keeping mark: Watermark = .min, on cpu: CPU
    ) -> Int {
        checkEntered(cpu)
        precondition(type.isOrdinary, "single frames are of an ordinary type")
        let best: ZoneType = type == .movable ? .movable : .normal
        let lists = firstLists(type, node: node, on: cpu)
        var taken = 0
        while taken < count {
            let pfn = lists.pop(type)
            if pfn == .none { break }
            noteMade(pfn)
            buffer[taken] = pfn
            taken &+= 1
        }
        cpu.count(lists.allocationEvent, taken)
        // More than a batch goes past the lists.
        for index in zoneList(type, node: node) where count &- taken > lists.batch {
            let zone = zone(Int(index))
            zone.lock.lock(.zone, on: cpu)
            let room = zone.available(above: mark, best: best)
            var more = 0
            if room > 0 {
                more = BuddyAllocator(zone: zone).allocateSingles(
                    into: buffer + taken, count: min(count &- taken, room), type: type, on: cpu)
            }
            zone.lock.unlock(.zone, on: cpu)
            cpu.count(zone.allocationEvent, more)
            taken &+= more
        }
        while taken < count {
            let pfn = allocate(type: type, node: node, keeping: mark, on: cpu)
            if pfn == .none { break }
            buffer[taken] = pfn
            taken &+= 1
        }
        return taken
    }

    // MARK: Freeing

    /// Gives 2^`order` frames back, or part of what was taken together: any aligned block.
    ///
    /// The caller has dropped the last reference. Flags, counts and owners are cleared.
    @inline(__always)
    func free(_ pfn: PFN, order: Int = 0, on cpu: CPU) {
        checkEntered(cpu)
        if order == 0 {
            let zone = clean(pfn)
            let type = state.pointee.pageblocks[pfn]
            if type.isOrdinary {
                cpu.count(.pgfree)
                let lists = lists(cpu: cpu.index, zone: zone)
                noteFreed(pfn)
                if lists.push(pfn, type) { lists.giveBack(on: cpu) }
                return
            }
        }
        freeToZone(pfn, order: order, on: cpu)
    }

    /// Gives single frames back.
    func free(_ batch: UnsafeBufferPointer<PFN>, on cpu: CPU) {
        for pfn in batch { free(pfn, on: cpu) }
    }

    @inline(never)
    private func freeToZone(_ pfn: PFN, order: Int, on cpu: CPU) {
        precondition(order >= 0 && order <= maximumOrder, "an order beyond the largest")
        precondition(pfn.index & (1 << order - 1) == 0, "a block begins at a multiple of its size")
        var index = 0
        for offset in 0..<1 << order { index = clean(PFN(pfn.index &+ offset)) }
        let zone = zone(index)
        zone.lock.lock(.zone, on: cpu)
        BuddyAllocator(zone: zone).free(pfn, order: order)
        zone.lock.unlock(.zone, on: cpu)
        cpu.count(.pgfree, 1 << order)
    }

    /// Clears the descriptor of a frame that is being freed; returns its zone's number.
    @inline(__always)
    private func clean(_ pfn: PFN) -> Int {
        let frame = state.pointee.frames[pfn]
        #if DEBUG || Checks
            let forbidden = frame.flags.intersection(FrameFlags.forbiddenAtFree)
            if !forbidden.isEmpty {
                SchedulingPoint.fail("frame \(pfn.rawValue) freed while \(forbidden)")
            }
            if frame.mapCount != 0 {
                SchedulingPoint.fail("frame \(pfn.rawValue) freed while mapped")
            }
        #endif
        frame.resetFlags([])
        frame.counts.store(0)
        frame.setOwner(0, pageOffset: 0)
        frame.clearFreeBlock()
        return frame.zoneIndex
    }

    // MARK: Draining

    /// Gives the frames on all CPUs' lists back to their zones; those of a CPU that somebody
    /// runs on go back when it next frees or refills.
    ///
    /// - Returns: Whether any frame went back now.
    @inline(never)
    @discardableResult
    func drainAll(on cpu: CPU) -> Bool {
        checkEntered(cpu)
        var drained = drain(cpu)
        for index in 0..<state.pointee.cpuCount where index != cpu.index {
            let other = state.pointee.cpus[index]
            if Mutation.drainsBusyCPUs.isActive {
                if drain(other) { drained = true }
            } else if other.tryEnter() {
                if drain(other) { drained = true }
                other.leave()
            } else {
                // RACE: it may be leaving, or be refilling at this moment; its next user finds
                // the request, and until then its frames are as good as used.
                for zone in 0..<state.pointee.zoneCount {
                    lists(cpu: index, zone: zone).high.store(0)
                }
            }
        }
        return drained
    }

    /// Gives the frames on a CPU's lists back; the caller has entered it.
    ///
    /// - Returns: Whether there were any.
    @discardableResult
    func drain(_ cpu: CPU) -> Bool {
        var drained = false
        for zone in 0..<state.pointee.zoneCount {
            let lists = lists(cpu: cpu.index, zone: zone)
            if lists.total.load() > 0 {
                drained = true
                lists.drain(on: cpu)
            }
        }
        return drained
    }

    /// Gives every pageblock that is kept for high-atomic requests back to a type.
    private func releaseHighAtomicBlocks(to type: MigrateType, on cpu: CPU) -> Bool {
        var released = false
        for zone in zones where zone.counter(.highAtomicBlocks).load() > 0 {
            zone.lock.lock(.zone, on: cpu)
            while BuddyAllocator(zone: zone).releaseHighAtomicBlock(to: type) { released = true }
            zone.lock.unlock(.zone, on: cpu)
        }
        return released
    }

    // MARK: Checks

    // A free frame's descriptor belongs to nobody while it is on a list of a CPU, and to the buddy
    // allocator while it is in a zone.

    @inline(__always)
    private func noteFreed(_ pfn: PFN) {
        SchedulingPoint.touchRecord(.free, state.pointee.frames[pfn].pointer, byteCount: 32)
    }

    @inline(__always)
    private func noteMade(_ pfn: PFN) {
        SchedulingPoint.touchRecord(.make, state.pointee.frames[pfn].pointer, byteCount: 32)
    }

    /// In checked builds, stops unless somebody runs on the CPU.
    @inline(__always)
    private func checkEntered(_ cpu: CPU) {
        #if DEBUG || Checks
            precondition(cpu.isEnteredHint, "CPU \(cpu.index) is used but not entered")
        #endif
    }

    /// In checked builds, stops if somebody changed a frame while it was free.
    @inline(__always)
    private func checkClean(_ pfn: PFN) {
        #if DEBUG || Checks
            let frame = state.pointee.frames[pfn]
            guard frame.flags.rawValue & ~FrameFlags.zoneMask == 0, frame.counts.load() == 0 else {
                SchedulingPoint.fail(
                    "frame \(pfn.rawValue) changed while it was free: \(frame.flags)")
            }
        #endif
    }
}
