// SPDX-License-Identifier: Apache-2.0
//
// The LRU lists of each node: active and inactive, anonymous and file, and the unevictable one.
//
// STATE      Four linked lists a node. The fifth, unevictable, is only counted: its frames have no
//            links, so that the link field can hold their mlock count (the 2022 design).
// INVARIANT  A frame has `onLRU` exactly while it is counted on one list of its node; which one,
//            its flags say (`LRUList.init(of:)`), and they change only under the node's lock.
// LOCKS      lru, one a node. Frames on their way to a list wait in per-CPU batches, each entry
//            holding a reference: LRUBatches.swift.

/// The lists that frames with links can be on; an active list follows its inactive one.
enum LRUList: Int, CaseIterable {
    case inactiveAnon
    case activeAnon
    case inactiveFile
    case activeFile

    /// The list that a frame's flags name.
    @inline(__always)
    init(of flags: FrameFlags) {
        let file = flags.contains(.swapBacked) ? 0 : 2
        let active = flags.contains(.active) ? 1 : 0
        // SAFETY: 0...3 are the raw values.
        self = LRUList(rawValue: file | active).unsafelyUnwrapped
    }

    @inline(__always)
    var isFile: Bool { rawValue & 2 != 0 }
    @inline(__always)
    var isActive: Bool { rawValue & 1 != 0 }

    /// What counts its length.
    @inline(__always)
    var gauge: Gauge {
        switch self {
        case .inactiveAnon: .inactiveAnon
        case .activeAnon: .activeAnon
        case .inactiveFile: .inactiveFile
        case .activeFile: .activeFile
        }
    }
}

/// The flat state of one node's lists.
struct LRUNodeState {
    struct Ends {
        var head = PFN.none
        var tail = PFN.none
        /// An atomic word, which changes under the lock and is read without.
        var count: UInt64 = 0
    }

    var unevictableCount = 0
    /// Of the first node: whether anonymous frames have anywhere to go.
    var maySwap = false
    // Not first: the thread sanitizer logs a change of any field at the record's address.
    var lock: UInt32 = 0
    var ends: InlineArray<4, Ends> = .init(repeating: Ends())
    /// How many frames were evicted from the node or activated on it: an atomic word.
    var age: UInt64 = 0
    /// What reclaiming anonymous frames and file frames has cost lately: atomic words, which
    /// change under the lock and are read without.
    var costs = InlineArray<2, UInt64>(repeating: 0)
    /// Makes a node two cache lines.
    private var padding: InlineArray<3, UInt64> = .init(repeating: 0)
}

/// Frames that are linked with one another and go to the head of one list together.
struct LRUChain {
    var node = -1
    var list = LRUList.inactiveAnon
    /// The one that was appended last goes first.
    var head = PFN.none
    var tail = PFN.none
    var count = 0
}

/// The LRU lists of a machine.
struct LRULists {
    let frames: FrameTable
    private let nodes: UnsafeMutablePointer<LRUNodeState>
    let nodeCount: Int

    init(frames: FrameTable, nodeCount: Int) {
        self.frames = frames
        self.nodeCount = nodeCount
        // A node's lock and the ends of its first three lists are one cache line of their own.
        nodes = UnsafeMutableRawPointer.allocate(
            byteCount: nodeCount * MemoryLayout<LRUNodeState>.stride, alignment: 64
        ).bindMemory(to: LRUNodeState.self, capacity: nodeCount)
        nodes.initialize(repeating: LRUNodeState(), count: nodeCount)
    }

    /// Gives the memory back.
    func deallocate() { nodes.deallocate() }

    /// The node that a zone belongs to.
    @inline(__always)
    static func node(ofZone zone: Int) -> Int { zone / 3 }

    /// The lock of a node's lists.
    @inline(__always)
    func lock(ofNode node: Int) -> SpinLock {
        SpinLock(
            at: UnsafeMutableRawPointer(nodes + node)
                + MemoryLayout<LRUNodeState>.offset(of: \.lock).unsafelyUnwrapped)
    }

    /// Whether anonymous frames have anywhere to go: whether the machine has swap.
    var maySwap: Bool {
        get { nodes.pointee.maySwap }
        nonmutating set { nodes.pointee.maySwap = newValue }
    }

    /// The node whose lists an address lies in.
    func locate(_ address: UInt) -> Int? {
        let offset = address &- UInt(bitPattern: nodes)
        let stride = UInt(MemoryLayout<LRUNodeState>.stride)
        return offset < UInt(nodeCount) * stride ? Int(offset / stride) : nil
    }

    /// How many frames a node's list holds.
    func count(_ list: LRUList, node: Int) -> Int {
        Int(LRULists.count(of: endsForReading(list, node)).load())
    }

    @inline(__always)
    private static func count(
        of ends: UnsafeMutablePointer<LRUNodeState.Ends>
    ) -> AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(ends)
                + MemoryLayout<LRUNodeState.Ends>.offset(of: \.count).unsafelyUnwrapped)
    }

    /// Changes the length of a list, under the node's lock.
    @inline(__always)
    private static func grow(_ ends: UnsafeMutablePointer<LRUNodeState.Ends>, by amount: Int) {
        let count = count(of: ends)
        count.store(count.load() &+ UInt64(bitPattern: Int64(amount)))
    }

    /// How many frames a node's unevictable list holds.
    func unevictableCount(node: Int) -> Int { nodes[node].unevictableCount }

    /// How many frames were evicted from a node or activated on it.
    @inline(__always)
    func age(ofNode node: Int) -> AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(nodes + node)
                + MemoryLayout<LRUNodeState>.offset(of: \.age).unsafelyUnwrapped)
    }

    /// What reclaiming a kind of frame has cost lately, by the node's own reckoning.
    func cost(ofFile isFile: Bool, node: Int) -> Int {
        Int(costWord(ofFile: isFile, node: node).load())
    }

    private func costWord(ofFile isFile: Bool, node: Int) -> AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(nodes + node) + (isFile ? 8 : 0)
                + MemoryLayout<LRUNodeState>.offset(of: \.costs).unsafelyUnwrapped)
    }

    /// Notes what reclaiming a kind of frame has cost: frames that had to be written, and frames
    /// that were looked at in vain.
    ///
    /// Both costs are halved when their sum is a quarter of the frames on the lists, so that what
    /// was long ago weighs less. Under the node's lock.
    func noteCost(_ cost: Int, ofFile isFile: Bool, node: Int) {
        costWord(ofFile: isFile, node: node).add(UInt64(cost))
        let listed = LRUList.allCases.reduce(0) { $0 + count($1, node: node) }
        let (anonymous, file) = (
            costWord(ofFile: false, node: node), costWord(ofFile: true, node: node)
        )
        while anonymous.load() + file.load() > max(1, listed / 4) {
            anonymous.store(anonymous.load() / 2)
            file.store(file.load() / 2)
        }
    }

    /// The last frame of a list: the one that has been on it the longest.
    @inline(__always)
    func tail(_ list: LRUList, node: Int) -> PFN { nodes[node].ends[list.rawValue].tail }

    /// The first frame of a list: the one added last.
    func head(_ list: LRUList, node: Int) -> PFN { nodes[node].ends[list.rawValue].head }

    /// Puts a frame at the head of the list that its flags name, and counts it there; for an
    /// unevictable one sets its mlock count to 0.
    ///
    /// Under the node's lock.
    @inline(__always)
    func add(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        let flags = frame.flags
        assert(!flags.contains(.onLRU), "a frame is added to a list while it is on one")
        frame.set(.onLRU)
        if flags.contains(.unevictable) {
            countUnevictable(frame, node: node, on: cpu)
        } else {
            link(pfn, frame, LRUList(of: flags), node: node, on: cpu)
        }
    }

    /// The same for a frame that the unevictable list is to have.
    @inline(__always)
    func addUnevictable(_ frame: FrameRef, node: Int, on cpu: CPU) {
        frame.set([.unevictable, .onLRU])
        countUnevictable(frame, node: node, on: cpu)
    }

    /// Moves a frame of another list to the unevictable one; its mlock count is 0 then.
    ///
    /// Under the node's lock.
    @inline(__always)
    func moveToUnevictable(_ frame: FrameRef, node: Int, on cpu: CPU) {
        let flags = frame.flags
        unlink(frame, LRUList(of: flags), node: node, on: cpu)
        if flags.contains(.active) { frame.clear(.active) }
        frame.set(.unevictable)
        countUnevictable(frame, node: node, on: cpu)
    }

    /// Moves a frame of the unevictable list to the one that its other flags name.
    ///
    /// Under the node's lock.
    @inline(__always)
    func moveFromUnevictable(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        uncountUnevictable(frame, node: node, on: cpu)
        frame.clear(.unevictable)
        link(pfn, frame, LRUList(of: frame.flags), node: node, on: cpu)
    }

    @inline(__always)
    private func countUnevictable(_ frame: FrameRef, node: Int, on cpu: CPU) {
        SchedulingPoint.reach(.write, nodes + node)
        nodes[node].unevictableCount += 1
        frame.mlockCount = 0
        cpu.add(1, to: .unevictable, zone: frame.zoneIndex)
    }

    @inline(__always)
    private func uncountUnevictable(_ frame: FrameRef, node: Int, on cpu: CPU) {
        SchedulingPoint.reach(.write, nodes + node)
        nodes[node].unevictableCount -= 1
        cpu.add(-1, to: .unevictable, zone: frame.zoneIndex)
    }

    @inline(__always)
    private func link(_ pfn: PFN, _ frame: FrameRef, _ list: LRUList, node: Int, on cpu: CPU) {
        let ends = endsPointer(list, node)
        let second = ends.pointee.head
        frame.prev = .none
        frame.next = second
        if second == .none {
            ends.pointee.tail = pfn
        } else {
            frames[second].prev = pfn
        }
        ends.pointee.head = pfn
        LRULists.grow(ends, by: 1)
        cpu.add(1, to: list.gauge, zone: frame.zoneIndex)
    }

    /// Appends a frame that is on no list to a chain; nobody else may reach its links.
    ///
    /// - Returns: `false` if the chain belongs to another list than the frame.
    @inline(__always)
    func append(
        _ pfn: PFN, _ frame: FrameRef, _ flags: FrameFlags, node: Int, to chain: inout LRUChain,
        on cpu: CPU
    ) -> Bool {
        let list = LRUList(of: flags)
        if chain.count == 0 {
            chain.node = node
            chain.list = list
            chain.tail = pfn
        } else {
            guard chain.node == node, chain.list == list else { return false }
            frames[chain.head].prev = pfn
        }
        frame.next = chain.head
        frame.prev = .none
        chain.head = pfn
        chain.count += 1
        cpu.add(1, to: list.gauge, zone: frame.zoneIndex)
        return true
    }

    /// Puts a chain at the head of its list, under the node's lock.
    ///
    /// The frames are not marked `onLRU` yet: the caller does that afterwards, and until then
    /// nobody takes them off.
    @inline(__always)
    func splice(_ chain: LRUChain) {
        let ends = endsPointer(chain.list, chain.node)
        let second = ends.pointee.head
        frames[chain.tail].next = second
        if second == .none {
            ends.pointee.tail = chain.tail
        } else {
            frames[second].prev = chain.tail
        }
        ends.pointee.head = chain.head
        LRULists.grow(ends, by: chain.count)
    }

    /// Takes a frame off the list it is on.
    ///
    /// `onLRU` stays for the caller to clear or keep. Under the node's lock.
    @inline(__always)
    func unlink(_ frame: FrameRef, node: Int, on cpu: CPU) {
        let flags = frame.flags
        if flags.contains(.unevictable) {
            uncountUnevictable(frame, node: node, on: cpu)
        } else {
            unlink(frame, LRUList(of: flags), node: node, on: cpu)
        }
    }

    @inline(__always)
    private func unlink(_ frame: FrameRef, _ list: LRUList, node: Int, on cpu: CPU) {
        let ends = endsPointer(list, node)
        let before = frame.prev
        let after = frame.next
        if before == .none {
            ends.pointee.head = after
        } else {
            frames[before].next = after
        }
        if after == .none {
            ends.pointee.tail = before
        } else {
            frames[after].prev = before
        }
        LRULists.grow(ends, by: -1)
        cpu.add(-1, to: list.gauge, zone: frame.zoneIndex)
    }

    /// Moves a frame that is linked into a list to its head; counts nothing, for it stays there.
    ///
    /// Under the node's lock.
    func moveToHead(_ pfn: PFN, _ frame: FrameRef, of list: LRUList, node: Int) {
        let ends = endsPointer(list, node)
        let before = frame.prev
        guard before != .none else { return }
        let after = frame.next
        frames[before].next = after
        if after == .none {
            ends.pointee.tail = before
        } else {
            frames[after].prev = before
        }
        let second = ends.pointee.head
        frame.prev = .none
        frame.next = second
        frames[second].prev = pfn
        ends.pointee.head = pfn
    }

    /// Moves a frame that is linked into a list to its tail, to be looked at next.
    ///
    /// Under the node's lock.
    func moveToTail(_ pfn: PFN, _ frame: FrameRef, of list: LRUList, node: Int) {
        let ends = endsPointer(list, node)
        let after = frame.next
        guard after != .none else { return }
        let before = frame.prev
        frames[after].prev = before
        if before == .none {
            ends.pointee.head = after
        } else {
            frames[before].next = after
        }
        let last = ends.pointee.tail
        frame.next = .none
        frame.prev = last
        frames[last].next = pfn
        ends.pointee.tail = pfn
    }

    @inline(__always)
    private func endsPointer(
        _ list: LRUList, _ node: Int
    ) -> UnsafeMutablePointer<LRUNodeState.Ends> {
        // Every caller changes them.
        SchedulingPoint.reach(.write, nodes + node)
        return endsForReading(list, node)
    }

    @inline(__always)
    private func endsForReading(
        _ list: LRUList, _ node: Int
    ) -> UnsafeMutablePointer<LRUNodeState.Ends> {
        // SAFETY: InlineArray lays its elements out in a row.
        (UnsafeMutableRawPointer(nodes + node)
            + MemoryLayout<LRUNodeState>.offset(of: \.ends).unsafelyUnwrapped)
            .assumingMemoryBound(to: LRUNodeState.Ends.self) + list.rawValue
    }

    /// Walks every list and compares it with what is counted; the machine must be at rest.
    func checkInvariants() throws {
        for node in 0..<nodeCount {
            for list in LRUList.allCases {
                var walked = 0
                var before = PFN.none
                var pfn = head(list, node: node)
                while pfn != .none {
                    let frame = frames[pfn]
                    let flags = frame.flags
                    guard flags.contains(.onLRU), !flags.contains(.unevictable),
                        LRUList(of: flags) == list, frame.prev == before
                    else {
                        throw AuditFailure(
                            "flags \(flags.rawValue) and links of frame \(pfn.rawValue) "
                                + "on list \(list) of node \(node)", counted: 0, recomputed: 1)
                    }
                    walked += 1
                    before = pfn
                    pfn = frame.next
                }
                guard walked == count(list, node: node) else {
                    throw AuditFailure(
                        "length of list \(list) of node \(node)",
                        counted: count(list, node: node), recomputed: walked)
                }
            }
        }
    }
}
