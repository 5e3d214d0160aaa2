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
    /// The VMA and the 2 MiB of addresses that the table was last found for.
    private var lockedVMA: VMARef?
    private var lockedRegion: UInt64 = 0

    init(map: ReverseMap, batches: LRUBatches, cpu: CPU) {
        self.map = map
        self.batches = batches
        self.cpu = cpu
        owners = OwnerMemo(map: map, cpu: cpu)
    }

    /// Brings the entries at which the walks over some frames begin into the processor's cache.
    ///
    /// Only for the owner of the first: those that follow on a list often are of the same. Pages
    /// that follow one another in it, too, the processor sees coming by itself.
    mutating func prefetch(_ pfns: UnsafeMutablePointer<PFN>, _ count: Int) {
        guard count > 1, let owner = lockOwner(of: map.frames[pfns[0]]) else { return }
        Prefetch.upTo(count) { list in
            var next: UInt64 = 0
            for index in 0..<count {
                let frame = map.frames[pfns[index]]
                let offset = frame.pageOffset
                if offset != next, frame.mapCount > 0, owners.knows(frame) {
                    map.forEachVMA(of: owner, at: offset) { vma in
                        if let word = map.word(of: offset, in: vma) { list.add(word.word) }
                        return false
                    }
                }
                next = offset + 1
            }
        }
    }

    /// Says who has used a frame, and clears the bits that say so.
    ///
    /// A frame that a locked VMA maps is marked as locked if it was not ("lazy mlock"): see
    /// ``LRUBatches/lockLazily(_:by:on:)``.
    ///
    /// - Returns: Nil if its owner has gone.
    @inline(__always)
    mutating func takeAccesses(of pfn: PFN, _ frame: FrameRef) -> FrameUse? {
        guard let owner = lockOwner(of: frame) else { return nil }
        cpu.count(.reverseMapWalk)
        let offset = frame.pageOffset
        var use = FrameUse()
        map.forEachVMA(of: owner, at: offset) { vma in
            cpu.count(.reverseMapStep)
            guard let (table, index) = lockPlace(of: pfn, offset, in: vma) else { return true }
            if batches.lockLazily(frame, by: vma, on: cpu) {
                use.isLocked = true
                return false
            }
            // A page that nobody may touch keeps the bit of when somebody could.
            guard table[index].isAccessed else { return true }
            _ = table.word(index).clearBits(Entry.accessed)
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
        unlockTableAndMappings()
        owners.end()
    }

    /// The owner of a frame, locked; nil if it has gone.
    @inline(__always)
    private mutating func lockOwner(of frame: FrameRef) -> FrameOwner? {
        if !owners.knows(frame) { unlockTableAndMappings() }
        guard let owner = owners.owner(of: frame) else { return nil }
        if lockedOwner == nil {
            map.lockMappings(of: owner, on: cpu)
            lockedOwner = owner
        }
        return owner
    }

    /// The entry of a VMA that maps a frame, under its table's lock.
    @inline(__always)
    private mutating func lockPlace(
        of pfn: PFN, _ offset: UInt64, in vma: VMARef
    ) -> (table: TableRef, index: Int)? {
        let address = ReverseMap.address(of: offset, in: vma)
        let region = address >> TableLevel.pmd.rawValue
        let index = TableLevel.pte.index(of: address)
        if let lockedTable, lockedRegion == region, lockedVMA == vma {
            return lockedTable[index].maps(pfn) ? (lockedTable, index) : nil
        }
        guard let place = map.place(of: pfn, offset, in: vma) else { return nil }
        if lockedTable?.entries != place.table.entries {
            lockedTable?.unlock(on: cpu)
            place.table.lock(on: cpu)
            lockedTable = place.table
        }
        lockedVMA = vma
        lockedRegion = region
        // RACE: unmapped meanwhile, or replaced.
        return place.entry.maps(pfn) ? (place.table, index) : nil
    }

    private mutating func unlockTableAndMappings() {
        if let lockedTable { lockedTable.unlock(on: cpu) }
        lockedTable = nil
        if let lockedOwner { map.unlockMappings(of: lockedOwner, on: cpu) }
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
