// SPDX-License-Identifier: Apache-2.0
//
// What an explorer of schedules needs of a machine besides its calls: to put back what flat memory
// does not hold, and names for what CPUs touch.

extension Machine {
    /// The part of a machine's state that is not in flat memory: the table of processes, and who has
    /// locked segments.
    package struct Unflat {
        fileprivate let processes: ProcessTableState
        fileprivate let segmentLocks: SegmentLocksState
    }

    /// What flat memory does not hold; to be saved and put back together with it.
    package var unflat: Unflat {
        get { Unflat(processes: processes.contents, segmentLocks: cache.segmentLocks.contents) }
        set {
            processes.contents = newValue.processes
            cache.segmentLocks.contents = newValue.segmentLocks
        }
    }

    /// Whether every frame that is marked mlocked and on a list is on the unevictable one, and
    /// nobody else is but frames of locked segments.
    package var unevictableListAgrees: Bool {
        var agrees = true
        spaces.spaces.forEachLive { _, state in
            forEachFrame(of: AddressSpace(pointer: state)) { frame in
                if frame.has(.onLRU), frame.has(.mlocked) != frame.has(.unevictable) {
                    agrees = false
                }
            }
        }
        return agrees
    }

    private func forEachFrame(of space: AddressSpace, _ body: (FrameRef) -> Void) {
        var address: UInt64 = 0
        while let table = spaces.tables.nextTable(
            root: space.root, &address, end: PageTables.userTop)
        {
            for index in 0..<512 {
                let entry = table[index]
                if entry.isMapped, !entry.isUncounted { body(frames[entry.frame]) }
            }
            address = TableLevel.pmd.next(after: address)
        }
    }

    /// A frame that nobody maps, on the unevictable list and marked mlocked, with so many references.
    package func makeMarkedFrame(references: UInt64) -> UInt32 {
        let cpu = cpus[0]
        cpu.enter()
        defer { cpu.leave() }
        let pfn = allocator.allocate(type: .movable, on: cpu)
        let frame = frames[pfn]
        frame.resetFlags([.anonymous, .swapBacked])
        frame.counts.store((references + 1) * FrameRef.oneReference)
        batches.mlockNewTakingReference(pfn, frame, on: cpu)
        batches.drain(on: cpu)
        return pfn.rawValue
    }

    /// Drops a reference of such a frame.
    package func release(_ frame: UInt32, onCPU index: Int) {
        let cpu = cpus[index]
        cpu.enter()
        defer { cpu.leave() }
        batches.release(PFN(rawValue: frame), on: cpu)
    }

    /// What a CPU touches at an address of the host, in words.
    package func describe(address: UInt) -> String? {
        describeMemory(address) ?? describeCPU(address) ?? describeObject(address)
    }

    private func describeMemory(_ address: UInt) -> String? {
        if let (pfn, byte) = frames.locate(address) {
            let frame = "frame \(pfn.rawValue)"
            return switch byte {
            case 0..<4: "flags of \(frame)"
            // The lock of the table that the frame is.
            case 4..<8: frame
            case 8..<16: "counts of \(frame)"
            case 16..<24: "links of \(frame)"
            default: "owner of \(frame)"
            }
        }
        if let (pfn, byte) = memory.locate(address) {
            return "entry \(byte / 8) in frame \(pfn.rawValue)"
        }
        for zone in allocator.zones where UInt(bitPattern: zone.raw) <= address {
            if address < UInt(bitPattern: zone.raw) + UInt(ZoneRef.stride) {
                return "zone \(zone.type.kernelName)"
            }
        }
        return lists.locate(address).map { "LRU lists of node \($0)" }
    }

    private func describeCPU(_ address: UInt) -> String? {
        for cpu in cpus where UInt(bitPattern: cpu.state) == address { return "CPU \(cpu.index)" }
        if let index = allocator.locateLists(address) { return "free frames of CPU \(index)" }
        if let index = batches.locate(address) { return "batches of CPU \(index)" }
        return spaces.tlb.caches?.locate(address).map { "TLB of CPU \($0)" }
    }

    private func describeObject(_ address: UInt) -> String? {
        if let (number, _) = spaces.spaces.locate(address) {
            let space = AddressSpace(pointer: spaces.spaces[number])
            return address == UInt(bitPattern: space.upperLock.word)
                ? "upper tables of space \(number)" : "address space \(number)"
        }
        if let (number, _) = spaces.vmas.locate(address) { return "VMA \(number)" }
        if let (number, _) = cache.files.locate(address) {
            let file = FileRef(pointer: cache.files[number])
            return switch address {
            case UInt(bitPattern: file.mappingsLock.word): "mappings of file \(number)"
            case UInt(bitPattern: file.cacheLock.word): "pages of file \(number)"
            default: "file \(number)"
            }
        }
        return spaces.groups.groups.locate(address).map { "group \($0.number)" }
    }
}

extension Machine.Task {
    /// Pages of its VMAs that are locked.
    package var lockedPages: Int { process.space.pointer.pointee.lockedPages }
}
