// SPDX-License-Identifier: Apache-2.0
//
// System V segments, seen from their pages: what they are charged for and when they go.
//
// STATE      What each user has locked by SHM_LOCK is counted apart from every address space.
// INVARIANT  A segment that is locked is counted for the user who locked it.
// LOCKS      segments: one, over the table of users, over which segments are locked (with pageCache,
//            one a file), and over who lets go of a segment last.

/// The flat state behind ``SegmentLocks``.
struct SegmentLocksState {
    var lockedPages: [UInt32: Int] = [:]
    /// The number of the last attachment.
    var lastAttachment: UInt32 = 0
    // Not first: the thread sanitizer logs a change of any field at the record's address.
    var lock: UInt32 = 0
}

/// How many pages of segments each user has locked.
struct SegmentLocks {
    private let state: UnsafeMutablePointer<SegmentLocksState>

    init() {
        // As for the table of processes: what holds references is not in memory that is put back.
        let buffer = UnsafeMutableBufferPointer<SegmentLocksState>.allocate(capacity: 1)
        state = buffer.baseAddress.unsafelyUnwrapped
        state.initialize(to: SegmentLocksState())
    }

    /// All of it: for an explorer that puts a machine back to what it was.
    var contents: SegmentLocksState {
        get { state.pointee }
        nonmutating set { state.pointee = newValue }
    }

    /// Gives the memory back.
    func deallocate() {
        state.deinitialize(count: 1)
        UnsafeMutableBufferPointer(start: state, count: 1).deallocate()
    }

    private var usersLock: SpinLock {
        SpinLock(
            at: UnsafeMutableRawPointer(state)
                + MemoryLayout<SegmentLocksState>.offset(of: \.lock).unsafelyUnwrapped)
    }

    /// How many pages a user has locked; the machine must be at rest.
    func pages(of user: UInt32) -> Int { state.pointee.lockedPages[user] ?? 0 }

    /// The users who have locked anything.
    var users: [UInt32] { state.pointee.lockedPages.keys.sorted() }

    /// Marks a segment locked and counts its pages; `false` beyond the limit.
    func lockSegment(_ segment: FileRef, user: UInt32, limit: Int, on cpu: CPU) -> Bool {
        usersLock.lock(.segments, on: cpu)
        defer { usersLock.unlock(.segments, on: cpu) }
        if segment.pointer.pointee.isLocked { return true }
        let total = pages(of: user) + Int(segment.pageCount)
        guard total <= limit else { return false }
        state.pointee.lockedPages[user] = total
        segment.pointer.pointee.lockedBy = user
        setLocked(true, segment, on: cpu)
        return true
    }

    /// Takes the mark and the count back; `false` if it was not locked.
    func unlockSegment(_ segment: FileRef, on cpu: CPU) -> Bool {
        usersLock.lock(.segments, on: cpu)
        defer { usersLock.unlock(.segments, on: cpu) }
        guard segment.pointer.pointee.isLocked else { return false }
        setLocked(false, segment, on: cpu)
        let user = segment.pointer.pointee.lockedBy
        let left = pages(of: user) - Int(segment.pageCount)
        state.pointee.lockedPages[user] = left == 0 ? nil : left
        return true
    }

    /// ORDER: under the page cache's lock too.
    ///
    /// A page that goes into the index before sees the old mark and is found by the walk that
    /// follows an unlock; one that goes in later sees the new.
    private func setLocked(_ isLocked: Bool, _ segment: FileRef, on cpu: CPU) {
        segment.cacheLock.lock(.pageCache, on: cpu)
        segment.pointer.pointee.isLocked = isLocked
        segment.cacheLock.unlock(.pageCache, on: cpu)
    }

    // MARK: Ending

    /// Whether a segment was removed and nothing is attached to it.
    func isDestroyed(_ segment: FileRef, on cpu: CPU) -> Bool {
        usersLock.lock(.segments, on: cpu)
        defer { usersLock.unlock(.segments, on: cpu) }
        return segment.pointer.pointee.isDestroyed
    }

    /// Takes a reference for an attachment and gives it a number, unless the segment is destroyed.
    func attach(_ segment: FileRef, on cpu: CPU) -> UInt32? {
        usersLock.lock(.segments, on: cpu)
        defer { usersLock.unlock(.segments, on: cpu) }
        // RACE: the last of the others may be letting go; the lock decides who came first.
        guard !segment.pointer.pointee.isDestroyed || Mutation.attachesToDestroyed.isActive else {
            return nil
        }
        segment.references.add(1)
        state.pointee.lastAttachment &+= 1
        return state.pointee.lastAttachment
    }

    /// Marks a segment removed; says whether the caller has to empty it.
    func setRemoved(_ isRemoved: Bool, _ segment: FileRef, on cpu: CPU) -> Bool {
        usersLock.lock(.segments, on: cpu)
        defer { usersLock.unlock(.segments, on: cpu) }
        segment.pointer.pointee.isRemoved = isRemoved
        return claim(segment, references: 1)
    }

    /// Drops a reference; a caller who holds the last beside the handle's has to empty the segment
    /// first, and then calls again.
    ///
    /// - Returns: How many references are left, or `nil` when the segment is to be emptied.
    func dropReference(_ segment: FileRef, on cpu: CPU) -> UInt64? {
        usersLock.lock(.segments, on: cpu)
        defer { usersLock.unlock(.segments, on: cpu) }
        return claim(segment, references: 2) ? nil : segment.references.subtract(1)
    }

    /// RACE: IPC_RMID and several last detachments may come together; exactly one of them empties
    /// the segment, with a reference in hand.
    ///
    /// Nobody attaches to it from then on.
    private func claim(_ segment: FileRef, references: UInt64) -> Bool {
        guard segment.pointer.pointee.isRemoved, !segment.pointer.pointee.isDestroyed,
            segment.references.load() == references
        else { return false }
        segment.pointer.pointee.isDestroyed = true
        return true
    }
}

extension FileRef {
    /// Whether it is a System V segment.
    var isSegment: Bool { pointer.pointee.isSegment }
}

extension PageCache {
    /// shmget(2): a new segment, all its pages promised.
    ///
    /// - Returns: `nil` when they cannot be.
    func makeSegment(
        key: UInt32, length: UInt64, owner: UInt32, name: String, on cpu: CPU
    ) -> FileRef? {
        let pages = Int(length.roundedUpToPages >> pageShift)
        guard commitment.charge(pages) else { return nil }
        let file = makeFile(
            named: name, kind: .memory, length: length.roundedUpToPages, on: cpu)
        file.pointer.pointee.isSegment = true
        file.pointer.pointee.owner = owner
        file.pointer.pointee.chargedPages = pages
        return file
    }

    /// IPC_RMID: the segment goes with its last attachment.
    func removeSegment(_ segment: FileRef, on cpu: CPU) {
        if segmentLocks.setRemoved(true, segment, on: cpu) { emptySegment(segment, on: cpu) }
    }

    /// Drops a reference to a segment; returns how many are left.
    func releaseSegment(_ segment: FileRef, on cpu: CPU) -> UInt64 {
        while true {
            if let left = segmentLocks.dropReference(segment, on: cpu) { return left }
            emptySegment(segment, on: cpu)
        }
    }

    /// Gives up what a removed segment holds; its handle is left, and the caller.
    private func emptySegment(_ segment: FileRef, on cpu: CPU) {
        remove(segment, from: 0, through: .max, on: cpu)
        commitment.uncharge(segment.pointer.pointee.chargedPages)
        segment.pointer.pointee.chargedPages = 0
        _ = segmentLocks.unlockSegment(segment, on: cpu)
    }

    /// SHM_LOCK; `false` beyond the user's limit.
    func lockSegment(_ segment: FileRef, user: UInt32, limit: Int, on cpu: CPU) -> Bool {
        segmentLocks.lockSegment(segment, user: user, limit: limit, on: cpu)
    }

    /// SHM_UNLOCK: its pages may be reclaimed again.
    func unlockSegment(_ segment: FileRef, on cpu: CPU) {
        guard segmentLocks.unlockSegment(segment, on: cpu) else { return }
        batches.drain(on: cpu)
        segment.forEachBatch(from: 0, through: .max, on: cpu) { _, pfn in
            frames[pfn].counts.add(FrameRef.oneReference)
            return true
        } work: { found in
            cpu.count(.unevictableScanned, found.count)
            for pfn in found {
                batches.rescue(pfn, on: cpu)
                batches.release(pfn, on: cpu)
            }
        }
    }
}

extension LRUBatches {
    /// Puts an unevictable frame that no locked VMA maps back on an evictable list.
    ///
    /// The caller holds a reference.
    func rescue(_ pfn: PFN, on cpu: CPU) {
        let frame = frames[pfn]
        let node = LRULists.node(ofZone: frame.zoneIndex)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        guard frame.has(.unevictable), !frame.has(.mlocked) else { return }
        guard frame.has(.onLRU) else {
            // RACE: another CPU's batch is about to add it, by what its flags say then.
            frame.clear(.unevictable)
            return
        }
        lists.moveFromUnevictable(pfn, frame, node: node, on: cpu)
        cpu.count(.unevictableRescued)
    }
}
