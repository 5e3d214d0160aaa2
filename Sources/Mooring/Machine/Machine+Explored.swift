// SPDX-License-Identifier: Apache-2.0
//
// What an explorer of schedules needs of a machine besides its calls: to put back what flat memory
// does not hold, and to look at what no call tells.

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
}

extension Machine.Task {
    /// Pages of its VMAs that are locked.
    package var lockedPages: Int { process.space.pointer.pointee.lockedPages }
}
