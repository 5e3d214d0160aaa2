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
        var tally = IsolationTally(cpu: cpu)
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
            tally.note(1, isFile: list.isFile, zone: frame.zoneIndex)
            buffer[taken] = pfn
            taken += 1
        }
        tally.end()
        return (taken, scanned)
    }

    /// Takes frames, which the caller keeps alive, off their lists.
    ///
    /// - Returns: How many there are left in the buffer, one reference each: the others are on no
    ///   list, or on the unevictable one.
    func isolate(_ buffer: UnsafeMutablePointer<PFN>, count: Int, on cpu: CPU) -> Int {
        var taken = 0
        var tally = IsolationTally(cpu: cpu)
        var nodes = NodeLock(lists: lists, cpu: cpu)
        for index in 0..<count {
            let frame = frames[buffer[index]]
            let wasListed = Mutation.isolatesByEarlyLook.isActive && frame.has(.onLRU)
            let node = nodes.lock(of: frame)
            // RACE: another holder has it, or a batch has not been drained. It stays where it is.
            guard !frame.has(.unevictable), frame.testAndClear(.onLRU) || wasListed else {
                continue
            }
            lists.unlink(frame, node: node, on: cpu)
            tally.note(1, frame)
            frame.counts.add(FrameRef.oneReference)
            buffer[taken] = buffer[index]
            taken += 1
        }
        nodes.unlock()
        tally.end()
        return taken
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
        var tally = IsolationTally(cpu: cpu)
        var nodes = NodeLock(lists: lists, cpu: cpu)
        for index in 0..<count {
            let pfn = buffer[index]
            let frame = frames[pfn]
            let wasMarked = Mutation.putsBackUnseen.isActive && frame.has(.mlocked)
            let node = nodes.lock(of: frame)
            tally.note(-1, frame)
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
        nodes.unlock()
        tally.end()
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

    /// Moves inactive frames to the tails of their lists, to be reclaimed next.
    func rotate(_ pfns: UnsafeMutableBufferPointer<PFN>, on cpu: CPU) {
        var nodes = NodeLock(lists: lists, cpu: cpu)
        for pfn in pfns {
            let frame = frames[pfn]
            let node = nodes.lock(of: frame)
            let flags = frame.flags
            guard flags.contains(.onLRU), flags.isDisjoint(with: [.active, .unevictable]) else {
                continue
            }
            lists.moveToTail(pfn, frame, of: LRUList(of: flags), node: node)
            cpu.count(.pgrotated)
        }
        nodes.unlock()
    }
}

/// How many frames are isolated, or not any more: added up over frames of one zone and kind.
struct IsolationTally {
    let cpu: CPU
    private var zone = 0
    private var isFile = false
    private var amount = 0

    init(cpu: CPU) { self.cpu = cpu }

    /// Counts a frame.
    @inline(__always)
    mutating func note(_ change: Int, _ frame: FrameRef) {
        note(change, isFile: !frame.has(.swapBacked), zone: frame.zoneIndex)
    }

    @inline(__always)
    mutating func note(_ change: Int, isFile: Bool, zone: Int) {
        if zone != self.zone || isFile != self.isFile {
            end()
            self.zone = zone
            self.isFile = isFile
        }
        amount += change
    }

    /// Hands on what was added up.
    mutating func end() {
        if amount != 0 { cpu.add(amount, to: isFile ? .isolatedFile : .isolatedAnon, zone: zone) }
        amount = 0
    }
}

/// The lock of one node's lists, kept from one frame to the next as long as they are of one node.
struct NodeLock {
    let lists: LRULists
    let cpu: CPU
    private var node = -1

    init(lists: LRULists, cpu: CPU) {
        self.lists = lists
        self.cpu = cpu
    }

    /// Takes the lock of a frame's node, and gives another's back.
    ///
    /// - Returns: The node.
    @inline(__always)
    mutating func lock(of frame: FrameRef) -> Int {
        let wanted = LRULists.node(ofZone: frame.zoneIndex)
        if wanted != node {
            unlock()
            lists.lock(ofNode: wanted).lock(.lru, on: cpu)
            node = wanted
        }
        return wanted
    }

    /// Gives the lock back.
    @inline(__always)
    mutating func unlock() {
        if node >= 0 { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        node = -1
    }
}
