// SPDX-License-Identifier: Apache-2.0
//
// Taking mappings away: for munmap, MADV_DONTNEED, exit, truncation.
//
// STATE      What was taken is gathered, over as many VMAs as a call covers, and let go after one
//            flush. Each CPU has a buffer for the frames of one gathering.
// INVARIANT  No frame and no page table leaves a gathering before translations are flushed.
// LOCKS      The address space's lock, exclusive or shared, or (truncation) its file's mappings
//            lock keeps the VMA alive; each table's lock is taken here.

/// Which pages of a VMA lose their mapping.
enum UnmapScope {
    /// All, guard markers too: the VMA goes.
    case everything
    /// All pages; guard markers stay (MADV_DONTNEED).
    case pages
    /// The same, called by who holds the lock of the file's mappings (truncation).
    case truncatedPages
    /// Pages of the file only; private copies and guard markers stay (punching a hole).
    case filePages

    /// Whether reverse maps may be walked: not by who holds the lock of one.
    fileprivate var mayWalk: Bool {
        switch self {
        case .everything, .pages: true
        case .truncatedPages, .filePages: false
        }
    }
}

/// What was taken out of an address space and waits for the flush.
struct Gathering {
    let space: AddressSpace
    /// Whether nobody runs in it any more.
    fileprivate let isEnding: Bool
    /// Where entries have changed.
    var range = FlushRange()
    /// Page tables that nothing leads to any more.
    var tables = UnlinkedTables()
    /// Frames that nobody can reach, and frames with a reference to drop.
    fileprivate let unreachable: UnsafeMutablePointer<PFN>
    fileprivate let referenced: UnsafeMutablePointer<PFN>
    fileprivate var unreachableCount = 0
    fileprivate var referencedCount = 0
    fileprivate var hasPages = false
    fileprivate var hasLocked = false
}

/// Clears ranges of page tables.
struct Unmapper {
    /// What it works with; constant.
    struct Parts {
        let map: ReverseMap
        let swap: SwapCache
        let tlb: TLB
        /// For each CPU the frames of a gathering: unreachable ones, then referenced ones.
        fileprivate let buffers: UnsafeMutablePointer<PFN>

        init(map: ReverseMap, swap: SwapCache, tlb: TLB) {
            self.map = map
            self.swap = swap
            self.tlb = tlb
            buffers = .allocate(capacity: 2 * Unmapper.capacity * tlb.cpuCount)
        }
    }

    private let parts: UnsafeMutablePointer<Parts>

    private static let capacity = 1024

    init(_ parts: Parts) { self.parts = .init(holding: parts) }

    /// Gives the memory back.
    func deallocate() {
        parts.pointee.buffers.deallocate()
        parts.deallocate()
    }

    var map: ReverseMap { parts.pointee.map }
    var swap: SwapCache { parts.pointee.swap }
    var tables: PageTables { map.tables }
    var counts: MapCounts { map.counts }
    var tlb: TLB { parts.pointee.tlb }
    private var frames: FrameTable { tables.frames }
    private var batches: LRUBatches { counts.batches }

    /// Unmaps `start..<end` of a VMA, which both are page addresses in it.
    func unmap(
        _ vma: VMARef, in space: AddressSpace, from start: UInt64, to end: UInt64,
        scope: UnmapScope, on cpu: CPU
    ) {
        var gathering = begin(in: space, on: cpu)
        unmap(vma, from: start, to: end, scope: scope, into: &gathering, on: cpu)
        finish(&gathering, on: cpu)
    }

    /// An empty gathering; a CPU has one at a time, which is to be finished.
    @inline(__always)
    func begin(in space: AddressSpace, isEnding: Bool = false, on cpu: CPU) -> Gathering {
        tlb.beginWithdrawal(in: space)
        let buffer = parts.pointee.buffers + 2 * Unmapper.capacity * cpu.index
        return Gathering(
            space: space, isEnding: isEnding, unreachable: buffer,
            referenced: buffer + Unmapper.capacity)
    }

    /// Flushes translations of what was gathered, and lets it go.
    @inline(__always)
    func finish(_ gathering: inout Gathering, on cpu: CPU) {
        flush(&gathering, on: cpu)
        tlb.endWithdrawal(in: gathering.space)
        // Waiting munlocks would keep the frames from being free when the call returns.
        if gathering.hasLocked { batches.drain(on: cpu) }
    }

    @inline(__always)
    private func flush(_ gathering: inout Gathering, on cpu: CPU) {
        gathering.range.include(gathering.tables.range)
        guard !gathering.range.isEmpty else { return }
        if Mutation.freesBeforeFlush.isActive { letGo(&gathering, on: cpu) }
        if gathering.isEnding {
            tlb.forget(gathering.space, on: cpu)
        } else {
            tlb.flush(gathering.space, gathering.range, on: cpu)
        }
        letGo(&gathering, on: cpu)
        gathering.range = FlushRange()
    }

    /// Frees the frames and tables that were gathered.
    @inline(__always)
    private func letGo(_ gathering: inout Gathering, on cpu: CPU) {
        batches.free(gathering.unreachable, count: gathering.unreachableCount, on: cpu)
        for index in 0..<gathering.referencedCount {
            let pfn = gathering.referenced[index]
            swap.release(pfn, frames[pfn], on: cpu)
        }
        tables.free(&gathering.tables, on: cpu)
        gathering.unreachableCount = 0
        gathering.referencedCount = 0
    }

    /// Unmaps `start..<end` of a VMA of the gathering's address space.
    func unmap(
        _ vma: VMARef, from start: UInt64, to end: UInt64, scope: UnmapScope = .everything,
        into gathering: inout Gathering, on cpu: CPU
    ) {
        var address = start
        while let table = tables.nextTable(root: gathering.space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            if !isEmpty(table, on: cpu) {
                if !gathering.hasPages {
                    gathering.hasPages = true
                    gathering.space.notePeak()
                    // A frame in this CPU's own batch would not be found unreachable.
                    batches.drain(on: cpu)
                }
                if gathering.unreachableCount > Unmapper.capacity - 512
                    || gathering.referencedCount > Unmapper.capacity - 512
                {
                    flush(&gathering, on: cpu)
                }
                unmap(table, vma, from: address, to: next, scope: scope, into: &gathering, on: cpu)
            }
            address = next
        }
    }

    /// Whether a table has nothing to unmap.
    @inline(__always)
    private func isEmpty(_ table: TableRef, on cpu: CPU) -> Bool {
        if table.frame.liveEntries > 0 { return false }
        if Mutation.trustsEmptyTables.isActive { return true }
        // RACE: truncation comes here without the address space's lock. A fault that found its page
        // before truncation took it away may hold the table's lock still, its entry not yet
        // counted: a table is known to be empty only under its lock.
        table.lock(on: cpu)
        defer { table.unlock(on: cpu) }
        return table.frame.liveEntries == 0
    }

    @inline(__always)
    private func unmap(
        _ table: TableRef, _ vma: VMARef, from start: UInt64, to end: UInt64, scope: UnmapScope,
        into gathering: inout Gathering, on cpu: CPU
    ) {
        var gone = InlineArray<3, Int>(repeating: 0)
        var cleared = 0
        var unreachable = gathering.unreachable + gathering.unreachableCount
        var referenced = gathering.referenced + gathering.referencedCount
        table.lock(on: cpu)
        guard let live = table.occupied(from: start, to: end) else {
            table.unlock(on: cpu)
            return
        }
        // RACE: truncation comes here without the address space's lock, while mlock or munlock may
        // be changing the flags. They count each table's pages under its lock, after the flags when
        // locking and before them when unlocking, so that what is seen here errs low at most.
        let isLocked = vma.flags.contains(.locked)
        for index in live {
            let entry = table[index]
            if !entry.isMapped {
                if unmapAbsent(entry, table, index, gathering.space, scope, on: cpu) {
                    cleared += 1
                }
                continue
            }
            let pfn = entry.frame
            if entry.isUncounted {
                if case .filePages = scope { continue }
                _ = table.take(index)
                cleared += 1
                continue
            }
            let frame = frames[pfn]
            let flags = frame.flags
            if case .filePages = scope, flags.contains(.anonymous) { continue }
            let final = table.take(index)
            cleared += 1
            gone[MapCounts.residentKind(flags).rawValue] += 1
            if !flags.contains(.anonymous) {
                if final.isDirty { frame.markDirty(on: cpu) }
                if final.isAccessed, !flags.contains(.referenced) { frame.set(.referenced) }
            }
            switch counts.unmap(pfn, frame, isLocked: isLocked, on: cpu) {
            case .unreachable:
                unreachable.pointee = pfn
                unreachable += 1
            case .referenced:
                referenced.pointee = pfn
                referenced += 1
            }
        }
        gathering.unreachableCount = unreachable - gathering.unreachable
        gathering.referencedCount = referenced - gathering.referenced
        table.frame.liveEntries -= cleared
        table.unlock(on: cpu)
        if cleared > 0 { gathering.range.include(TableRef.addresses(of: live, near: start)) }
        if isLocked {
            gathering.hasLocked = true
            batches.settleUnlocks(with: scope.mayWalk ? map : nil, on: cpu)
        }
        let slot = gathering.space.slot(of: cpu)
        slot.resident(.anonymous).add(-gone[0])
        slot.resident(.file).add(-gone[1])
        slot.resident(.sharedMemory).add(-gone[2])
    }

    /// Takes an entry out that maps nothing, if the scope has it.
    private func unmapAbsent(
        _ entry: Entry, _ table: TableRef, _ index: Int, _ space: AddressSpace,
        _ scope: UnmapScope, on cpu: CPU
    ) -> Bool {
        switch scope {
        case .filePages: return false
        case .pages where entry.isGuard, .truncatedPages where entry.isGuard: return false
        case .pages, .truncatedPages, .everything: break
        }
        guard entry.isGuard || entry.isSwapped else { return false }
        _ = table.take(index)
        if entry.isSwapped {
            space.slot(of: cpu).swapped.add(-1)
            swap.release(entry.swapSlot, on: cpu)
        }
        return true
    }
}
