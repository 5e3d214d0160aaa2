// SPDX-License-Identifier: Apache-2.0
//
// The tree of page tables of an address space: finding, making and freeing its tables.
//
// STATE      Four levels of real x86-64 tables, each in a frame of the machine.
// INVARIANT  A table below the root exists only while a VMA lies in what it covers. A PTE table's
//            `liveEntries` is the number of its entries that are not empty.
// LOCKS      Entries of a PTE table: that table's lock. Upper levels: `upperLock` of the address
//            space to add a table; to free one, the address space's lock held exclusively after
//            the VMAs are gone from every reverse map, so that no walker can be inside.

/// Makes, finds and frees page tables.
struct PageTables {
    let frames: FrameTable
    let memory: PhysicalMemory
    let supply: FrameSupply
    /// The frame of zeroes: what an address space without tables has for a root.
    let emptyTable: PFN

    /// The highest address a user's page table reaches: 47 bits.
    static let userTop: UInt64 = 1 << 47

    /// A table with nothing in it, or `nil` when no frame is left.
    func makeTable(on cpu: CPU) -> PFN? {
        let pfn = supply.take(.unmovable, on: cpu)
        guard pfn != .none else { return nil }
        let frame = frames[pfn]
        frame.resetFlags(.pageTable)
        frame.pointer.pointee.detail = 0
        frame.liveEntries = 0
        frame.counts.store(FrameRef.oneReference)
        memory.zero(pfn)
        cpu.add(1, to: .pageTablePages, zone: frame.zoneIndex)
        return pfn
    }

    /// Gives a table's frame back; nothing may point at it any more.
    func freeTable(_ pfn: PFN, on cpu: CPU) {
        let frame = frames[pfn]
        cpu.add(-1, to: .pageTablePages, zone: frame.zoneIndex)
        frame.resetFlags([])
        frame.pointer.pointee.detail = 0
        frame.counts.store(0)
        supply.allocator.free(pfn, on: cpu)
    }

    /// The table in a frame.
    @inline(__always)
    func table(_ pfn: PFN) -> TableRef {
        TableRef(
            entries: memory.bytes(of: pfn).assumingMemoryBound(to: UInt64.self),
            frame: frames[pfn])
    }

    /// The PTE table that covers an address, or `nil` where none was made.
    @inline(__always)
    func find(root: PFN, _ address: UInt64) -> TableRef? {
        var pfn = root
        // Unrolled by hand: the loop over levels is what every walk pays.
        guard step(&pfn, TableLevel.pgd.index(of: address)),
            step(&pfn, TableLevel.pud.index(of: address)),
            step(&pfn, TableLevel.pmd.index(of: address))
        else { return nil }
        return table(pfn)
    }

    /// The entry that a processor finds for an address below ``userTop``; empty where a table is
    /// missing.
    func entry(root: PFN, _ address: UInt64) -> Entry {
        guard let table = find(root: root, address) else { return .empty }
        return Entry(bits: table.word(TableLevel.pte.index(of: address)).loadAcquiring())
    }

    /// The first PTE table that covers an address from `address` up to `end`; moves `address` on
    /// to the first address that it covers.
    ///
    /// Whole empty tables of upper levels are passed over at once.
    @inline(__always)
    func nextTable(root: PFN, _ address: inout UInt64, end: UInt64) -> TableRef? {
        while address < end {
            var pfn = root
            if !step(&pfn, TableLevel.pgd.index(of: address)) {
                address = TableLevel.pgd.next(after: address)
            } else if !step(&pfn, TableLevel.pud.index(of: address)) {
                address = TableLevel.pud.next(after: address)
            } else if !step(&pfn, TableLevel.pmd.index(of: address)) {
                address = TableLevel.pmd.next(after: address)
            } else {
                return table(pfn)
            }
        }
        return nil
    }

    /// Goes one level down; `false` where the entry is empty.
    @inline(__always)
    private func step(_ pfn: inout PFN, _ index: Int) -> Bool {
        let entries = memory.bytes(of: pfn).assumingMemoryBound(to: UInt64.self)
        let bits = AtomicField64(at: UnsafeMutableRawPointer(entries + index)).loadAcquiring()
        pfn = Entry(bits: bits).frame
        return bits != 0
    }

    /// The PMD table that covers an address, or `nil` where none was made.
    @inline(__always)
    func findPMDTable(root: PFN, _ address: UInt64) -> TableRef? {
        var pfn = root
        guard step(&pfn, TableLevel.pgd.index(of: address)),
            step(&pfn, TableLevel.pud.index(of: address))
        else { return nil }
        return table(pfn)
    }

    /// The PTE table that covers an address, made with its upper levels where missing; `nil` when
    /// no frame is left.
    func make(in space: AddressSpace, _ address: UInt64, on cpu: CPU) -> TableRef? {
        if let table = find(root: space.root, address) { return table }
        guard let upper = makePMDTable(in: space, address, on: cpu) else { return nil }
        return makeBelow(upper, .pmd, in: space, address, on: cpu)
    }

    /// The PMD table that covers an address, made with its upper levels where missing; `nil` when
    /// no frame is left.
    func makePMDTable(in space: AddressSpace, _ address: UInt64, on cpu: CPU) -> TableRef? {
        guard let root = makeRoot(of: space, on: cpu),
            let upper = makeBelow(root, .pgd, in: space, address, on: cpu)
        else { return nil }
        return makeBelow(upper, .pud, in: space, address, on: cpu)
    }

    /// Makes the table below the root that covers an address, if missing; `false` when no frame is
    /// left.
    func makeUppermost(in space: AddressSpace, _ address: UInt64, on cpu: CPU) -> Bool {
        guard let root = makeRoot(of: space, on: cpu) else { return false }
        return makeBelow(root, .pgd, in: space, address, on: cpu) != nil
    }

    /// The root of an address space, made if there are no tables yet.
    @inline(__always)
    private func makeRoot(of space: AddressSpace, on cpu: CPU) -> TableRef? {
        if space.root == emptyTable {
            guard let fresh = makeTable(on: cpu) else { return nil }
            space.upperLock.lock(.pageTable, on: cpu)
            let isFirst = space.root == emptyTable
            if isFirst { space.setRoot(fresh) }
            space.upperLock.unlock(.pageTable, on: cpu)
            // RACE: another CPU of this address space made the root first; use its.
            if !isFirst { freeTable(fresh, on: cpu) }
        }
        return table(space.root)
    }

    /// Gives the root of an address space back, below which nothing is left.
    func freeRoot(of space: AddressSpace, on cpu: CPU) {
        if space.root != emptyTable { freeTable(space.root, on: cpu) }
    }

    /// The table that an entry of `parent`, a table of this level, points at, made if missing.
    private func makeBelow(
        _ parent: TableRef, _ level: TableLevel, in space: AddressSpace, _ address: UInt64,
        on cpu: CPU
    ) -> TableRef? {
        let index = level.index(of: address)
        var entry = Entry(bits: parent.word(index).loadAcquiring())
        if entry.isEmpty {
            guard let fresh = makeTable(on: cpu) else { return nil }
            space.upperLock.lock(.pageTable, on: cpu)
            entry = parent[index]
            if entry.isEmpty || Mutation.makesTableWithoutLooking.isActive {
                entry = Entry(frame: fresh, bits: Entry.writable | Entry.accessed)
                parent.frame.liveEntries += 1
                parent.word(index).storeReleasing(entry.bits)
                space.tableCount.add(1)
                space.upperLock.unlock(.pageTable, on: cpu)
            } else {
                // RACE: another CPU of this address space made the table first; use its.
                space.upperLock.unlock(.pageTable, on: cpu)
                freeTable(fresh, on: cpu)
            }
        }
        return table(entry.frame)
    }

    /// As ``nextTable(root:_:end:)``, with the table of another address space that covers the same
    /// addresses.
    ///
    /// LINUX: fork makes the tables of every level that the parent has, though they hold nothing.
    func nextTable(
        root: PFN, _ address: inout UInt64, end: UInt64, mirroredIn child: AddressSpace,
        on cpu: CPU
    ) throws(Errno) -> (source: TableRef, copy: TableRef)? {
        while address < end {
            var pfn = root
            var copy: TableRef?
            var level = TableLevel.pgd
            while step(&pfn, level.index(of: address)) {
                guard let upper = copy ?? makeRoot(of: child, on: cpu),
                    let lower = makeBelow(upper, level, in: child, address, on: cpu)
                else { throw .ENOMEM }
                guard let below = level.below else { return (table(pfn), lower) }
                copy = lower
                level = below
            }
            address = level.next(after: address)
        }
        return nil
    }

    /// Unlinks the tables below the root that cover an address in `start..<end` and nothing outside
    /// of `floor..<ceiling`, which holds no VMA.
    ///
    /// The caller holds the address space's lock exclusively, and frees them after a flush: a
    /// processor may remember the way that led to them.
    func unlinkTables(
        in space: AddressSpace, from start: UInt64, to end: UInt64, floor: UInt64,
        ceiling: UInt64, into unlinked: inout UnlinkedTables
    ) {
        guard space.root != emptyTable else { return }
        let gap = Gap(start: start, end: end, floor: floor, ceiling: ceiling)
        unlinkTables(space, table(space.root), .pgd, base: 0, gap, &unlinked)
        space.noteTablesChanged()
    }

    /// Where tables may go: those that reach into `start..<end` and stay in `floor..<ceiling`.
    private struct Gap {
        let start: UInt64
        let end: UInt64
        let floor: UInt64
        let ceiling: UInt64
    }

    private func unlinkTables(
        _ space: AddressSpace, _ table: TableRef, _ level: TableLevel, base: UInt64, _ gap: Gap,
        _ unlinked: inout UnlinkedTables
    ) {
        guard table.frame.liveEntries > 0 else { return }
        let size = UInt64(1) << level.rawValue
        let from = max(gap.start, base)
        let to = min(gap.end, base + size << 9)
        guard from < to else { return }
        let last = Int((to - 1 - base) >> level.rawValue)
        for index in Int((from - base) >> level.rawValue)...last {
            let entry = table[index]
            if entry.isEmpty { continue }
            let start = base + UInt64(index) << level.rawValue
            let child = self.table(entry.frame)
            if let below = level.below {
                unlinkTables(space, child, below, base: start, gap, &unlinked)
            }
            guard gap.floor <= start, start + size <= gap.ceiling else { continue }
            assert(child.frame.liveEntries == 0, "a table is unlinked while it has live entries")
            table.set(index, .empty)
            table.frame.liveEntries -= 1
            space.tableCount.subtract(1)
            child.frame.next = unlinked.first
            unlinked.first = entry.frame
            unlinked.range.include(FlushRange(start..<start))
        }
    }

    /// Frees tables that were unlinked, and leaves none.
    func free(_ unlinked: inout UnlinkedTables, on cpu: CPU) {
        while unlinked.first != .none {
            let table = unlinked.first
            unlinked.first = frames[table].next
            freeTable(table, on: cpu)
        }
        unlinked.range = FlushRange()
    }
}

/// Page tables that nothing leads to any more and that wait for a flush.
struct UnlinkedTables {
    /// They are linked through `next` of their frames.
    fileprivate(set) var first = PFN.none
    /// The kernel counts where each began to what it flushes, and nothing of what it covered.
    fileprivate(set) var range = FlushRange()
}

extension TableLevel {
    /// The level whose tables entries of this level point at, where those are not PTE tables.
    fileprivate var below: TableLevel? {
        switch self {
        case .pgd: .pud
        case .pud: .pmd
        case .pmd, .pte: nil
        }
    }
}
