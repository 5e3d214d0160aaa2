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
        let allocator: FrameAllocator
        let batches: LRUBatches
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
    var allocator: FrameAllocator { parts.pointee.allocator }
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
        if file.isSegment { _ = segmentLocks.unlock(file, on: cpu) }
        remove(file, from: 0, through: .max, on: cpu)
        file.index.removeAll()
        commitment.uncharge(file.pointer.pointee.chargedPages)
        let number = file.number
        file.pointer.pointee.largeFolios.deallocate()
        file.pointer.deinitialize(count: 1)
        files.free(number, on: cpu)
    }

    /// A file's page, brought in if it is not there.
    enum Lookup {
        case found(PFN, broughtIn: Bool)
        case pastEnd
        case noMemory
    }

    /// Finds a page, or makes it: zeroes for a file in memory, what the device holds for one on
    /// disk.
    ///
    /// Takes no reference: the caller must look again under a table's lock to map it.
    func ensure(_ file: FileRef, _ offset: UInt64, on cpu: CPU) -> Lookup {
        file.cacheLock.lock(.pageCache, on: cpu)
        let present = offset < file.pageCount ? file.index.lookup(offset) : .none
        let isPastEnd = offset >= file.pageCount
        file.cacheLock.unlock(.pageCache, on: cpu)
        if isPastEnd { return .pastEnd }
        if present != .none { return .found(present, broughtIn: false) }

        let fresh = allocator.allocate(order: 0, type: .movable, on: cpu)
        guard fresh != .none else { return .noMemory }
        let frame = frames[fresh]
        let isCharged = file.pointer.pointee.chargesPages
        if isCharged, !commitment.charge(1) {
            allocator.free(fresh, on: cpu)
            return .noMemory
        }
        prepare(frame, of: file, offset)
        if keepsBytes { memory.zero(fresh) }
        let wasLocked = Mutation.judgesSegmentEarly.isActive && file.pointer.pointee.isLocked

        file.cacheLock.lock(.pageCache, on: cpu)
        let isGone = offset >= file.pageCount
        let other = isGone ? PFN.none : file.index.lookup(offset)
        if !isGone, other == .none || Mutation.bringsInWithoutLooking.isActive {
            insert(fresh, frame, file, offset, on: cpu)
            if wasLocked { frame.set(.unevictable) }
            file.cacheLock.unlock(.pageCache, on: cpu)
            batches.addTakingReference(fresh, on: cpu)
            return .found(fresh, broughtIn: !file.pointer.pointee.isCached && file.kind == .disk)
        }
        file.cacheLock.unlock(.pageCache, on: cpu)
        // RACE: another CPU brought the page in first, or the file shrank: the frame is not needed.
        if isCharged { commitment.uncharge(1) }
        discard(fresh, frame, on: cpu)
        return isGone ? .pastEnd : .found(other, broughtIn: false)
    }

    @inline(__always)
    private func prepare(_ frame: FrameRef, of file: FileRef, _ offset: UInt64) {
        var flags: FrameFlags = [.upToDate, .fileCached]
        if file.kind == .memory { flags.insert(.swapBacked) }
        frame.resetFlags(flags)
        frame.setOwner(file.number, pageOffset: offset)
        // One for the index, one for the batch that puts it on a list.
        frame.counts.store(2 * FrameRef.oneReference)
    }

    @inline(__always)
    private func insert(
        _ pfn: PFN, _ frame: FrameRef, _ file: FileRef, _ offset: UInt64, on cpu: CPU
    ) {
        file.index.insert(offset, pfn)
        // SHM_LOCK: the segment's pages go to the unevictable list as they come.
        if file.pointer.pointee.isLocked { frame.set(.unevictable) }
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
        // Frames to release, collected because releasing may take the lru lock's turn.
        var position = first
        var removed = InlineArray<64, PFN>(repeating: .none)
        while true {
            var count = 0
            file.cacheLock.lock(.pageCache, on: cpu)
            while count < 64, let (offset, pfn) = file.index.firstPresent(from: position),
                offset <= last
            {
                _ = file.index.remove(offset)
                let frame = frames[pfn]
                let zone = frame.zoneIndex
                cpu.add(-1, to: .filePages, zone: zone)
                if file.kind == .memory { cpu.add(-1, to: .shmem, zone: zone) }
                // ORDER: out of the cache first, see markDirty.
                frame.clear(.fileCached)
                frame.clearDirty(on: cpu)
                removed[count] = pfn
                count += 1
                position = offset &+ 1
            }
            file.cacheLock.unlock(.pageCache, on: cpu)
            if file.pointer.pointee.chargesPages { commitment.uncharge(count) }
            for index in 0..<count { batches.release(removed[index], on: cpu) }
            if count < 64 { return }
        }
    }
}
