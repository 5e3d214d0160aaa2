// SPDX-License-Identifier: Apache-2.0
//
// A machine: physical memory, virtual CPUs, processes, and the mechanisms that connect them. This
// is where mechanisms are made and handed what they need; none knows the machine.

/// A machine whose memory Mooring manages.
///
/// Driven by one thread a machine is deterministic: the same configuration and operations give
/// the same result to the last counter. Many host threads may drive it at once, each task on a
/// virtual CPU of its own.
public final class Machine: @unchecked Sendable {
    /// What it was made from.
    public let configuration: MachineConfiguration

    let cpus: [CPU]
    let frames: FrameTable
    let memory: PhysicalMemory
    let allocator: FrameAllocator
    let lists: LRULists
    let batches: LRUBatches
    let supply: FrameSupply
    let device: Device
    let swap: SwapCache
    let cache: PageCache
    let spaces: AddressSpaces
    let access: MemoryAccess
    let truncation: Truncation
    let processes: ProcessTable
    let zeroFrame: PFN

    /// Makes a machine with all memory free.
    ///
    /// - Throws: ``ImpossibleMachine`` for a configuration that makes no sense.
    public init(_ configuration: MachineConfiguration) throws(ImpossibleMachine) {
        try configuration.validate()
        self.configuration = configuration
        let memoryConfiguration = MemoryConfiguration(
            memory: configuration.memory, nodes: configuration.nodes)
        do {
            // Before anything is made in its size.
            try memoryConfiguration.validate()
        } catch {
            throw ImpossibleMachine(error)
        }
        let cpus = (0..<configuration.cpus).map {
            CPU(index: $0, zoneCount: memoryConfiguration.zoneCount)
        }
        let frames = FrameTable(count: memoryConfiguration.totalFrames)
        let allocator: FrameAllocator
        do {
            allocator = try FrameAllocator(memoryConfiguration, frames: frames, cpus: cpus)
        } catch {
            throw ImpossibleMachine(error)
        }
        let keepsBytes = configuration.contents == .bytes
        let memory = PhysicalMemory(frameCount: frames.count)
        let lists = LRULists(frames: frames, nodeCount: configuration.nodes)
        let tlb = TLB(
            cpuCount: cpus.count,
            caches: configuration.tlbEntries == 0
                ? nil
                : TranslationCaches(capacity: configuration.tlbEntries, cpuCount: cpus.count))
        let batches = LRUBatches(
            .init(
                frames: frames, lists: lists, allocator: allocator, tlb: tlb,
                mlockDesign: configuration.mlockDesign))
        let supply = FrameSupply(allocator: allocator)
        let device = Device(
            .init(frames: frames, batches: batches, costs: configuration.costs))
        let workingset = Workingset(lists: lists)
        let swapDevice = Device(
            .init(frames: frames, batches: batches, costs: configuration.costs))
        let swap = SwapCache(
            areas: configuration.swap.map { Int($0.bytes >> pageShift) }, frames: frames,
            batches: batches, workingset: workingset, memory: memory, device: swapDevice,
            keepsBytes: keepsBytes)
        let commitment = Commitment(
            mode: configuration.overcommit, totalPages: UInt64(frames.count),
            swapPages: UInt64(swap.totalSlots))
        let cache = PageCache(
            .init(
                frames: frames, memory: memory, supply: supply, batches: batches,
                workingset: workingset, device: device, swap: swap, files: Slab(),
                commitment: commitment, segmentLocks: SegmentLocks(), keepsBytes: keepsBytes))
        cpus[0].enter()
        let zeroFrame = allocator.allocate(order: 0, type: .unmovable, on: cpus[0])
        cpus[0].leave()
        guard zeroFrame != .none else {
            throw ImpossibleMachine(
                part: .memory, problem: "no frame is left for the zero page", remedy: "add memory")
        }
        frames[zeroFrame].resetFlags(.reserved)
        frames[zeroFrame].counts.store(FrameRef.oneReference)
        memory.zero(zeroFrame)
        let tables = PageTables(
            frames: frames, memory: memory, supply: supply, emptyTable: zeroFrame)
        let counts = MapCounts(frames: frames, batches: batches)
        let groups = AnonGroups()
        let map = ReverseMap(
            .init(frames: frames, tables: tables, groups: groups, cache: cache, counts: counts))
        let unmapper = Unmapper(.init(map: map, swap: swap, tlb: tlb))
        let faults = FaultHandler(
            .init(
                frames: frames, memory: memory, supply: supply, map: map, swap: swap, tlb: tlb,
                clock: configuration.costs,
                zeroFrame: zeroFrame, faultAroundPages: configuration.faultAroundPages,
                keepsBytes: keepsBytes))
        let writeBack = WriteBack(cache: cache, tables: tables, tlb: tlb, device: device)
        let reclaim = Reclaimer(
            .init(
                frames: frames, allocator: allocator, batches: batches,
                map: map, cache: cache, swap: swap, tlb: tlb, writeBack: writeBack, device: device,
                swappiness: configuration.swappiness, cpuCount: cpus.count))
        let pressure = MemoryPressure(reclaim: reclaim, allocator: allocator)
        supply.setUnderPressure { pressure.take($0, on: $1) }
        var limits = MachineLimits()
        limits.mapCount = configuration.maxMapCount
        let outOfMemory = OutOfMemoryHook()
        let spaces = AddressSpaces(
            .init(
                frames: frames, tables: tables, groups: groups, cache: cache, counts: counts,
                unmapper: unmapper, faults: faults, tlb: tlb, writeBack: writeBack,
                reclaim: reclaim, outOfMemory: outOfMemory,
                vmas: Slab(capacity: Machine.vmaCapacity),
                vmaRests: SlabCompanion(capacity: Machine.vmaCapacity), spaces: Slab(),
                commitment: commitment, limits: limits, cpuCount: cpus.count))
        let processes = ProcessTable()
        let killer = OutOfMemoryKiller(
            processes: processes, spaces: spaces, totalPages: frames.count + swap.totalSlots)
        outOfMemory.set { killer.makeRoom(for: $0, on: $1) == .freed }
        self.cpus = cpus
        self.frames = frames
        self.memory = memory
        self.allocator = allocator
        self.lists = lists
        self.batches = batches
        self.supply = supply
        self.device = device
        self.swap = swap
        self.cache = cache
        self.spaces = spaces
        self.access = MemoryAccess(faults: faults, spaces: spaces)
        self.truncation = Truncation(cache: cache, unmapper: unmapper)
        self.processes = processes
        self.zeroFrame = zeroFrame
    }

    /// How many VMAs all address spaces together can have.
    private static let vmaCapacity = 1 << 26

    deinit {
        processes.deallocate()
        spaces.spaces.forEachLive { _, state in
            state.pointee.tree.deallocate()
            state.pointee.slots.deallocate()
        }
        cache.files.forEachLive { _, state in
            FileRef(pointer: state).index.removeAll()
            state.pointee.largeFolios.deallocate()
            state.pointee.stored.remove(from: 0, through: .max)
            state.deinitialize(count: 1)
        }
        spaces.tlb.caches?.deallocate()
        spaces.unmapper.deallocate()
        spaces.faults.deallocate()
        spaces.groups.deallocate()
        spaces.vmas.deallocate()
        spaces.vmaRests.deallocate()
        spaces.spaces.deallocate()
        spaces.commitment.deallocate()
        cache.files.deallocate()
        cache.segmentLocks.deallocate()
        cache.deallocate()
        spaces.reclaim.map.deallocate()
        spaces.reclaim.deallocate()
        spaces.outOfMemory.deallocate()
        device.deallocate()
        swap.device.deallocate()
        swap.deallocate()
        supply.deallocate()
        spaces.deallocate()
        batches.deallocate()
        lists.deallocate()
        allocator.deallocate()
        memory.deallocate()
        frames.deallocate()
        for cpu in cpus { cpu.deallocate() }
    }

    // MARK: Figures

    /// The total of an event over all CPUs.
    package func total(_ event: Event) -> Int {
        cpus.reduce(0) { $0 + Int(event.word(in: $1.state.pointee.events).load()) }
    }

    /// A gauge of one zone over all CPUs.
    package func total(_ gauge: Gauge, zone: Int) -> Int {
        cpus.reduce(0) { $0 + Int(gauge.word(in: $1.state.pointee.gauges, zone: zone).load()) }
    }

    /// A gauge of the whole machine.
    package func total(_ gauge: Gauge) -> Int {
        (0..<allocator.zoneCount).reduce(0) { $0 + total(gauge, zone: $1) }
    }

    /// Frames that are free, those on per-CPU lists included.
    public var freeMemory: ByteCount {
        .pages(UInt64(allocator.freeFrames + allocator.usedPerCPUFrames))
    }

    /// Hands over what every CPU's batches hold, as the kernel does before it reports.
    package func drainBatches() {
        for index in cpus.indices { drainBatches(ofCPU: index) }
    }

    /// Hands over what one CPU's batches hold.
    package func drainBatches(ofCPU index: Int) {
        let cpu = cpus[index]
        if Mutation.drainsWithoutEntering.isActive { return batches.drain(on: cpu) }
        cpu.enter()
        batches.drain(on: cpu)
        cpu.leave()
    }
}

extension MachineConfiguration {
    /// Refuses what no machine can be.
    func validate() throws(ImpossibleMachine) {
        guard (1...MachineConfiguration.maximumCPUs).contains(cpus) else {
            throw ImpossibleMachine(
                part: .cpus, problem: "a machine of \(cpus) CPUs is not possible",
                remedy: "use 1 to \(MachineConfiguration.maximumCPUs)")
        }
        guard (1...MachineConfiguration.maximumNodes).contains(nodes) else {
            throw ImpossibleMachine(
                part: .nodes, problem: "a machine of \(nodes) NUMA nodes is not possible",
                remedy: "use 1 to \(MachineConfiguration.maximumNodes)")
        }
        guard faultAroundPages >= 1, faultAroundPages <= 512,
            faultAroundPages.nonzeroBitCount == 1
        else {
            throw ImpossibleMachine(
                part: .faultAroundPages,
                problem: "\(faultAroundPages) pages around a fault are not possible",
                remedy: "use a power of two up to 512")
        }
        guard tlbEntries >= 0, tlbEntries <= 65_536, tlbEntries.nonzeroBitCount <= 1 else {
            throw ImpossibleMachine(
                part: .tlbEntries, problem: "a TLB of \(tlbEntries) entries is not possible",
                remedy: "use a power of two up to 65536, or 0 for no account")
        }
        try validateSwap()
        guard maxMapCount >= 1 else {
            throw ImpossibleMachine(
                part: .maxMapCount,
                problem: "a max_map_count of \(maxMapCount) leaves no room for a mapping",
                remedy: "use at least 1")
        }
    }
}

extension MachineConfiguration {
    private func validateSwap() throws(ImpossibleMachine) {
        var slots: UInt64 = 0
        for area in swap {
            let pages = area.bytes >> pageShift
            guard pages > 0 else {
                throw ImpossibleMachine(
                    part: .swap, problem: "a swap area of \(area.bytes) bytes holds no page",
                    remedy: "use at least 4K")
            }
            slots += pages
        }
        guard slots < PageTrace.slotLimit else {
            throw ImpossibleMachine(
                part: .swap, problem: "\(slots) pages of swap are more than can be numbered",
                remedy: "use less than 4 TiB")
        }
        guard swap.count <= 32 else {
            throw ImpossibleMachine(
                part: .swap, problem: "\(swap.count) swap areas are too many",
                remedy: "use up to 32")
        }
        guard (0...200).contains(swappiness) else {
            throw ImpossibleMachine(
                part: .swappiness, problem: "a swappiness of \(swappiness) is not possible",
                remedy: "use 0 to 200")
        }
    }
}

extension ImpossibleMachine {
    fileprivate init(_ error: MemoryConfigurationError) {
        self.init(part: .memory, problem: error.problem, remedy: error.remedy)
    }
}
