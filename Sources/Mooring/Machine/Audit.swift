// SPDX-License-Identifier: Apache-2.0
//
// The audit: everything that is counted or linked, recomputed from what it counts and links.
//
// Each rule is one function. The machine must be at rest: the audit enters every CPU, so that
// operations wait, but it takes no other lock.

extension Machine {
    /// Recomputes every count and list and compares.
    ///
    /// - Throws: ``AuditFailure`` at the first figure that disagrees, with both values.
    public func audit() throws {
        for cpu in cpus { cpu.enter() }
        defer { for cpu in cpus { cpu.leave() } }
        var audit = Audit(machine: self)
        try audit.run()
    }
}

/// One audit's findings so far.
struct Audit {
    let machine: Machine
    /// Per frame number: mappings found in page tables, references found anywhere, and how many
    /// of the mappings are in locked VMAs.
    var mappings: [UInt32: UInt32] = [:]
    var references: [UInt32: UInt32] = [:]
    var lockedMappings: [UInt32: UInt32] = [:]
    /// Per frame number: mappings in locked VMAs that are gone and wait to be counted off.
    var waitingUnlocks: [UInt32: UInt32] = [:]
    /// Per swap slot: entries and traces that name it.
    var swapEntries: [UInt32: Int] = [:]
    /// Frames that something uses, mapped or not.
    var tableFrames = 0

    init(machine: Machine) { self.machine = machine }

    mutating func run() throws {
        try machine.allocator.checkInvariants()
        try machine.lists.checkInvariants()
        try machine.spaces.spaces.forEachLive { _, state in
            try checkSpace(AddressSpace(pointer: state))
        }
        try machine.cache.files.forEachLive { _, state in
            try checkFile(FileRef(pointer: state))
        }
        machine.batches.forEachWaiting { pfn, request in
            references[pfn.rawValue, default: 0] += 1
            if request == .munlock { waitingUnlocks[pfn.rawValue, default: 0] += 1 }
        }
        references[machine.zeroFrame.rawValue, default: 0] += 1
        try checkTranslations()
        try checkSwap()
        var pending = 0
        for device in [machine.device, machine.swap.device] {
            device.forEachPending {
                references[$0.rawValue, default: 0] += 1
                pending += 1
            }
        }
        try Audit.expect("frames being written", machine.total(.writeback), pending)
        try checkFrames()
        try checkGauges()
        try checkCommitment()
    }

    static func expect(_ what: @autoclosure () -> String, _ counted: Int, _ recomputed: Int) throws
    {
        guard counted == recomputed else {
            throw AuditFailure(what(), counted: counted, recomputed: recomputed)
        }
    }

    // MARK: Address spaces

    private mutating func checkSpace(_ space: AddressSpace) throws {
        let name = "address space \(space.number)"
        try space.tree.checkInvariants()
        var total = 0
        var locked = 0
        var data = 0
        var executable = 0
        var stack = 0
        var vma = space.tree.first
        while let current = vma {
            total += current.pageCount
            if current.flags.contains(.locked) { locked += current.pageCount }
            if current.flags.isPrivateWritable {
                data += current.pageCount
            } else if current.flags.contains(.growsDown) {
                stack += current.pageCount
            } else if current.flags.contains(.execute), !current.flags.contains(.write) {
                executable += current.pageCount
            }
            try checkLinks(of: current, name)
            vma = current.next
        }
        try Audit.expect("total_vm of \(name)", space.pointer.pointee.totalPages, total)
        try Audit.expect(
            "locked_vm of \(name)", space.pointer.pointee.lockedPages,
            locked + space.pointer.pointee.strandedLockedPages)
        try Audit.expect("data_vm of \(name)", space.pointer.pointee.dataPages, data)
        try Audit.expect(
            "executable pages of \(name)", space.pointer.pointee.executablePages, executable)
        try Audit.expect("stack pages of \(name)", space.pointer.pointee.stackPages, stack)
        var walk = TableWalk()
        if space.root != machine.zeroFrame {
            try walkTables(space, space.root, .pgd, base: 0, &walk)
        }
        try Audit.expect("page tables of \(name)", Int(space.tableCount.load()), walk.tables)
        try Audit.expect("swapped pages of \(name)", space.swappedPages, walk.swapped)
        for kind in [ResidentKind.anonymous, .file, .sharedMemory] {
            try Audit.expect(
                "resident \(kind) pages of \(name)", space.resident(kind),
                walk.resident[kind.rawValue])
        }
    }

    /// What a walk of one address space's tables adds up.
    private struct TableWalk {
        var tables = 0
        var resident = [0, 0, 0]
        var swapped = 0
    }

    private mutating func walkTables(
        _ space: AddressSpace, _ pfn: PFN, _ level: TableLevel, base: UInt64,
        _ walk: inout TableWalk
    ) throws {
        let table = machine.spaces.tables.table(pfn)
        if level != .pgd { walk.tables += 1 }
        tableFrames += 1
        references[pfn.rawValue, default: 0] += 1
        guard table.frame.has(.pageTable) else {
            throw AuditFailure(
                "page-table mark of frame \(pfn.rawValue)", counted: 0, recomputed: 1)
        }
        var live = 0
        for index in 0..<512 {
            let entry = table[index]
            if entry.isEmpty { continue }
            live += 1
            let address = base + UInt64(index) << level.rawValue
            switch level {
            case .pgd: try walkTables(space, entry.frame, .pud, base: address, &walk)
            case .pud: try walkTables(space, entry.frame, .pmd, base: address, &walk)
            case .pmd: try walkTables(space, entry.frame, .pte, base: address, &walk)
            case .pte: try checkEntry(entry, at: address, space, &walk)
            }
        }
        try Audit.expect(
            "live entries of the \(level) table in frame \(pfn.rawValue)",
            table.frame.liveEntries, live)
    }

    /// What TLBs hold agrees with the page tables: nothing is waiting to be flushed.
    private func checkTranslations() throws {
        var spaces: [UInt32: AddressSpace] = [:]
        try machine.spaces.spaces.forEachLive { number, state in
            let space = AddressSpace(pointer: state)
            spaces[number] = space
            try Audit.expect(
                "unfinished withdrawals of address space \(number)",
                Int(space.withdrawals.load()), 0)
        }
        try machine.spaces.tlb.caches?.forEach { cpuIndex, held in
            let place =
                "translation of \(String(held.page << pageShift, radix: 16)) "
                + "in address space \(held.space) that CPU \(cpuIndex) holds"
            guard let space = spaces[held.space] else {
                throw AuditFailure("the \(place)", counted: 1, recomputed: 0)
            }
            let entry = machine.spaces.tables.entry(root: space.root, held.page << pageShift)
            guard held.agrees(with: entry) else {
                throw AuditFailure(
                    "entry behind the \(place)", counted: Int(bitPattern: UInt(held.entry.bits)),
                    recomputed: Int(bitPattern: UInt(entry.bits)))
            }
        }
    }

    private mutating func checkEntry(
        _ entry: Entry, at address: UInt64, _ space: AddressSpace, _ walk: inout TableWalk
    ) throws {
        let place = "entry at \(String(address, radix: 16)) of address space \(space.number)"
        guard let vma = space.tree.find(address), vma.start <= address else {
            throw AuditFailure("VMA of the \(place)", counted: 0, recomputed: 1)
        }
        if entry.isSwapped {
            swapEntries[entry.swapSlot, default: 0] += 1
            walk.swapped += 1
            return
        }
        guard entry.isMapped else {
            guard entry.isGuard, vma.flags.contains(.guarded) else {
                throw AuditFailure(
                    "guard mark of the VMA of the \(place), which maps nothing", counted: 0,
                    recomputed: 1)
            }
            return
        }
        try checkRights(of: entry, vma, place)
        if entry.isUncounted {
            return try Audit.expect(
                "zero frame in the \(place)", Int(entry.frame.rawValue),
                Int(machine.zeroFrame.rawValue))
        }
        let frame = machine.frames[entry.frame]
        walk.resident[MapCounts.residentKind(frame.flags).rawValue] += 1
        mappings[entry.frame.rawValue, default: 0] += 1
        references[entry.frame.rawValue, default: 0] += 1
        if vma.flags.contains(.locked) { lockedMappings[entry.frame.rawValue, default: 0] += 1 }
        try Audit.expect(
            "page offset of the \(place)", Int(frame.pageOffset),
            Int(vma.pageOffset(of: address)))
        if let file = vma.file, frame.pageOffset >= file.pageCount {
            throw AuditFailure(
                "pages of file \(file.number), the \(place) maps one beyond",
                counted: Int(file.pageCount), recomputed: Int(frame.pageOffset) + 1)
        }
        if frame.has(.anonymous) {
            try checkReachable(frame, vma, place)
            if entry.isWritable, !frame.has(.exclusive) {
                throw AuditFailure(
                    "exclusive mark of the writable \(place)", counted: 0, recomputed: 1)
            }
        } else if let file = vma.file {
            try Audit.expect("file of the \(place)", Int(frame.ownerNumber), Int(file.number))
            try Audit.expect(
                "page-cache mark of the frame of the \(place)", frame.has(.fileCached) ? 1 : 0, 1)
        } else {
            throw AuditFailure("owner of the \(place)", counted: 0, recomputed: 1)
        }
    }

    /// An entry tells the processor what its VMA allows, or less.
    private func checkRights(of entry: Entry, _ vma: VMARef, _ place: String) throws {
        try Audit.expect(
            "presence of the \(place)", entry.isPresent ? 1 : 0,
            vma.flags.isDisjoint(with: .rights) ? 0 : 1)
        try Audit.expect(
            "right to execute of the \(place)", entry.isExecutable ? 1 : 0,
            vma.flags.contains(.execute) ? 1 : 0)
        if entry.isWritable, !vma.flags.contains(.write) {
            throw AuditFailure("right to write of the \(place)", counted: 1, recomputed: 0)
        }
    }

    /// A reverse-map walk from the frame must find the VMA.
    private func checkReachable(_ frame: FrameRef, _ vma: VMARef, _ place: String) throws {
        let group = machine.spaces.groups.group(frame.ownerNumber)
        var link = vma.firstLink
        while let current = link {
            if current.pointee.group == group { return }
            link = current.pointee.nextOfVMA
        }
        throw AuditFailure(
            "anonymous group \(group.number) among the links of the VMA of the \(place)",
            counted: 0, recomputed: 1)
    }

    private func checkLinks(of vma: VMARef, _ name: String) throws {
        let place = "VMA at \(String(vma.start, radix: 16)) of \(name)"
        let last = vma.pageOffset + UInt64(vma.pageCount) - 1
        var link = vma.firstLink
        while let current = link {
            try Audit.expect(
                "first offset of a group link of the \(place)", Int(current.pointee.node.first),
                Int(vma.pageOffset))
            try Audit.expect(
                "last offset of a group link of the \(place)", Int(current.pointee.node.last),
                Int(last))
            link = current.pointee.nextOfVMA
        }
        guard vma.file != nil else { return }
        try Audit.expect(
            "first offset of the file node of the \(place)", Int(vma.fileNode.pointee.first),
            Int(vma.pageOffset))
        try Audit.expect(
            "last offset of the file node of the \(place)", Int(vma.fileNode.pointee.last),
            Int(last))
    }

    // MARK: Files

    private mutating func checkFile(_ file: FileRef) throws {
        var found: [(UInt64, PFN)] = []
        file.index.forEach(in: 0..<UInt64.max) { found.append(($0, $1)) }
        for (offset, pfn) in found {
            references[pfn.rawValue, default: 0] += 1
            let frame = machine.frames[pfn]
            let name = "frame \(pfn.rawValue), page \(offset) of file \(file.number)"
            try Audit.expect("mark in the cache of \(name)", frame.has(.fileCached) ? 1 : 0, 1)
            try Audit.expect("file of \(name)", Int(frame.ownerNumber), Int(file.number))
            try Audit.expect("offset of \(name)", Int(frame.pageOffset), Int(offset))
            guard offset < file.pageCount else {
                throw AuditFailure(
                    "pages of the file that has \(name)", counted: Int(file.pageCount),
                    recomputed: Int(offset) + 1)
            }
        }
        try Audit.expect("pages of file \(file.number)", file.index.count, found.count)
        var swapped = 0
        file.index.forEachTrace { trace in
            guard let slot = trace.swapSlot else { return }
            swapEntries[slot, default: 0] += 1
            swapped += 1
        }
        try Audit.expect(
            "swapped pages of file \(file.number)", file.pointer.pointee.swappedPages, swapped)
    }

    // MARK: Swap

    private mutating func checkSwap() throws {
        var taken = 0
        var cached = 0
        try machine.swap.forEachTaken { slot, count, pfn in
            taken += 1
            try Audit.expect("uses of swap slot \(slot)", count, swapEntries[slot] ?? 0)
            guard pfn.isFrame else {
                guard count > 0 else {
                    throw AuditFailure("uses of a taken slot", counted: 0, recomputed: 1)
                }
                return
            }
            cached += 1
            references[pfn.rawValue, default: 0] += 1
            let frame = machine.frames[pfn]
            guard frame.has(.swapCached), machine.swap.slot(of: pfn) == slot else {
                throw AuditFailure(
                    "slot of frame \(pfn.rawValue) in the swap cache",
                    counted: Int(machine.swap.slot(of: pfn)), recomputed: Int(slot))
            }
        }
        for slot in swapEntries.keys where machine.swap.isFree(slot) {
            throw AuditFailure(
                "uses of swap slot \(slot), which is free", counted: 0,
                recomputed: swapEntries[slot] ?? 0)
        }
        try Audit.expect(
            "free swap slots", machine.swap.freeSlots, machine.swap.totalSlots - taken)
        try Audit.expect("frames in the swap cache", machine.total(.swapCached), cached)
    }

    // MARK: Frames

    private func checkFrames() throws {
        for (number, expected) in references {
            let frame = machine.frames[PFN(rawValue: number)]
            try Audit.expect(
                "references of frame \(number) (flags \(frame.flags.rawValue))",
                Int(frame.referenceCount), Int(expected))
            try Audit.expect(
                "mappings of frame \(number)", Int(frame.mapCount), Int(mappings[number] ?? 0))
            if frame.has(.unevictable), frame.has(.onLRU), frame.has(.mlocked) {
                let most = (lockedMappings[number] ?? 0) + (waitingUnlocks[number] ?? 0)
                guard frame.mlockCount <= most else {
                    throw AuditFailure(
                        "mlock count of frame \(number), which may err low but not high",
                        counted: Int(frame.mlockCount), recomputed: Int(most))
                }
                if frame.mlockCount > 0 {
                    try Audit.expect(
                        "mlock debt of frame \(number), which has a count",
                        Int(frame.mlockDebt), 0)
                }
            }
        }
        // What the allocator handed out and nothing refers to is lost.
        try Audit.expect("frames in use", machine.allocator.usedFrames, references.count)
    }

    private func checkGauges() throws {
        var expected: [Gauge: Int] = [:]
        for number in references.keys {
            let frame = machine.frames[PFN(rawValue: number)]
            let flags = frame.flags
            if flags.contains(.anonymous), frame.mapCount > 0 {
                expected[.anonPages, default: 0] += 1
            }
            if !flags.contains(.anonymous), frame.mapCount > 0 {
                expected[.mapped, default: 0] += 1
            }
            if flags.contains(.fileCached) {
                expected[.filePages, default: 0] += 1
                if flags.contains(.swapBacked) { expected[.shmem, default: 0] += 1 }
                if flags.contains(.dirty), !flags.contains(.swapBacked) {
                    expected[.dirty, default: 0] += 1
                }
            }
            if flags.contains(.mlocked) { expected[.mlock, default: 0] += 1 }
            if flags.contains(.onLRU) {
                let gauge =
                    flags.contains(.unevictable) ? Gauge.unevictable : LRUList(of: flags).gauge
                expected[gauge, default: 0] += 1
            }
        }
        expected[.pageTablePages] = tableFrames
        for gauge in [
            Gauge.anonPages, .mapped, .filePages, .shmem, .dirty, .mlock, .unevictable,
            .inactiveAnon, .activeAnon, .inactiveFile, .activeFile, .pageTablePages,
            .isolatedAnon, .isolatedFile,
        ] {
            try Audit.expect(gauge.rawValue, machine.total(gauge), expected[gauge] ?? 0)
        }
        for node in 0..<machine.lists.nodeCount {
            let linked = LRUList.allCases.reduce(0) { $0 + machine.lists.count($1, node: node) }
            let gauges = (0..<3).reduce(0) { sum, type in
                sum
                    + LRUList.allCases.reduce(0) {
                        $0 + machine.total($1.gauge, zone: node * 3 + type)
                    }
            }
            try Audit.expect("frames on the LRU lists of node \(node)", gauges, linked)
        }
    }

    private func checkCommitment() throws {
        var pages = 0
        machine.spaces.spaces.forEachLive { _, state in
            var vma = AddressSpace(pointer: state).tree.first
            while let current = vma {
                if current.flags.contains(.accounted) { pages += current.pageCount }
                vma = current.next
            }
        }
        var lockedPages: [UInt32: Int] = [:]
        machine.cache.files.forEachLive { _, state in
            let file = FileRef(pointer: state)
            pages += state.pointee.chargedPages
            if state.pointee.chargesPages {
                pages += file.index.count + state.pointee.swappedPages
            }
            if state.pointee.isLocked {
                lockedPages[state.pointee.lockedBy, default: 0] += Int(file.pageCount)
            }
        }
        for user in Set(lockedPages.keys).union(machine.cache.segmentLocks.users) {
            try Audit.expect(
                "pages of segments that user \(user) has locked",
                machine.cache.segmentLocks.pages(of: user), lockedPages[user] ?? 0)
        }
        try Audit.expect(
            "committed pages", Int(machine.spaces.commitment.committedPages), pages)
    }
}
