// SPDX-License-Identifier: Apache-2.0
//
// Page faults: what happens when an access meets an entry that does not allow it.
//
// LOCKS      The address space's lock is held shared throughout. Frames are allocated before the
//            table's lock is taken; under it the entry is looked at again, because another CPU may
//            have handled a fault on the same page meanwhile.
// SEE        MemoryAccess.swift (who calls), FaultHandler+File.swift, +CopyOnWrite.swift.

/// What became of a fault.
enum FaultOutcome {
    /// The access can be tried again.
    case resolved
    /// The access ends in a signal.
    case signal(Signal)
    /// The VMA above is a stack that has to grow first, which needs the lock exclusively.
    case growStack(VMARef)
}

/// Where a fault happened and why.
struct Fault {
    let address: UInt64
    var kind: AccessKind
    let space: AddressSpace
    let slot: AddressSpaceSlot
    let outline: VMAOutline
    let cpu: CPU

    @inline(__always)
    var vma: VMARef { outline.vma }

    /// The address of the page.
    @inline(__always)
    var page: UInt64 { address.pageAligned }
}

/// Handles page faults.
struct FaultHandler {
    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let memory: PhysicalMemory
        let supply: FrameSupply
        let map: ReverseMap
        let swap: SwapCache
        let tlb: TLB
        let clock: CostTable
        let zeroFrame: PFN
        let faultAroundPages: Int
        let keepsBytes: Bool
    }

    private let parts: UnsafeMutablePointer<Parts>

    init(_ parts: Parts) { self.parts = .init(holding: parts) }

    /// Gives the list of parts back; the parts themselves are the machine's.
    func deallocate() { parts.deallocate() }

    var frames: FrameTable { parts.pointee.frames }
    var memory: PhysicalMemory { parts.pointee.memory }
    var supply: FrameSupply { parts.pointee.supply }
    var allocator: FrameAllocator { supply.allocator }
    var map: ReverseMap { parts.pointee.map }
    var tables: PageTables { map.tables }
    var groups: AnonGroups { map.groups }
    var cache: PageCache { map.cache }
    var swap: SwapCache { parts.pointee.swap }
    var counts: MapCounts { map.counts }
    var tlb: TLB { parts.pointee.tlb }
    var clock: CostTable { parts.pointee.clock }
    /// The frame of zeroes that every read fault of untouched anonymous memory maps.
    var zeroFrame: PFN { parts.pointee.zeroFrame }
    /// How many pages a read fault on a file may map at once; a power of two.
    var faultAroundPages: Int { parts.pointee.faultAroundPages }
    var keepsBytes: Bool { parts.pointee.keepsBytes }

    /// Whether a VMA lets this kind of access through.
    @inline(__always)
    static func allows(_ flags: VMAFlags, _ kind: AccessKind) -> Bool {
        switch kind {
        // A writable or executable page is readable on x86-64.
        case .read: !flags.isDisjoint(with: .rights)
        case .write: flags.contains(.write)
        case .execute: flags.contains(.execute)
        }
    }

    /// Handles a fault of `kind` at `address`.
    @inline(__always)
    func handle(
        _ address: UInt64, _ kind: AccessKind, in space: AddressSpace, _ slot: AddressSpaceSlot,
        on cpu: CPU
    ) -> FaultOutcome {
        cpu.count(.pgfault)
        slot.faults.add(1)
        guard let place = findVMA(address, in: space, slot) else {
            return .signal(.segmentationUnmapped)
        }
        let outline = place.outline
        if place.start > address {
            let vma = outline.vma
            guard vma.flags.contains(.growsDown) else { return .signal(.segmentationUnmapped) }
            return .growStack(vma)
        }
        let fault = Fault(
            address: address, kind: kind, space: space, slot: slot, outline: outline, cpu: cpu)
        guard FaultHandler.allows(outline.rights, kind) else { return refuse(fault) }
        return resolve(fault)
    }

    /// Ends an access that its VMA forbids.
    ///
    /// LINUX: fetching an instruction from a page that is not there counts as reading it at first:
    /// the page comes, or does not, before the fetch is forbidden.
    @inline(never)
    private func refuse(_ fault: Fault) -> FaultOutcome {
        guard fault.kind == .execute, FaultHandler.allows(fault.outline.rights, .read) else {
            return .signal(.segmentationProtected)
        }
        if let table = tables.find(root: fault.space.root, fault.address),
            table[TableLevel.pte.index(of: fault.address)].isPresent
        {
            return .signal(.segmentationProtected)
        }
        var read = fault
        read.kind = .read
        return resolve(read)
    }

    /// The first VMA that ends above an address; the one found last time is tried first.
    @inline(__always)
    private func findVMA(
        _ address: UInt64, in space: AddressSpace, _ slot: AddressSpaceSlot
    ) -> VMAPlace? {
        let last = slot.place
        if last.start <= address, address < last.end { return last }
        guard let found = space.tree.locate(address) else { return nil }
        slot.place = found
        return found
    }

    /// Resolves a fault that its VMA allows.
    @inline(__always)
    func resolve(_ fault: Fault) -> FaultOutcome {
        guard let table = table(for: fault) else { return withoutTable(fault) }
        let entry = table[TableLevel.pte.index(of: fault.address)]
        if entry.isEmpty {
            if !fault.outline.hasFile {
                return fault.kind == .write
                    ? makeAnonymous(fault, table) : mapZeroFrame(fault, table)
            }
            return resolveFile(fault, table)
        }
        if !entry.isPresent {
            return entry.isSwapped
                ? resolveSwapped(fault, table, entry) : resolveNotPresent(entry)
        }
        if fault.kind == .write, !entry.isWritable {
            return resolveWriteProtected(fault, table, entry)
        }
        // Another CPU resolved it first, or only the processor's bits were missing.
        fault.cpu.count(.faultSpurious)
        // RACE: truncation and MADV_DONTNEED take entries out under the table's lock alone. Only an
        // entry that is still the one seen may be marked: bits set in an empty one would make it
        // an entry that nobody counts. Otherwise the access is tried again.
        _ = table.word(TableLevel.pte.index(of: fault.address)).replace(
            entry.bits,
            by: entry.bits
                | (fault.kind == .write ? Entry.accessed | Entry.dirty : Entry.accessed))
        return .resolved
    }

    /// What an entry that means something, but not to the processor, does to an access.
    @inline(never)
    private func resolveNotPresent(_ entry: Entry) -> FaultOutcome {
        // A guard marker is to the program as if nothing were mapped. A forbidden entry is only
        // met where the VMA has no rights, which the caller has refused before.
        .signal(entry.isGuard ? .segmentationUnmapped : .segmentationProtected)
    }

    /// The PTE table for a fault, made if missing and remembered for the next one; `nil` if it
    /// cannot be made or would stay empty.
    @inline(__always)
    private func table(for fault: Fault) -> TableRef? {
        let region = fault.address >> TableLevel.pmd.rawValue
        if fault.slot.region == region { return fault.slot.table }
        if let file = fault.vma.file, isPastEndWithoutTable(fault, file) { return nil }
        guard let table = tables.make(in: fault.space, fault.address, on: fault.cpu) else {
            return nil
        }
        tlb.remember(table, of: fault.address, in: fault.slot)
        return table
    }

    /// Ends a fault for which there is no table.
    @inline(never)
    private func withoutTable(_ fault: Fault) -> FaultOutcome {
        if let file = fault.vma.file, fault.vma.pageOffset(of: fault.page) >= file.pageCount {
            return .signal(.busPastEnd)
        }
        return outOfMemory(fault)
    }

    /// No frame is left, and none can be reclaimed: whoever faulted asks for one to be killed.
    @inline(never)
    func outOfMemory(_ fault: Fault) -> FaultOutcome { .signal(.outOfMemory) }

    // MARK: Anonymous memory

    /// The processor's rights for a present page of a VMA, without the right to write.
    @inline(__always)
    static func readOnlyBits(_ flags: VMAFlags) -> UInt64 {
        flags.contains(.execute) ? Entry.accessed : Entry.accessed | Entry.executeDisable
    }

    @inline(__always)
    private func mapZeroFrame(_ fault: Fault, _ table: TableRef) -> FaultOutcome {
        let index = TableLevel.pte.index(of: fault.address)
        let entry = Entry(
            frame: zeroFrame,
            bits: FaultHandler.readOnlyBits(fault.outline.rights) | Entry.uncounted)
        table.lock(on: fault.cpu)
        // RACE: another CPU may have put a page here; then there is nothing left to do.
        if table[index].isEmpty || Mutation.mapsZeroWithoutLooking.isActive {
            table.set(index, entry)
            table.frame.liveEntries += 1
            fault.cpu.count(.faultZeroPage)
        }
        table.unlock(on: fault.cpu)
        return .resolved
    }

    @inline(__always)
    private func makeAnonymous(_ fault: Fault, _ table: TableRef) -> FaultOutcome {
        let cpu = fault.cpu
        groups.prepare(fault.vma, in: fault.space, on: cpu)
        let pfn = supply.take(.movable, on: cpu)
        guard pfn != .none else { return outOfMemory(fault) }
        if keepsBytes { memory.zero(pfn) }
        let index = TableLevel.pte.index(of: fault.address)
        table.lock(on: cpu)
        guard table[index].isEmpty || Mutation.faultsWithoutLooking.isActive else {
            table.unlock(on: cpu)
            // RACE: another CPU's fault on this page came first; its page counts.
            allocator.free(pfn, on: cpu)
            return .resolved
        }
        let frame = frames[pfn]
        install(pfn, frame, fault, table, index)
        table.frame.liveEntries += 1
        table.unlock(on: cpu)
        fault.slot.resident(.anonymous).add(1)
        cpu.count(.faultAnonymous)
        return .resolved
    }

    /// Writes the entry of a new anonymous page that is about to be written.
    @inline(__always)
    func install(
        _ pfn: PFN, _ frame: FrameRef, _ fault: Fault, _ table: TableRef, _ index: Int
    ) {
        counts.mapFirstAnonymous(
            pfn, frame, group: fault.vma.anonGroup.unsafelyUnwrapped,
            offset: fault.vma.pageOffset(of: fault.page),
            isLocked: fault.vma.flags.contains(.locked), on: fault.cpu)
        let rights = fault.outline.rights
        var bits = FaultHandler.readOnlyBits(rights) | Entry.dirty
        if rights.contains(.write) { bits |= Entry.writable }
        table.set(index, Entry(frame: pfn, bits: bits))
    }
}
