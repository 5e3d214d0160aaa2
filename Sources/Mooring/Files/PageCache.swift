// SPDX-License-Identifier: Apache-2.0
//
// The pages of files that are in memory.
//
// INVARIANT  A frame has `fileCached`, its file's number and its page offset exactly while the
//            file's index holds it; the index counts as one reference.
// LOCKS      pageCache, one a file. It ranks after the page-table lock, so that a fault can look a
//            page up and map it under one hold of the table's lock: truncation takes the page
//            out of the index first and unmaps afterwards, so a fault that found the page is
//            unmapped, and one that comes later does not find it. No fault locks a frame.

/// The store of files and their pages.
struct PageCache {
    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let memory: PhysicalMemory
        let supply: FrameSupply
        let batches: LRUBatches
        let workingset: Workingset
        let device: Device
        let swap: SwapCache
        let files: Slab<FileState>
        let commitment: Commitment
        let segmentLocks: SegmentLocks
        let keepsBytes: Bool
    }

    private let parts: UnsafeMutablePointer<Parts>

    init(_ parts: Parts) { self.parts = .init(holding: parts) }

    /// Gives the list of parts back; the parts themselves are the machine's.
    func deallocate() { parts.deallocate() }

    var frames: FrameTable { parts.pointee.frames }
    var memory: PhysicalMemory { parts.pointee.memory }
    var supply: FrameSupply { parts.pointee.supply }
    private var allocator: FrameAllocator { supply.allocator }
    var workingset: Workingset { parts.pointee.workingset }
    var device: Device { parts.pointee.device }
    var swap: SwapCache { parts.pointee.swap }
    var batches: LRUBatches { parts.pointee.batches }
    var files: Slab<FileState> { parts.pointee.files }
    var commitment: Commitment { parts.pointee.commitment }
    var segmentLocks: SegmentLocks { parts.pointee.segmentLocks }
    var keepsBytes: Bool { parts.pointee.keepsBytes }

    /// A new file of this length with one reference, the caller's.
    func makeFile(
        named name: String, kind: FileKind, length: UInt64, isCached: Bool = false, on cpu: CPU
    ) -> FileRef {
        let (number, object) = files.allocate(on: cpu)
        object.initialize(
            to: FileState(
                length: length, number: number, kind: kind, isCached: isCached,
                index: PageIndexState(), mappings: IntervalTreeState(), name: name))
        return FileRef(pointer: object)
    }

    /// Drops a reference; the last one frees the file and its pages.
    func release(_ file: FileRef, on cpu: CPU) {
        let left =
            file.isSegment ? releaseSegment(file, on: cpu) : file.references.subtract(1)
        guard left == 0 else { return }
        if file.isSegment { _ = segmentLocks.unlockSegment(file, on: cpu) }
        remove(file, from: 0, through: .max, on: cpu)
        file.index.removeAll()
        commitment.uncharge(file.pointer.pointee.chargedPages)
        let number = file.number
        file.pointer.pointee.largeFolios.deallocate()
        file.pointer.deinitialize(count: 1)
        files.free(number, on: cpu)
    }

    /// Takes a reference to the file whose cache holds a frame; nil if none does any more, or if the
    /// file is on its way out.
    ///
    /// RACE: as in ``AnonGroups/retainOwner(of:on:)``: a file's record is freed under the slab's lock,
    /// after its last frame has lost the mark.
    func retainOwner(of frame: FrameRef, on cpu: CPU) -> FileRef? {
        files.whileNoneIsFreed(on: cpu) {
            guard frame.has(.fileCached) else { return nil }
            let file = FileRef(pointer: files[frame.ownerNumber])
            return file.references.addUnlessZero(1) ? file : nil
        }
    }

    /// A file's page, brought in if it is not there.
    enum Lookup {
        case found(PFN, broughtIn: Bool)
        case pastEnd
        case noMemory
        /// A page of a file in memory would be beyond what may be promised.
        case refused
        /// The device could not read it.
        case failed
    }

    /// Finds a page, or makes it: zeroes for a file in memory, what the device holds for one on
    /// disk.
    ///
    /// The caller must look again under a table's lock to map it. Unless it `retains` what is found,
    /// which takes a reference, reclaim may have taken it by then.
    func ensure(
        _ file: FileRef, _ offset: UInt64, retains: Bool = false, on cpu: CPU
    ) -> Lookup {
        file.cacheLock.lock(.pageCache, on: cpu)
        let present = offset < file.pageCount ? file.index.lookup(offset) : .none
        if retains, present != .none { frames[present].counts.add(FrameRef.oneReference) }
        let isPastEnd = offset >= file.pageCount
        let early = Mutation.readsTraceBeforeLock.isActive ? file.index.trace(of: offset) : nil
        file.cacheLock.unlock(.pageCache, on: cpu)
        if isPastEnd { return .pastEnd }
        if present != .none { return .found(present, broughtIn: false) }
        if file.kind == .disk, !file.pointer.pointee.isCached, device.failures.contains(.reads) {
            return .failed
        }

        let fresh = supply.take(.movable, on: cpu)
        guard fresh != .none else { return .noMemory }
        let frame = frames[fresh]
        let isCharged = file.pointer.pointee.chargesPages
        if isCharged, !commitment.charge(1) {
            allocator.free(fresh, on: cpu)
            return .refused
        }
        prepare(frame, of: file, offset, retains: retains)
        let wasLocked = Mutation.judgesSegmentEarly.isActive && file.pointer.pointee.isLocked

        file.cacheLock.lock(.pageCache, on: cpu)
        let isGone = offset >= file.pageCount
        let other = isGone ? PFN.none : file.index.lookup(offset)
        if !isGone, other == .none || Mutation.bringsInWithoutLooking.isActive {
            let trace =
                Mutation.readsTraceBeforeLock.isActive ? early : file.index.trace(of: offset)
            // Under the lock, for another CPU may have changed and written the page since.
            if keepsBytes { fill(fresh, file, offset, trace) }
            insert(fresh, frame, file, offset, on: cpu)
            if wasLocked { frame.set(.unevictable) }
            if trace?.swapSlot != nil { file.pointer.pointee.swappedPages -= 1 }
            file.cacheLock.unlock(.pageCache, on: cpu)
            if let slot = trace?.swapSlot {
                // The page was charged before it was swapped out, and counts once.
                if isCharged { commitment.uncharge(1) }
                swap.release(slot, on: cpu)
                cpu.count(.pswpin)
                batches.addTakingReference(fresh, on: cpu)
                return .found(fresh, broughtIn: true)
            }
            if let trace {
                workingset.noteRefault(frame, trace, isFile: true, on: cpu)
            }
            batches.addTakingReference(fresh, on: cpu)
            let isOnDevice = !file.pointer.pointee.isCached || trace != nil
            return .found(fresh, broughtIn: isOnDevice && file.kind == .disk)
        }
        if retains, other != .none { frames[other].counts.add(FrameRef.oneReference) }
        file.cacheLock.unlock(.pageCache, on: cpu)
        // RACE: another CPU brought the page in first, or the file shrank: the frame is not needed.
        if isCharged { commitment.uncharge(1) }
        discard(fresh, frame, on: cpu)
        return isGone ? .pastEnd : .found(other, broughtIn: false)
    }

    /// Gives a new frame the bytes that its page had when it was in memory last.
    private func fill(_ pfn: PFN, _ file: FileRef, _ offset: UInt64, _ trace: PageTrace?) {
        if let slot = trace?.swapSlot {
            swap.load(slot, into: pfn)
        } else {
            file.pointer.pointee.stored.load(offset, into: memory.bytes(of: pfn))
        }
    }

    @inline(__always)
    private func prepare(
        _ frame: FrameRef, of file: FileRef, _ offset: UInt64, retains: Bool
    ) {
        var flags: FrameFlags = [.upToDate, .fileCached]
        if file.kind == .memory { flags.insert(.swapBacked) }
        frame.resetFlags(flags)
        frame.setOwner(file.number, pageOffset: offset)
        // One for the index, one for the batch that puts it on a list, and perhaps the caller's.
        frame.counts.store((retains ? 3 : 2) * FrameRef.oneReference)
    }

    @inline(__always)
    private func insert(
        _ pfn: PFN, _ frame: FrameRef, _ file: FileRef, _ offset: UInt64, on cpu: CPU
    ) {
        file.index.insert(offset, pfn)
        // SHM_LOCK: the segment's pages go to the unevictable list as they come.
        if file.pointer.pointee.isLocked, batches.mlockDesign != .none { frame.set(.unevictable) }
        let zone = frame.zoneIndex
        cpu.add(1, to: .filePages, zone: zone)
        if file.kind == .memory { cpu.add(1, to: .shmem, zone: zone) }
    }

    private func discard(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        frame.resetFlags([])
        frame.counts.store(0)
        allocator.free(pfn, on: cpu)
    }

    /// Takes pages `first...last` out of a file's index and drops the index's references.
    ///
    /// Mappings keep their own; unmap afterwards.
    func remove(_ file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU) {
        // Released without the cache's lock, for that may take the lru lock's turn.
        file.forEachBatch(from: first, through: last, on: cpu) { offset, pfn in
            _ = file.index.remove(offset)
            let frame = frames[pfn]
            let zone = frame.zoneIndex
            cpu.add(-1, to: .filePages, zone: zone)
            if file.kind == .memory { cpu.add(-1, to: .shmem, zone: zone) }
            // ORDER: out of the cache first, see markDirty.
            frame.clear(.fileCached)
            frame.clearDirty(on: cpu)
            return true
        } work: { removed in
            if file.pointer.pointee.chargesPages { commitment.uncharge(removed.count) }
            for pfn in removed { swap.release(pfn, frames[pfn], on: cpu) }
        }
        forget(file, from: first, through: last, on: cpu)
    }

    /// Forgets what is left of pages that are not in memory.
    private func forget(_ file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU) {
        var slots: [UInt32] = []
        file.cacheLock.lock(.pageCache, on: cpu)
        file.index.removeTraces(from: first, through: last) { trace in
            if let slot = trace.swapSlot { slots.append(slot) }
        }
        file.pointer.pointee.swappedPages -= slots.count
        file.pointer.pointee.stored.remove(from: first, through: last)
        file.cacheLock.unlock(.pageCache, on: cpu)
        // ORDER: after the cache's lock, which ranks behind swap's.
        for slot in slots { swap.release(slot, on: cpu) }
        if file.pointer.pointee.chargesPages { commitment.uncharge(slots.count) }
    }
}
