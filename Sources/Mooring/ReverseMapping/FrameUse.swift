// SPDX-License-Identifier: Apache-2.0
//
// Who has used a frame since it was last asked.
//
// LAZY    Clearing an accessed bit flushes no translation, as on x86 Linux: a processor that still
//         holds one will not set the bit again until it walks the tables anew. The frame may look
//         unused for so long; that costs a refault at worst.

/// What a walk over the entries that map a frame has found.
struct FrameUse {
    /// How many entries were accessed since the last walk.
    var accesses: UInt32 = 0
    /// Whether one of these is in an executable VMA.
    var isExecuted = false
    /// Whether a locked VMA maps it; the walk ended there.
    var isLocked = false
}

/// Asks of one frame after another who has used it.
///
/// Frames that follow one another on a list often have one owner and lie in one page table: the
/// locks of both are kept until a frame differs. So whoever asks takes no lock that ranks before
/// them until ``end()``.
struct UseWalk {
    private let map: ReverseMap
    private let batches: LRUBatches
    private let cpu: CPU
    private var owners: OwnerMemo
    private var lockedOwner: FrameOwner?
    private var lockedTable: TableRef?

    init(map: ReverseMap, batches: LRUBatches, cpu: CPU) {
        self.map = map
        self.batches = batches
        self.cpu = cpu
        owners = OwnerMemo(map: map, cpu: cpu)
    }

    /// Says who has used a frame, and clears the bits that say so.
    ///
    /// A frame that a locked VMA maps is marked as locked if it was not ("lazy mlock"): see
    /// ``LRUBatches/lockLazily(_:by:on:)``.
    ///
    /// - Returns: Nil if its owner has gone.
    @inline(__always)
    mutating func takeAccesses(of pfn: PFN, _ frame: FrameRef) -> FrameUse? {
        if !owners.knows(frame) { unlock() }
        guard let owner = owners.owner(of: frame) else { return nil }
        if lockedOwner == nil {
            map.lock(owner, on: cpu)
            lockedOwner = owner
        }
        cpu.count(.reverseMapWalk)
        let offset = frame.pageOffset
        var use = FrameUse()
        map.forEachVMA(of: owner, at: offset) { vma in
            cpu.count(.reverseMapStep)
            guard let place = map.place(of: pfn, offset, in: vma) else { return true }
            lock(place.table)
            // RACE: unmapped meanwhile, or replaced.
            guard place.entry.maps(pfn) else { return true }
            if batches.lockLazily(frame, by: vma, on: cpu) {
                use.isLocked = true
                return false
            }
            // A page that nobody may touch keeps the bit of when somebody could.
            guard place.entry.isAccessed else { return true }
            _ = place.table.word(place.index).clearBits(Entry.accessed)
            // What a program reads once from end to end tells nothing about what comes.
            if vma.flags.contains(.sequentialRead) { return true }
            use.accesses += 1
            if vma.flags.contains(.execute) { use.isExecuted = true }
            return true
        }
        return use
    }

    /// Gives the locks back, and lets the owner go.
    mutating func end() {
        unlock()
        owners.end()
    }

    @inline(__always)
    private mutating func lock(_ table: TableRef) {
        if let lockedTable {
            if lockedTable.entries == table.entries { return }
            lockedTable.unlock(on: cpu)
        }
        table.lock(on: cpu)
        lockedTable = table
    }

    private mutating func unlock() {
        if let lockedTable { lockedTable.unlock(on: cpu) }
        lockedTable = nil
        if let lockedOwner { map.unlock(lockedOwner, on: cpu) }
        lockedOwner = nil
    }
}

/// The owner of the frames that are looked at in a row, which often is the same.
struct OwnerMemo {
    private let map: ReverseMap
    private let cpu: CPU
    private var owner: FrameOwner?
    private var number: UInt32 = 0
    private var isAnonymous = false

    init(map: ReverseMap, cpu: CPU) {
        self.map = map
        self.cpu = cpu
    }

    /// Whether a frame's owner is the one that is kept alive.
    ///
    /// A number whose record is kept alive is nobody else's meanwhile.
    @inline(__always)
    func knows(_ frame: FrameRef) -> Bool {
        owner != nil && number == frame.ownerNumber && isAnonymous == frame.has(.anonymous)
    }

    /// The owner of a frame, kept alive until the next question; nil if it has gone.
    @inline(__always)
    mutating func owner(of frame: FrameRef) -> FrameOwner? {
        knows(frame) ? owner : change(to: frame)
    }

    private mutating func change(to frame: FrameRef) -> FrameOwner? {
        end()
        isAnonymous = frame.has(.anonymous)
        owner = map.retainOwner(of: frame, on: cpu)
        // RACE: the frame may have changed owners since; the one that is kept alive says its number.
        if let owner { number = owner.number }
        return owner
    }

    /// Lets the owner go.
    mutating func end() {
        if let owner { map.release(owner, on: cpu) }
        owner = nil
    }
}
