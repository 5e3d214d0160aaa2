// SPDX-License-Identifier: Apache-2.0
//
// Reclaim: finding frames whose contents can be had again, and taking them.
//
// STATE   For each CPU a buffer of the frames that it has isolated and one of those that it is
//         about to free; for each node the state of its daemon (ReclaimDaemon.swift).
// LOCKS   The caller holds nothing from `frame` on. Frames are isolated under lru, judged with their
//         reverse maps' and tables' locks, and taken out of their owners under pageCache or swap.
// RACE    Two reclaimers never have the same frame: it is isolated by one. Whatever else finds it
//         meanwhile (a fault, truncation, fork, exit, munlock) raises or drops its counts, and the
//         last step takes it only if nobody but its owner and the reclaimer has it.
// SEE     ScanBalance.swift (how much of which list), InactiveScan.swift, ActiveScan.swift,
//         Judgement.swift (what becomes of one frame), Unmapping.swift and SwapOut.swift (taking
//         it from those who have it).

/// Takes frames from those who can do without them.
struct Reclaimer {
    /// What it works with; constant but for the swappiness.
    struct Parts {
        let frames: FrameTable
        let allocator: FrameAllocator
        let batches: LRUBatches
        let map: ReverseMap
        let cache: PageCache
        let swap: SwapCache
        let tlb: TLB
        let writeBack: WriteBack
        let device: Device
        /// `vm.swappiness`: 0 to 200.
        var swappiness: Int
        let cpuCount: Int
    }

    /// Frames that are isolated at a time.
    static let batch = 32

    private let parts: UnsafeMutablePointer<Parts>
    /// One buffer of isolated frames and one of frames to free for each CPU.
    private let buffers: UnsafeMutablePointer<PFN>
    /// For each CPU who has used the frames that it has isolated.
    private let uses: UnsafeMutablePointer<FrameUse?>
    let daemons: UnsafeMutablePointer<ReclaimDaemonState>

    init(_ parts: Parts) {
        self.parts = .allocate(capacity: 1)
        self.parts.initialize(to: parts)
        buffers = .allocate(capacity: 2 * Reclaimer.batch * parts.cpuCount)
        uses = .allocate(capacity: Reclaimer.batch * parts.cpuCount)
        let nodes = parts.batches.lists.nodeCount
        daemons = .allocate(capacity: nodes)
        daemons.initialize(repeating: ReclaimDaemonState(), count: nodes)
    }

    /// Gives its own memory back; the parts are the machine's.
    func deallocate() {
        buffers.deallocate()
        uses.deallocate()
        daemons.deallocate()
        parts.deallocate()
    }

    @inline(__always)
    var frames: FrameTable { parts.pointee.frames }
    @inline(__always)
    var allocator: FrameAllocator { parts.pointee.allocator }
    @inline(__always)
    var batches: LRUBatches { parts.pointee.batches }
    @inline(__always)
    var lists: LRULists { parts.pointee.batches.lists }
    @inline(__always)
    var map: ReverseMap { parts.pointee.map }
    @inline(__always)
    var cache: PageCache { parts.pointee.cache }
    @inline(__always)
    var swap: SwapCache { parts.pointee.swap }
    @inline(__always)
    var tlb: TLB { parts.pointee.tlb }
    @inline(__always)
    var writeBack: WriteBack { parts.pointee.writeBack }
    @inline(__always)
    var device: Device { parts.pointee.device }
    var swappiness: Int {
        get { parts.pointee.swappiness }
        nonmutating set { parts.pointee.swappiness = newValue }
    }

    /// The frames that a CPU has isolated.
    @inline(__always)
    func isolated(_ cpu: CPU) -> UnsafeMutablePointer<PFN> {
        buffers + 2 * Reclaimer.batch * cpu.index
    }

    /// The frames that a CPU is about to free.
    @inline(__always)
    func unreachable(_ cpu: CPU) -> UnsafeMutablePointer<PFN> {
        isolated(cpu) + Reclaimer.batch
    }

    /// Who has used the frames that a CPU has isolated.
    @inline(__always)
    func uses(_ cpu: CPU) -> UnsafeMutablePointer<FrameUse?> {
        uses + Reclaimer.batch * cpu.index
    }

    // MARK: Rounds

    /// Looks through a node's lists as far as the round's priority says, or until enough is free.
    func shrink(node: Int, _ round: inout ReclaimRound, on cpu: CPU) {
        let maySwap = swap.isOfUse
        var plan = ScanPlan(
            lists: lists, node: node, round: round, swappiness: maySwap ? swappiness : nil,
            isFileMemoryLow: isFileMemoryLow(node: node))
        while round.reclaimed < round.target, let list = plan.next() {
            let length = plan.take(list, Reclaimer.batch)
            if !list.isActive {
                scanInactive(list, node: node, count: length, &round, on: cpu)
            } else if isInactiveLow(list.isFile, node: node) {
                scanActive(list, node: node, count: length, round, on: cpu)
            }
        }
        // Anonymous frames age even while there are file frames enough to take.
        if maySwap, isInactiveLow(false, node: node) {
            scanActive(.activeAnon, node: node, count: Reclaimer.batch, round, on: cpu)
        }
    }

    /// Reclaims the frames that the CPU has isolated because a program asked for it, however much they
    /// are used; those that have to be written go when that has ended.
    func reclaimNow(_ count: Int, isFile: Bool, on cpu: CPU) {
        var round = ReclaimRound(agent: .proactive, target: count, highest: .movable)
        round.ignoresUse = true
        note(count, isFile: isFile, &round, on: cpu)
        reclaimIsolated(count, &round, on: cpu)
    }

    /// Reclaims so many frames of any node because somebody asked for it.
    ///
    /// - Returns: How many frames it freed.
    func reclaim(_ frames: Int, on cpu: CPU) -> Int {
        batches.drain(on: cpu)
        var total = 0
        var priority = ReclaimRound.firstPriority
        while total < frames, priority >= 0 {
            var freed = 0
            for node in 0..<lists.nodeCount where total < frames {
                var round = ReclaimRound(
                    agent: .proactive, target: frames - total, highest: .movable)
                round.priority = priority
                shrink(node: node, &round, on: cpu)
                freed += round.reclaimed
                total += round.reclaimed
            }
            // Deeper only where this depth gives little, and what is being written comes first.
            if freed < Reclaimer.batch, !waitForWrite(on: cpu) || freed == 0 { priority -= 1 }
        }
        batches.drain(on: cpu)
        return total
    }

    /// Looks at so many frames at the tails of each node's inactive lists.
    ///
    /// - Returns: How many frames it freed.
    func scanInactive(_ frames: Int, on cpu: CPU) -> Int {
        batches.drain(on: cpu)
        var round = ReclaimRound(agent: .proactive, target: frames, highest: .movable)
        for node in 0..<lists.nodeCount {
            for list in [LRUList.inactiveAnon, .inactiveFile] {
                var left = min(frames, lists.count(list, node: node))
                while left > 0 {
                    let count = min(left, Reclaimer.batch)
                    scanInactive(list, node: node, count: count, &round, on: cpu)
                    left -= count
                }
            }
        }
        batches.drain(on: cpu)
        return round.reclaimed
    }

    /// Waits for writes that are under way, one of each device; `false` if there are none.
    @discardableResult
    func waitForWrite(on cpu: CPU) -> Bool {
        let hasFile = device.waitForOldest(on: cpu)
        let hasSwap = swap.device.waitForOldest(on: cpu)
        return hasFile || hasSwap
    }

    /// Reclaims for an allocation that cannot go on: looks ever deeper until a batch is free.
    ///
    /// - Returns: How many frames it freed.
    func reclaimDirectly(node: Int, highest: ZoneType, on cpu: CPU) -> Int {
        batches.drain(on: cpu)
        var total = 0
        var priority = ReclaimRound.firstPriority
        while priority >= 0 {
            var round = ReclaimRound(agent: .direct, target: Reclaimer.batch, highest: highest)
            round.priority = priority
            shrink(node: node, &round, on: cpu)
            total += round.reclaimed
            if total >= Reclaimer.batch { break }
            // What is being written is as good as free, after a while.
            if round.underWriteback > 0 { waitForWrite(on: cpu) }
            priority -= 1
        }
        batches.drain(on: cpu)
        if total > 0 { failures(ofNode: node).store(0) }
        return total
    }
}
