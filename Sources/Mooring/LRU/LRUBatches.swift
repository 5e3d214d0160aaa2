// SPDX-License-Identifier: Apache-2.0
//
// Per-CPU batches in front of the LRU lists, and the end of a frame's life.
//
// STATE      For each CPU a batch of frames to be added to their lists and a batch of mlock and
//            munlock requests. Each entry holds a reference, so a frame cannot be freed and reused
//            while it waits here. A batch has 31 entries; that of additions grows up to eightfold
//            while it fills again and again, because each drain costs two or three transfers of
//            cache lines between CPUs, which take as long as several faults.
// LAZY       A frame in a batch is on no list yet. Whoever must find it there (unmapping, mlock,
//            migration) drains its own CPU's batches first; `Machine.drainBatches` drains every CPU's.
// LOCKS      A batch belongs to its CPU. A word of rank lru taken around each use would cost 6 ns a
//            fault, so `Machine.drainBatches` enters each CPU in turn instead (rank cpu) and the
//            batch needs none.
// SEE        Mlock/CountedMlock.swift for what the requests of the mlock batch mean.

/// What an entry of the batch of requests asks for; kept in the top bits beside the frame's number.
enum LRURequest: UInt64 {
    /// Count one more locked VMA for a frame that has been on a list.
    case mlock = 1
    /// The same for a frame that has never been on a list, and put it there.
    case mlockNew = 2
    /// Count one locked VMA less.
    case munlock = 3
    /// The contents of an anonymous frame are not needed any more (MADV_FREE).
    case lazyFree = 4
    /// A frame that was used again belongs on an active list.
    case activate = 5
    /// A frame is not needed soon (MADV_COLD): it goes to the head of its inactive list.
    case deactivate = 6
    /// A marked frame belongs on the unevictable list, where nothing counts (the 2008 design).
    case cull = 7
}

/// One CPU's batch of frames to be added to their lists: 1 KiB, so that no two CPUs share a line.
struct LRUAdditions {
    /// LINUX: a batch has 31 always.
    static let usualLimit: UInt32 = 31
    static let greatestLimit: UInt32 = 8 * usualLimit
    var count: UInt32 = 0
    /// How many frames fill it.
    var limit = usualLimit
    var frames: InlineArray<254, UInt32> = .init(repeating: 0)
}

/// One CPU's batch of requests: four cache lines.
struct LRURequests {
    static let capacity = 31
    var count = 0
    var entries: InlineArray<31, UInt64> = .init(repeating: 0)
}

/// The batches of all CPUs and what happens when they are drained.
struct LRUBatches {
    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let lists: LRULists
        let allocator: FrameAllocator
        let tlb: TLB
        let mlockDesign: MlockDesign
        fileprivate let additions: UnsafeMutablePointer<LRUAdditions>
        fileprivate let requests: UnsafeMutablePointer<LRURequests>
        /// One a CPU in the design that needs them.
        fileprivate let waitingUnlocks: UnsafeMutablePointer<WaitingUnlocks>?

        init(
            frames: FrameTable, lists: LRULists, allocator: FrameAllocator, tlb: TLB,
            mlockDesign: MlockDesign
        ) {
            self.frames = frames
            self.lists = lists
            self.allocator = allocator
            self.tlb = tlb
            self.mlockDesign = mlockDesign
            additions = Parts.ownLines(repeating: LRUAdditions(), count: tlb.cpuCount)
            requests = Parts.ownLines(repeating: LRURequests(), count: tlb.cpuCount)
            waitingUnlocks =
                mlockDesign == .reverseMap
                ? Parts.ownLines(repeating: WaitingUnlocks(), count: tlb.cpuCount) : nil
        }

        /// Records of whole pairs of cache lines, the least that processors fetch.
        private static func ownLines<Record>(
            repeating record: Record, count: Int
        ) -> UnsafeMutablePointer<Record> {
            let stride = MemoryLayout<Record>.stride
            precondition(stride % 128 == 0, "two CPUs would share a cache line")
            let records = UnsafeMutableRawPointer.allocate(
                byteCount: count * stride, alignment: 128
            ).bindMemory(to: Record.self, capacity: count)
            records.initialize(repeating: record, count: count)
            return records
        }
    }

    private let parts: UnsafeMutablePointer<Parts>

    init(_ parts: Parts) { self.parts = .init(holding: parts) }

    /// Gives the memory back.
    func deallocate() {
        parts.pointee.additions.deallocate()
        parts.pointee.requests.deallocate()
        parts.pointee.waitingUnlocks?.deallocate()
        parts.deallocate()
    }

    /// The CPU whose batches an address lies in.
    func locate(_ address: UInt) -> Int? {
        (0..<cpuCount).first { index in
            address &- UInt(bitPattern: parts.pointee.additions + index)
                < UInt(MemoryLayout<LRUAdditions>.stride)
                || address &- UInt(bitPattern: parts.pointee.requests + index)
                    < UInt(MemoryLayout<LRURequests>.stride)
        }
    }

    var frames: FrameTable { parts.pointee.frames }
    var lists: LRULists { parts.pointee.lists }
    var allocator: FrameAllocator { parts.pointee.allocator }
    var mlockDesign: MlockDesign { parts.pointee.mlockDesign }
    private var tlb: TLB { parts.pointee.tlb }
    private var cpuCount: Int { parts.pointee.tlb.cpuCount }

    @inline(__always)
    private func additions(_ cpu: CPU) -> UnsafeMutablePointer<LRUAdditions> {
        parts.pointee.additions + cpu.index
    }
    @inline(__always)
    private func requests(_ cpu: CPU) -> UnsafeMutablePointer<LRURequests> {
        parts.pointee.requests + cpu.index
    }

    /// A CPU's unlocks that wait for their walks; nil in designs without.
    func waitingUnlocks(_ cpu: CPU) -> UnsafeMutablePointer<WaitingUnlocks>? {
        parts.pointee.waitingUnlocks.map { $0 + cpu.index }
    }

    /// Hands a new frame over to be put on its list; the batch takes over one reference that the
    /// caller has counted for it.
    @inline(__always)
    func addTakingReference(_ pfn: PFN, on cpu: CPU) {
        let batch = additions(cpu)
        SchedulingPoint.reach(.write, batch)
        let count = batch.pointee.count
        LRUBatches.frames(of: batch)[Int(count)] = pfn
        batch.pointee.count = count &+ 1
        if count &+ 1 == batch.pointee.limit { drainFullAdditions(on: cpu) }
    }

    /// Hands over a request to count a locked mapping, with one reference that the caller counted.
    @inline(__always)
    func requestTakingReference(_ request: LRURequest, _ pfn: PFN, on cpu: CPU) {
        let batch = requests(cpu)
        SchedulingPoint.reach(.write, batch)
        let raw = UnsafeMutableRawPointer(batch)
        let count = batch.pointee.count
        raw.storeBytes(
            of: UInt64(pfn.rawValue) | request.rawValue << 32,
            toByteOffset: 8 &+ count &* 8, as: UInt64.self)
        batch.pointee.count = count &+ 1
        if count &+ 1 == LRURequests.capacity { drainRequests(on: cpu) }
    }

    /// The frames of a batch of additions, in a row.
    @inline(__always)
    private static func frames(
        of batch: UnsafeMutablePointer<LRUAdditions>
    ) -> UnsafeMutablePointer<PFN> {
        // SAFETY: InlineArray lays its elements out in a row, and a PFN is one 32-bit word.
        (UnsafeMutableRawPointer(batch) + 8).assumingMemoryBound(to: PFN.self)
    }

    /// Whether this CPU has requests that wait.
    @inline(__always)
    func hasWaiting(on cpu: CPU) -> Bool {
        additions(cpu).pointee.count != 0 || requests(cpu).pointee.count != 0
    }

    /// Carries out what this CPU's batches hold.
    @inline(__always)
    func drain(on cpu: CPU) {
        // ORDER: additions first, so that an mlock request finds its frame on a list.
        if additions(cpu).pointee.count != 0 {
            drainAdditions(on: cpu)
            // Somebody needed the frames on their lists: fewer of them shall wait next time.
            additions(cpu).pointee.limit = LRUAdditions.usualLimit
        }
        if requests(cpu).pointee.count != 0 { drainRequests(on: cpu) }
    }

    /// Visits the frame of every waiting entry of every CPU; the machine must be at rest.
    ///
    /// An entry of the batch of additions comes without a request.
    func forEachWaiting(_ body: (PFN, LRURequest?) -> Void) {
        for cpu in 0..<cpuCount {
            let additions = parts.pointee.additions + cpu
            for index in 0..<Int(additions.pointee.count) {
                body(LRUBatches.frames(of: additions)[index], nil)
            }
            let requests = parts.pointee.requests + cpu
            for index in 0..<requests.pointee.count {
                let entry = requests.pointee.entries[index]
                body(
                    PFN(rawValue: UInt32(truncatingIfNeeded: entry)),
                    LRURequest(rawValue: entry >> 32).unsafelyUnwrapped)
            }
        }
    }

    /// Puts the frames of a full batch of additions on their lists, and lets it grow.
    @inline(never)
    private func drainFullAdditions(on cpu: CPU) {
        drainAdditions(on: cpu)
        let batch = additions(cpu)
        batch.pointee.limit = min(2 * batch.pointee.limit, LRUAdditions.greatestLimit)
    }

    /// Puts the frames of the batch of additions on their lists.
    ///
    /// They are linked with one another first, so that the lock is held for one splice a list:
    /// two CPUs that fault hardly meet.
    @inline(never)
    private func drainAdditions(on cpu: CPU) {
        let batch = additions(cpu)
        SchedulingPoint.reach(.read, batch)
        let count = Int(batch.pointee.count)
        let pfns = LRUBatches.frames(of: batch)
        var chain = LRUChain()
        for index in 0..<count {
            let pfn = pfns[index]
            let frame = frames[pfn]
            let flags = frame.flags
            if !flags.isDisjoint(with: [.unevictable, .mlocked, .onLRU]) {
                addWithoutChain(pfn, frame, on: cpu)
                release(pfn, on: cpu)
                pfns[index] = .none
                continue
            }
            let node = LRULists.node(ofZone: frame.zoneIndex)
            if !lists.append(pfn, frame, flags, node: node, to: &chain, on: cpu) {
                publish(chain, on: cpu)
                chain = LRUChain()
                _ = lists.append(pfn, frame, flags, node: node, to: &chain, on: cpu)
            }
        }
        publish(chain, on: cpu)
        SchedulingPoint.reach(.write, batch)
        batch.pointee.count = 0
        for index in 0..<count where pfns[index] != .none {
            let pfn = pfns[index]
            let frame = frames[pfn]
            // ORDER: linked, then marked as listed, then the mlock mark looked at; a request
            // sets that mark before it looks whether the frame is listed. One of the two sees
            // the other, so no locked frame stays among the evictable ones.
            let wasMarked = Mutation.marksListedLast.isActive && frame.has(.mlocked)
            frame.set(.onLRU)
            if Mutation.marksListedLast.isActive ? wasMarked : frame.has(.mlocked) {
                cull(frame, on: cpu)
            }
            release(pfn, on: cpu)
        }
    }

    @inline(__always)
    private func publish(_ chain: LRUChain, on cpu: CPU) {
        guard chain.count > 0 else { return }
        lists.lock(ofNode: chain.node).lock(.lru, on: cpu)
        lists.splice(chain)
        lists.lock(ofNode: chain.node).unlock(.lru, on: cpu)
    }

    /// Puts a frame that may be unevictable on its list.
    @inline(never)
    private func addWithoutChain(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        let node = LRULists.node(ofZone: frame.zoneIndex)
        let wasMarked = Mutation.judgesBeforeLock.isActive && frame.has(.mlocked)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        // RACE: an mlock request for the same frame may have been drained first and have put it on
        // the unevictable list: then it is where it belongs.
        guard !frame.has(.onLRU) else { return }
        if frame.has(.mlocked) || wasMarked {
            frame.set(.unevictable)
            cpu.count(.unevictableCulled)
        }
        // The count starts at 0: a request that is still waiting counts its mapping itself, and
        // counting it here too would err high.
        lists.add(pfn, frame, node: node, on: cpu)
    }

    /// Moves a frame that was locked while it was put on an evictable list.
    @inline(never)
    private func cull(_ frame: FrameRef, on cpu: CPU) {
        let node = LRULists.node(ofZone: frame.zoneIndex)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        cullListed(frame, node: node, on: cpu)
    }

    /// Moves a frame that is marked and on an evictable list to the unevictable one.
    ///
    /// Under the node's lock.
    private func cullListed(_ frame: FrameRef, node: Int, on cpu: CPU) {
        // RACE: the request may have moved it already, or a munlock have cleared the mark; or it is
        // isolated, and its holder puts it back by its mark.
        guard frame.has([.onLRU, .mlocked]), !frame.has(.unevictable) else { return }
        lists.moveToUnevictable(frame, node: node, on: cpu)
        cpu.count(.unevictableCulled)
    }

    /// Carries out the batch of mlock and munlock requests.
    @inline(never)
    private func drainRequests(on cpu: CPU) {
        let batch = requests(cpu)
        SchedulingPoint.reach(.read, batch)
        let count = batch.pointee.count
        let raw = UnsafeRawPointer(batch) + 8
        var nodes = NodeLock(lists: lists, cpu: cpu)
        for index in 0..<count {
            let entry = raw.load(fromByteOffset: index &* 8, as: UInt64.self)
            let pfn = PFN(rawValue: UInt32(truncatingIfNeeded: entry))
            let frame = frames[pfn]
            let wasListed = Mutation.looksBeforeLock.isActive && frame.has(.onLRU)
            let node =
                Mutation.drainsWithoutLock.isActive
                ? LRULists.node(ofZone: frame.zoneIndex) : nodes.lock(of: frame)
            carryOut(
                LRURequest(rawValue: entry >> 32).unsafelyUnwrapped, pfn, frame,
                wasListed: wasListed, node: node, on: cpu)
        }
        nodes.unlock()
        SchedulingPoint.reach(.write, batch)
        batch.pointee.count = 0
        for index in 0..<count {
            let entry = raw.load(fromByteOffset: index &* 8, as: UInt64.self)
            release(PFN(rawValue: UInt32(truncatingIfNeeded: entry)), on: cpu)
        }
    }

    @inline(__always)
    private func carryOut(
        _ request: LRURequest, _ pfn: PFN, _ frame: FrameRef, wasListed: Bool, node: Int,
        on cpu: CPU
    ) {
        switch request {
        case .mlock, .mlockNew:
            countLock(pfn, frame, isNew: request == .mlockNew, node: node, on: cpu)
        case .munlock:
            let isListed = Mutation.looksBeforeLock.isActive ? wasListed : frame.has(.onLRU)
            countUnlock(pfn, frame, isListed: isListed, node: node, on: cpu)
        case .lazyFree: makeLazilyFree(pfn, frame, node: node, on: cpu)
        case .activate: activate(pfn, frame, node: node, on: cpu)
        case .deactivate: deactivate(pfn, frame, node: node, on: cpu)
        case .cull: cullListed(frame, node: node, on: cpu)
        }
    }

    /// Puts an anonymous frame among the inactive file frames, as one that can be dropped.
    @inline(__always)
    private func makeLazilyFree(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        // RACE: isolated by somebody, or locked since it was asked for: then it stays in use.
        guard frame.has([.onLRU, .anonymous, .swapBacked]), !frame.has(.unevictable) else { return }
        lists.unlink(frame, node: node, on: cpu)
        frame.clear([.onLRU, .active, .referenced, .swapBacked])
        lists.add(pfn, frame, node: node, on: cpu)
        cpu.count(.pglazyfree)
    }

    // MARK: The end of a frame's life

    /// Drops one reference, and frees the frame if it was the last.
    @inline(__always)
    func release(_ pfn: PFN, on cpu: CPU) {
        let frame = frames[pfn]
        if Mutation.countsMarkEarly.isActive,
            UInt32(truncatingIfNeeded: frame.counts.load()) == 1
        {
            countMarkOff(frame, on: cpu)
        }
        if UInt32(truncatingIfNeeded: frame.counts.subtract(FrameRef.oneReference)) == 0 {
            retireAndFree(pfn, on: cpu)
        }
    }

    @inline(never)
    private func retireAndFree(_ pfn: PFN, on cpu: CPU) {
        tlb.caches?.expectNone(to: pfn, on: cpu)
        let frame = frames[pfn]
        if frame.has(.onLRU) {
            let node = LRULists.node(ofZone: frame.zoneIndex)
            lists.lock(ofNode: node).lock(.lru, on: cpu)
            lists.unlink(frame, node: node, on: cpu)
            lists.lock(ofNode: node).unlock(.lru, on: cpu)
        }
        clearForFree(frame, on: cpu)
        allocator.free(pfn, on: cpu)
    }

    /// Frees frames whose counts are already 0, so that nobody can reach them.
    func free(_ pfns: UnsafeMutablePointer<PFN>, count: Int, on cpu: CPU) {
        if let caches = tlb.caches {
            for index in 0..<count { caches.expectNone(to: pfns[index], on: cpu) }
        }
        var nodes = NodeLock(lists: lists, cpu: cpu)
        for index in 0..<count {
            let frame = frames[pfns[index]]
            if frame.has(.onLRU) { lists.unlink(frame, node: nodes.lock(of: frame), on: cpu) }
            clearForFree(frame, on: cpu)
        }
        nodes.unlock()
        allocator.free(UnsafeBufferPointer(start: pfns, count: count), on: cpu)
    }

    /// Clears what a frame may still carry when its last user lets go.
    @inline(__always)
    private func clearForFree(_ frame: FrameRef, on cpu: CPU) {
        if !Mutation.countsMarkEarly.isActive { countMarkOff(frame, on: cpu) }
        frame.resetFlags([])
    }

    /// A frame freed while still marked: the mark goes with it, and is counted as cleared.
    @inline(__always)
    private func countMarkOff(_ frame: FrameRef, on cpu: CPU) {
        guard frame.has(.mlocked) else { return }
        cpu.add(-1, to: .mlock, zone: frame.zoneIndex)
        cpu.count(.unevictableCleared)
    }
}
