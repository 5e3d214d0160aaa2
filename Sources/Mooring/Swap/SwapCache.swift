// SPDX-License-Identifier: Apache-2.0
//
// Swap: slots on devices for pages that have no file, and the frames that hold a slot's page.
//
// STATE      For each slot how many page-table entries name it, and its frame or the shadow of one;
//            for each frame in the cache its slot. A frame in the cache has `swapCached`, and the
//            cache is one of its references. Areas lie in a row in the order in which they are used.
// INVARIANT  A slot is taken while an entry or the trace of a file in memory names it, or a frame
//            is cached for it. A frame that is cached is as its slot says unless it is `dirty`.
// LOCKS      swap: one. It ranks before pageCache, so that a page of a file in memory can leave
//            its index for its slot in one step.
// LAZY       A frame stays cached after its page was read back: when it is evicted unchanged it need
//            not be written again. With the last entry that names its slot gone, whoever drops a
//            reference (`dropIfUnused`) gives the slot back.
// SEE        SwapSlots.swift, Faults/FaultHandler+Swap.swift, Reclaim/SwapOut.swift.

/// The flat state behind ``SwapCache``.
private struct SwapState {
    var slots: SwapSlots
    // Not first: the thread sanitizer logs a change of any field at the record's address.
    var lock: UInt32 = 0
    /// Free slots and frames in the cache: atomic words, which change under the lock and are read
    /// without.
    var freeCount: UInt64
    var cachedCount: UInt64 = 0
    /// How many page-table entries name each slot, and one for a file in memory.
    let counts: UnsafeMutablePointer<UInt32>
    /// The frame that holds each slot's page, the shadow of one that did, or nothing.
    let cached: UnsafeMutablePointer<PFN>
    /// The slot of each frame in the cache; meaningless for others.
    let slotOfFrame: UnsafeMutablePointer<UInt32>
}

/// The swap areas of a machine and the frames that hold what is in them.
struct SwapCache {
    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let batches: LRUBatches
        let workingset: Workingset
        let memory: PhysicalMemory
        let device: Device
        let keepsBytes: Bool
        /// What the areas hold, slot by slot; backed as it is used.
        let stored: PhysicalMemory
        let totalSlots: Int
    }

    private let parts: UnsafeMutablePointer<Parts>
    private let state: UnsafeMutablePointer<SwapState>

    init(
        areas: [Int], frames: FrameTable, batches: LRUBatches, workingset: Workingset,
        memory: PhysicalMemory, device: Device, keepsBytes: Bool
    ) {
        let slots = SwapSlots(areas: areas)
        parts = .init(
            holding: Parts(
                frames: frames, batches: batches, workingset: workingset, memory: memory,
                device: device, keepsBytes: keepsBytes,
                stored: PhysicalMemory(frameCount: slots.count), totalSlots: slots.count))
        let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, slots.count))
        counts.initialize(repeating: 0, count: slots.count)
        let cached = UnsafeMutablePointer<PFN>.allocate(capacity: max(1, slots.count))
        cached.initialize(repeating: .none, count: slots.count)
        state = .init(
            holding: SwapState(
                slots: slots, freeCount: UInt64(slots.count), counts: counts, cached: cached,
                slotOfFrame: .allocate(capacity: slots.count > 0 ? frames.count : 1)))
        batches.lists.maySwap = slots.count > 0
    }

    /// Gives the memory back.
    func deallocate() {
        stored.deallocate()
        parts.deallocate()
        state.pointee.slots.deallocate()
        state.pointee.counts.deallocate()
        state.pointee.cached.deallocate()
        state.pointee.slotOfFrame.deallocate()
        state.deallocate()
    }

    /// Whether the lock and the counts of slots are at an address.
    func hasState(at address: UInt) -> Bool { state.contains(address) }

    private var frames: FrameTable { parts.pointee.frames }
    private var batches: LRUBatches { parts.pointee.batches }
    private var workingset: Workingset { parts.pointee.workingset }
    private var memory: PhysicalMemory { parts.pointee.memory }
    private var stored: PhysicalMemory { parts.pointee.stored }
    private var keepsBytes: Bool { parts.pointee.keepsBytes }
    var device: Device { parts.pointee.device }
    /// How many slots there are.
    var totalSlots: Int { parts.pointee.totalSlots }

    @inline(__always)
    private var lock: SpinLock {
        SpinLock(
            at: UnsafeMutableRawPointer(state)
                + MemoryLayout<SwapState>.offset(of: \.lock).unsafelyUnwrapped)
    }

    @inline(__always)
    private func word(_ field: KeyPath<SwapState, UInt64>) -> AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(state)
                + MemoryLayout<SwapState>.offset(of: field).unsafelyUnwrapped)
    }

    /// Changes a count under the lock.
    @inline(__always)
    private func change(_ field: KeyPath<SwapState, UInt64>, by amount: Int) {
        let word = word(field)
        word.store(word.load() &+ UInt64(bitPattern: Int64(amount)))
    }

    /// Lets those who do not hold the lock know how many slots are free.
    @inline(__always)
    private func publishFreeCount() {
        word(\.freeCount).store(UInt64(state.pointee.slots.freeCount))
    }

    /// How many slots are free.
    var freeSlots: Int { Int(word(\.freeCount).load()) }

    /// Whether reclaim can win anything from pages without a file: a slot is free, or a frame is in
    /// the cache that may only have to be let go.
    var isOfUse: Bool { freeSlots > 0 || word(\.cachedCount).load() > 0 }

    /// Where a slot lies: the area's number and the slot's in it.
    func place(of slot: UInt32) -> (area: Int, offset: Int) {
        state.pointee.slots.place(of: slot)
    }

    // MARK: Putting pages into the cache

    /// Takes a slot for the page of a frame that the caller has isolated, and caches the frame,
    /// which is dirty then.
    ///
    /// - Returns: `false` when all slots are taken.
    func makeRoom(for pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> Bool {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        guard let slot = state.pointee.slots.take() else { return false }
        publishFreeCount()
        state.pointee.counts[Int(slot)] = 0
        // What is in the slot is not this page yet.
        add(pfn, frame, slot, [.swapCached, .dirty], on: cpu)
        return true
    }

    /// What became of the wish to read a slot's page into a frame.
    enum Insertion {
        case done
        /// Another CPU was first: its frame counts.
        case cachedAlready
        /// Nobody names the slot any more.
        case slotIsFree
    }

    /// Reads a slot's page into a frame that nobody knows, and caches it.
    ///
    /// The cache gets a reference of its own. Waiting for the device is the caller's part.
    func insert(_ pfn: PFN, _ frame: FrameRef, _ slot: UInt32, on cpu: CPU) -> Insertion {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        guard state.pointee.counts[Int(slot)] > 0 else { return .slotIsFree }
        let before = state.pointee.cached[Int(slot)]
        guard !before.isFrame else { return .cachedAlready }
        if keepsBytes { load(slot, into: pfn) }
        add(pfn, frame, slot, .swapCached, on: cpu)
        if let shadow = PageTrace(slot: before) {
            workingset.noteRefault(frame, shadow, isFile: false, on: cpu)
        }
        return .done
    }

    @inline(__always)
    private func add(
        _ pfn: PFN, _ frame: FrameRef, _ slot: UInt32, _ flags: FrameFlags, on cpu: CPU
    ) {
        state.pointee.cached[Int(slot)] = pfn
        state.pointee.slotOfFrame[pfn.index] = slot
        frame.counts.add(FrameRef.oneReference)
        frame.set(flags)
        change(\.cachedCount, by: 1)
        cpu.add(1, to: .swapCached, zone: frame.zoneIndex)
    }

    // MARK: Finding

    /// The frame that holds a slot's page, with a reference for the caller; nil if none does.
    func retainCached(_ slot: UInt32, on cpu: CPU) -> PFN? {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        let pfn = state.pointee.cached[Int(slot)]
        guard pfn.isFrame else { return nil }
        frames[pfn].counts.add(FrameRef.oneReference)
        return pfn
    }

    /// The slot of a frame in the cache; the caller's reference keeps it there.
    @inline(__always)
    func slot(of pfn: PFN) -> UInt32 { state.pointee.slotOfFrame[pfn.index] }

    /// Whether a frame holds a slot's page, for views: true of some moment.
    func isCachedHint(_ slot: UInt32, on cpu: CPU) -> Bool {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        return state.pointee.cached[Int(slot)].isFrame
    }

    /// How many entries name a slot, for views: true of some moment.
    func countHint(_ slot: UInt32) -> Int { Int(state.pointee.counts[Int(slot)]) }

    /// Whether somebody may want a slot's page read ahead: an entry names it and no frame holds it.
    func isWorthReading(_ slot: UInt32, on cpu: CPU) -> Bool {
        guard Int(slot) < totalSlots else { return false }
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        return state.pointee.counts[Int(slot)] > 0 && !state.pointee.cached[Int(slot)].isFrame
    }

    // MARK: Counting

    /// One more entry names a slot that the caller knows to be taken.
    @inline(__always)
    func retain(_ slot: UInt32, on cpu: CPU) {
        lock.lock(.swap, on: cpu)
        state.pointee.counts[Int(slot)] += 1
        lock.unlock(.swap, on: cpu)
    }

    /// One entry names the slot of a cached frame instead of mapping it.
    ///
    /// RACE: nothing keeps a slot that no entry names yet: another CPU may have given it back since
    /// the frame was cached.
    ///
    /// - Returns: The slot; nil if the frame is not in the cache any more.
    func retainSlot(of pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> UInt32? {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        guard frame.has(.swapCached) else { return nil }
        let slot = slot(of: pfn)
        state.pointee.counts[Int(slot)] += 1
        return slot
    }

    /// One entry less names a slot; the last one frees it, and the cache lets its frame go.
    func release(_ slot: UInt32, on cpu: CPU) {
        lock.lock(.swap, on: cpu)
        state.pointee.counts[Int(slot)] -= 1
        var dropped = PFN.none
        if state.pointee.counts[Int(slot)] == 0 {
            let pfn = state.pointee.cached[Int(slot)]
            if !pfn.isFrame {
                free(slot)
            } else if frames[pfn].mapCount == 0, !frames[pfn].has(.fileCached) {
                // Nobody will ask for it by its slot, and nobody has it by another way.
                drop(pfn, slot, on: cpu)
                dropped = pfn
            }
        }
        lock.unlock(.swap, on: cpu)
        if dropped != .none { batches.release(dropped, on: cpu) }
    }

    /// Gives the slot of a frame back that no entry names any more, and with it the cache's
    /// reference.
    ///
    /// The caller holds a reference. A write that is under way may end after the slot is another
    /// page's: its bytes have moved already.
    ///
    /// - Returns: Whether the frame is out of the cache.
    @discardableResult
    func dropIfUnused(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> Bool {
        lock.lock(.swap, on: cpu)
        // RACE: dropped by another CPU since the mark was seen.
        guard frame.has(.swapCached) else {
            lock.unlock(.swap, on: cpu)
            return true
        }
        let slot = slot(of: pfn)
        guard state.pointee.counts[Int(slot)] == 0 else {
            lock.unlock(.swap, on: cpu)
            return false
        }
        drop(pfn, slot, on: cpu)
        lock.unlock(.swap, on: cpu)
        batches.release(pfn, on: cpu)
        return true
    }

    /// Drops a reference to a frame that has lost a mapping or its file, and its slot if that was
    /// what kept it.
    @inline(__always)
    func release(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        if frame.has(.swapCached) { dropUnmapped(pfn, frame, on: cpu) }
        batches.release(pfn, on: cpu)
    }

    @inline(never)
    private func dropUnmapped(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        guard frame.mapCount == 0, !frame.has(.fileCached) else { return }
        dropIfUnused(pfn, frame, on: cpu)
    }

    private func drop(_ pfn: PFN, _ slot: UInt32, on cpu: CPU) {
        let frame = frames[pfn]
        frame.clear(.swapCached)
        change(\.cachedCount, by: -1)
        cpu.add(-1, to: .swapCached, zone: frame.zoneIndex)
        free(slot)
    }

    private func free(_ slot: UInt32) {
        state.pointee.cached[Int(slot)] = .none
        state.pointee.slots.give(slot)
        publishFreeCount()
    }

    // MARK: Evicting

    /// Takes a clean frame out of the cache that nobody but the cache and the caller, who has
    /// isolated it, can reach; its slot keeps the page.
    ///
    /// - Returns: Whether it did; the frame then has no reference left and is the caller's to free.
    func evict(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> Bool {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        // RACE: dropped, or found under this lock by a fault, which holds a reference now.
        guard frame.has(.swapCached), claim(frame) else { return false }
        let flags = frame.flags
        guard flags.isDisjoint(with: [.dirty, .writeback]) else {
            frame.counts.store(2 * FrameRef.oneReference)
            return false
        }
        let slot = slot(of: pfn)
        let zone = frame.zoneIndex
        frame.clear(.swapCached)
        change(\.cachedCount, by: -1)
        cpu.add(-1, to: .swapCached, zone: zone)
        if state.pointee.counts[Int(slot)] == 0 {
            // Nobody is left who would ask for it.
            free(slot)
        } else {
            state.pointee.cached[Int(slot)] =
                workingset.shadow(of: flags, node: LRULists.node(ofZone: zone)).slot
        }
        return true
    }

    /// Takes the cache's and the caller's references, if there are no others.
    @inline(__always)
    private func claim(_ frame: FrameRef) -> Bool {
        if Mutation.evictsWithoutLooking.isActive {
            frame.counts.store(0)
            return true
        }
        return frame.counts.replace(2 * FrameRef.oneReference, by: 0)
    }

    /// Hands the slot of a cached frame over to the index of a file in memory.
    ///
    /// `body` is given the slot under the lock; it puts its number in the frame's place and takes the
    /// frame's references, or answers `false`.
    ///
    /// - Returns: Whether the frame is out of the cache and the caller's to free.
    func handOver(
        _ pfn: PFN, _ frame: FrameRef, on cpu: CPU, _ body: (UInt32) -> Bool
    ) -> Bool {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        let slot = slot(of: pfn)
        guard frame.has(.swapCached), body(slot) else { return false }
        state.pointee.counts[Int(slot)] = 1
        state.pointee.cached[Int(slot)] = .none
        frame.clear(.swapCached)
        change(\.cachedCount, by: -1)
        cpu.add(-1, to: .swapCached, zone: frame.zoneIndex)
        return true
    }

    // MARK: Bytes

    /// Writes a cached frame to its slot; the write ends later, as ``Device`` says.
    ///
    /// - Returns: `false` if the device fails, or the frame is in the cache no more; it is then as
    ///   dirty as it was.
    func write(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> Bool {
        guard !device.failures.contains(.writes), store(pfn, frame, on: cpu) else { return false }
        frame.set([.writeback, .reclaim])
        frame.counts.add(FrameRef.oneReference)
        cpu.add(1, to: .writeback, zone: frame.zoneIndex)
        cpu.add(1, to: .vmscanWrite, zone: frame.zoneIndex)
        cpu.count(.pswpout)
        _ = device.write(pfn, on: cpu)
        return true
    }

    private func store(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> Bool {
        lock.lock(.swap, on: cpu)
        defer { lock.unlock(.swap, on: cpu) }
        // RACE: dropped meanwhile, and its slot may be another page's.
        guard frame.has(.swapCached) else { return false }
        frame.clear(.dirty)
        if keepsBytes {
            stored.bytes(of: PFN(rawValue: slot(of: pfn)))
                .copyMemory(from: memory.bytes(of: pfn), byteCount: Int(pageSize))
        }
        return true
    }

    /// Copies a slot's page into a frame.
    func load(_ slot: UInt32, into pfn: PFN) {
        memory.bytes(of: pfn).copyMemory(
            from: stored.bytes(of: PFN(rawValue: slot)), byteCount: Int(pageSize))
    }

    // MARK: Audit

    /// Whether a slot is free.
    func isFree(_ slot: UInt32) -> Bool { state.pointee.slots.isFree(slot) }

    /// Visits every taken slot with its count and its frame; the machine must be at rest.
    func forEachTaken(_ body: (UInt32, Int, PFN) throws -> Void) rethrows {
        for slot in 0..<UInt32(totalSlots) where !state.pointee.slots.isFree(slot) {
            try body(
                slot, Int(state.pointee.counts[Int(slot)]), state.pointee.cached[Int(slot)])
        }
    }
}
