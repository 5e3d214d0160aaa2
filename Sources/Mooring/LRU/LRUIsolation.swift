// SPDX-License-Identifier: Apache-2.0
//
// Taking frames off their lists to work on them, putting them back, and moving them between active
// and inactive.
//
// INVARIANT  Whoever isolates a frame holds a reference to it and puts it back, or frees it. While
//            it is isolated nobody else can isolate it: that is what `onLRU` decides.
// LOCKS      lru.
// RACE       mlock and munlock find an isolated frame on no list. They change its mark only, and
//            the holder completes what they began: `putBack` judges by the mark, under the lock.

extension LRUBatches {
    // MARK: Isolating

    /// Takes frames off the tail of a list.
    ///
    /// - Parameters:
    ///   - list: Which list.
    ///   - node: Of which node.
    ///   - buffer: Receives them, one reference each.
    ///   - scan: How many to look at.
    ///   - highest: Frames of zones above this type are passed over: their memory would not help.
    ///   - cpu: The CPU that the caller has entered.
    /// - Returns: How many were taken, and how many of the right zones were looked at.
    func isolate(
        _ list: LRUList, node: Int, into buffer: UnsafeMutablePointer<PFN>, scan: Int,
        highest: ZoneType, on cpu: CPU
    ) -> (taken: Int, scanned: Int) {
        var taken = 0
        var scanned = 0
        var looked = 0
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        let length = lists.count(list, node: node)
        while scanned < scan, looked < length {
            let pfn = lists.tail(list, node: node)
            if pfn == .none { break }
            looked += 1
            let frame = frames[pfn]
            if frame.zoneIndex % ZoneType.count > Int(highest.rawValue) {
                lists.moveToHead(pfn, frame, of: list, node: node)
                continue
            }
            scanned += 1
            // RACE: a frame without references is being freed by another CPU, which waits for this
            // lock; one that is linked but not marked yet is being added. Both stay.
            guard frame.retainUnlessUnreachable() else {
                lists.moveToHead(pfn, frame, of: list, node: node)
                continue
            }
            guard frame.testAndClear(.onLRU) else {
                // Whoever is adding it holds a reference too, so this one is not the last.
                frame.counts.subtract(FrameRef.oneReference)
                lists.moveToHead(pfn, frame, of: list, node: node)
                continue
            }
            lists.unlink(frame, node: node, on: cpu)
            cpu.add(
                1, to: list.isFile ? .isolatedFile : .isolatedAnon, zone: frame.zoneIndex)
            buffer[taken] = pfn
            taken += 1
        }
        return (taken, scanned)
    }

    /// Takes one frame, which the caller holds a reference to, off its list.
    ///
    /// - Returns: `false` if it is on none, or on the unevictable one.
    func isolate(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) -> Bool {
        let node = LRULists.node(ofZone: frame.zoneIndex)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        // RACE: another holder has it, or a batch has not been drained. It stays where it is.
        guard !frame.has(.unevictable), frame.testAndClear(.onLRU) else { return false }
        lists.unlink(frame, node: node, on: cpu)
        noteIsolated(frame, 1, on: cpu)
        frame.counts.add(FrameRef.oneReference)
        return true
    }

    /// Counts a frame as isolated, or not any more.
    @inline(__always)
    func noteIsolated(_ frame: FrameRef, _ amount: Int, on cpu: CPU) {
        let flags = frame.flags
        cpu.add(
            amount, to: flags.contains(.swapBacked) ? .isolatedAnon : .isolatedFile,
            zone: frame.zoneIndex)
    }

    // MARK: Putting back

    /// Puts isolated frames back on the lists that their flags name, and drops the references.
    func putBack(_ buffer: UnsafeMutablePointer<PFN>, count: Int, on cpu: CPU) {
        var lockedNode = -1
        for index in 0..<count {
            let pfn = buffer[index]
            let frame = frames[pfn]
            let node = LRULists.node(ofZone: frame.zoneIndex)
            let wasMarked = Mutation.putsBackUnseen.isActive && frame.has(.mlocked)
            if node != lockedNode {
                if lockedNode >= 0 { lists.lock(ofNode: lockedNode).unlock(.lru, on: cpu) }
                lists.lock(ofNode: node).lock(.lru, on: cpu)
                lockedNode = node
            }
            noteIsolated(frame, -1, on: cpu)
            let isMarked = Mutation.putsBackUnseen.isActive ? wasMarked : frame.has(.mlocked)
            if isMarked || frame.has(.unevictable) {
                // Its count starts at 0: what it was is not known here, and low is right.
                frame.clear(.active)
                lists.addUnevictable(frame, node: node, on: cpu)
                cpu.count(.unevictableCulled)
            } else {
                lists.add(pfn, frame, node: node, on: cpu)
            }
        }
        if lockedNode >= 0 { lists.lock(ofNode: lockedNode).unlock(.lru, on: cpu) }
        for index in 0..<count { release(buffer[index], on: cpu) }
    }

    // MARK: Active and inactive

    /// Notes that a frame was used other than through a page table.
    ///
    /// The first time it is marked, the second time it goes to the active list. The caller keeps
    /// the frame alive.
    @inline(__always)
    func markAccessed(_ pfn: PFN, on cpu: CPU) {
        let frame = frames[pfn]
        let flags = frame.flags
        if flags.contains(.unevictable) { return }
        guard flags.contains(.referenced) else { return frame.set(.referenced) }
        if flags.contains(.active) { return }
        // One that waits in this CPU's batch of additions can be moved once it is listed.
        if !flags.contains(.onLRU) { drain(on: cpu) }
        frame.counts.add(FrameRef.oneReference)
        frame.clear(.referenced)
        requestTakingReference(.activate, pfn, on: cpu)
    }

    /// Moves a frame to its active list, unless it is isolated or cannot be evicted.
    @inline(__always)
    func activate(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        guard frame.has(.onLRU), !frame.has(.unevictable), !frame.has(.active) else { return }
        lists.unlink(frame, node: node, on: cpu)
        frame.clear(.onLRU)
        frame.set(.active)
        lists.add(pfn, frame, node: node, on: cpu)
        lists.age(ofNode: node).add(1)
        cpu.count(.pgactivate)
    }

    /// Moves a frame to its inactive list, unless it is isolated or cannot be evicted.
    @inline(__always)
    func deactivate(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        guard frame.has(.onLRU), !frame.has(.unevictable) else { return }
        lists.unlink(frame, node: node, on: cpu)
        if frame.has(.active) { cpu.count(.pgdeactivate) }
        frame.clear([.onLRU, .active, .referenced])
        lists.add(pfn, frame, node: node, on: cpu)
    }

    /// Moves an inactive frame to the tail of its list, to be reclaimed next.
    func rotate(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        let node = LRULists.node(ofZone: frame.zoneIndex)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        let flags = frame.flags
        guard flags.contains(.onLRU), flags.isDisjoint(with: [.active, .unevictable]) else {
            return
        }
        lists.moveToTail(pfn, frame, of: LRUList(of: flags), node: node)
        cpu.count(.pgrotated)
    }
}
