// SPDX-License-Identifier: Apache-2.0
//
// What the calls on address spaces share: the stores of VMAs and address spaces, and the machine's
// commitment. Each call is an extension in a file of its own (Map, Unmap, Protect, Remap, …);
// VMAEditing.swift has the steps that they are made of.
//
// LOCKS   Calls that change VMAs hold the address space's lock exclusively; each file says where
//         it takes it. Populating holds it shared.

import Synchronization

/// The calls on address spaces.
struct AddressSpaces {
    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let tables: PageTables
        let groups: AnonGroups
        let cache: PageCache
        let counts: MapCounts
        let unmapper: Unmapper
        let faults: FaultHandler
        let tlb: TLB
        let writeBack: WriteBack
        let reclaim: Reclaimer
        let outOfMemory: OutOfMemoryHook
        let vmas: Slab<VMAState>
        let vmaRests: SlabCompanion<VMARest>
        let spaces: Slab<AddressSpaceState>
        let commitment: Commitment
        let limits: MachineLimits
        let cpuCount: Int
    }

    private let parts: UnsafeMutablePointer<Parts>

    init(_ parts: Parts) { self.parts = .init(holding: parts) }

    /// Gives the list of parts back; the parts themselves are the machine's.
    func deallocate() { parts.deallocate() }

    var frames: FrameTable { parts.pointee.frames }
    var tables: PageTables { parts.pointee.tables }
    var groups: AnonGroups { parts.pointee.groups }
    var cache: PageCache { parts.pointee.cache }
    var counts: MapCounts { parts.pointee.counts }
    var unmapper: Unmapper { parts.pointee.unmapper }
    var faults: FaultHandler { parts.pointee.faults }
    var tlb: TLB { parts.pointee.tlb }
    var swap: SwapCache { unmapper.swap }
    var writeBack: WriteBack { parts.pointee.writeBack }
    var reclaim: Reclaimer { parts.pointee.reclaim }
    var outOfMemory: OutOfMemoryHook { parts.pointee.outOfMemory }
    var vmas: Slab<VMAState> { parts.pointee.vmas }
    var vmaRests: SlabCompanion<VMARest> { parts.pointee.vmaRests }
    var spaces: Slab<AddressSpaceState> { parts.pointee.spaces }
    var commitment: Commitment { parts.pointee.commitment }
    var limits: MachineLimits { parts.pointee.limits }
    var cpuCount: Int { parts.pointee.cpuCount }

    var batches: LRUBatches { counts.batches }

    // MARK: Address spaces

    /// An empty address space; it takes no frame before its first page.
    func makeSpace(on cpu: CPU) -> AddressSpace {
        let (number, object) = spaces.allocate(on: cpu)
        let slots = UnsafeMutableRawPointer.allocate(
            byteCount: AddressSpace.slotStride * cpuCount, alignment: AddressSpace.slotStride)
        slots.initializeMemory(
            as: UInt8.self, repeating: 0, count: AddressSpace.slotStride * cpuCount)
        object.initialize(
            to: AddressSpaceState(
                root: tables.emptyTable, cpuCount: UInt32(cpuCount),
                tree: VMATree(), slots: slots, mapTop: limits.defaultMapTop,
                breakStart: limits.defaultBreakStart, breakEnd: limits.defaultBreakStart,
                number: number))
        return AddressSpace(pointer: object)
    }

    /// Drops one user of an address space; the last one takes it down.
    func release(_ space: AddressSpace, on cpu: CPU) {
        guard space.users.subtract(1) == 0 else { return }
        clear(space, on: cpu)
        tables.freeRoot(of: space, on: cpu)
        space.tree.deallocate()
        space.pointer.pointee.slots.deallocate()
        space.pointer.deinitialize(count: 1)
        spaces.free(space.number, on: cpu)
    }

    /// Unmaps everything.
    func clear(_ space: AddressSpace, on cpu: CPU) {
        space.lock.lock(.addressSpace, on: cpu)
        defer { space.lock.unlock(.addressSpace, on: cpu) }
        space.notePeak()
        var gathering = unmapper.begin(in: space, isEnding: true, on: cpu)
        var vma = space.tree.first
        while let current = vma {
            unmapper.unmap(
                current, from: current.start, to: current.end, into: &gathering, on: cpu)
            vma = current.next
        }
        if Mutation.freesTablesFirst.isActive {
            unlinkAllTables(into: &gathering)
            unmapper.finish(&gathering, on: cpu)
            gathering = unmapper.begin(in: space, isEnding: true, on: cpu)
        }
        // ORDER: out of every reverse map before the tables go, so that no walk is inside one.
        while let last = space.tree.last {
            uncharge(last.flags, pages: last.pageCount)
            removeVMA(last, from: space, on: cpu)
        }
        unlinkAllTables(into: &gathering)
        unmapper.finish(&gathering, on: cpu)
        space.pointer.pointee.breakStart = 0
        space.pointer.pointee.breakEnd = 0
        space.pointer.pointee.futureLock = []
    }

    /// Gathers every table but the root.
    private func unlinkAllTables(into gathering: inout Gathering) {
        tables.unlinkTables(
            in: gathering.space, from: 0, to: PageTables.userTop, floor: 0,
            ceiling: PageTables.userTop, into: &gathering.tables)
    }

    // MARK: Populating

    /// Faults in the pages of `start..<end` as mlock, MAP_POPULATE and MADV_POPULATE do: private
    /// writable ones are written, others read; pages that are there stay as they are.
    ///
    /// Takes the lock shared.
    ///
    /// - Returns: `nil` when all pages are there, or what stopped it and where.
    func populate(
        _ space: AddressSpace, from start: UInt64, to end: UInt64, kind: AccessKind? = nil,
        skipsUnlocked: Bool = false, on cpu: CPU
    ) -> PopulateFailure? {
        var start = start
        while true {
            let failure = populateRun(
                space, from: start, to: end, kind: kind, skipsUnlocked: skipsUnlocked, on: cpu)
            guard let failure, case .noMemory = failure.reason,
                outOfMemory.makeRoom(for: space, on: cpu)
            else { return failure }
            start = failure.address
        }
    }

    /// Faults pages in under one hold of the lock.
    private func populateRun(
        _ space: AddressSpace, from start: UInt64, to end: UInt64, kind forced: AccessKind?,
        skipsUnlocked: Bool, on cpu: CPU
    ) -> PopulateFailure? {
        space.lock.lockShared(.addressSpace, on: cpu)
        defer { space.lock.unlockShared(.addressSpace, on: cpu) }
        let slot = space.slot(of: cpu)
        slot.validate(against: space)
        slot.noteRuns()
        var address = start
        while address < end {
            guard let vma = space.tree.find(address), vma.start <= address else {
                return PopulateFailure(address: address, reason: .notMapped)
            }
            let stop = min(end, vma.end)
            // What is locked on fault is populated only on explicit advice.
            if forced == nil, vma.flags.contains(.lockOnFault) {
                address = stop
                continue
            }
            if skipsUnlocked, !vma.flags.contains(.locked) {
                address = stop
                continue
            }
            if let failure = populate(
                vma, space, slot, from: address, to: stop, kind: forced, on: cpu)
            {
                return failure
            }
            address = stop
        }
        return nil
    }

    private func populate(
        _ vma: VMARef, _ space: AddressSpace, _ slot: AddressSpaceSlot, from start: UInt64,
        to end: UInt64, kind forced: AccessKind?, on cpu: CPU
    ) -> PopulateFailure? {
        let flags = vma.flags
        if !flags.isDisjoint(with: [.io, .pfnMapped]) { return nil }
        // A private writable page is written at once, so that its later first write does not
        // have to wait for a copy; a shared one is read, so that it stays clean.
        let kind = forced ?? (flags.contains(.write) && !flags.contains(.shared) ? .write : .read)
        guard FaultHandler.allows(flags, kind) else {
            return PopulateFailure(address: start, reason: .forbidden)
        }
        let place = VMAPlace(of: vma)
        slot.place = place
        var address = start
        while address < end {
            if let (table, entry) = entryIfPresent(address, for: kind, space, slot) {
                if kind == .write, !entry.isDirty { markDirty(address, table, on: cpu) }
            } else {
                let fault = Fault(
                    address: address, kind: kind, space: space, slot: slot, outline: place.outline,
                    cpu: cpu)
                // LINUX: a page that is populated counts as a fault of the process.
                cpu.count(.pgfault)
                slot.faults.add(1)
                switch faults.resolve(fault) {
                case .resolved:
                    // Resolved by someone else's fault, perhaps not as far as this one needs.
                    if entryIfPresent(address, for: kind, space, slot) == nil { continue }
                case .signal(let signal):
                    return PopulateFailure(address: address, reason: .init(signal))
                case .growStack:
                    return PopulateFailure(address: address, reason: .notMapped)
                }
            }
            address += pageSize
        }
        return nil
    }

    /// Marks a page dirty that was there for a write: nobody writes it, and the processor does not
    /// know of it.
    @inline(never)
    private func markDirty(_ address: UInt64, _ table: TableRef, on cpu: CPU) {
        table.lock(on: cpu)
        defer { table.unlock(on: cpu) }
        let entry = table[TableLevel.pte.index(of: address)]
        guard entry.isMapped, !entry.isUncounted, !entry.isDirty else { return }
        let frame = frames[entry.frame]
        if frame.has(.anonymous) {
            frame.set(.dirty)
        } else {
            frame.markDirty(on: cpu)
        }
    }

    /// The entry of a page that is there for an access, in its table, or `nil` where it is not.
    @inline(__always)
    private func entryIfPresent(
        _ address: UInt64, for kind: AccessKind, _ space: AddressSpace, _ slot: AddressSpaceSlot
    ) -> (TableRef, Entry)? {
        let region = address >> TableLevel.pmd.rawValue
        let table: TableRef
        if slot.region == region {
            table = slot.table
        } else {
            guard let found = tables.find(root: space.root, address) else { return nil }
            tlb.remember(found, of: address, in: slot)
            table = found
        }
        let entry = table[TableLevel.pte.index(of: address)]
        return entry.isPresent && (kind != .write || entry.isWritable) ? (table, entry) : nil
    }
}

/// What stopped a population.
struct PopulateFailure {
    enum Reason {
        case notMapped
        case forbidden
        case guarded
        case pastEnd
        case noMemory

        /// What a fault's signal says of a page whose VMA allowed the access.
        init(_ signal: Signal) {
            switch signal {
            case .busPastEnd: self = .pastEnd
            case .segmentationUnmapped: self = .guarded
            default: self = .noMemory
            }
        }
    }

    let address: UInt64
    let reason: Reason
}

/// Machine-wide settings that calls look at.
struct MachineLimits {
    /// `vm.max_map_count`.
    var mapCount = 65530
    /// `vm.mmap_min_addr`; hints below 64 KiB are raised to it.
    var lowestAddress: UInt64 = 0x1_0000
    /// Where top-down placement starts in an address space that no exec laid out.
    var defaultMapTop: UInt64 = 0x7FFF_F7FF_F000
    /// Where the heap starts in an address space that no exec laid out.
    var defaultBreakStart: UInt64 = 0x5555_5555_C000
    /// The end of what a user can map: the last page below the 47-bit boundary is never used.
    var userEnd: UInt64 = PageTables.userTop - pageSize
}
