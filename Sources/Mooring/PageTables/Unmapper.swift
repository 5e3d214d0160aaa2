// SPDX-License-Identifier: Apache-2.0
//
// Taking mappings away: for munmap, MADV_DONTNEED, exit, truncation.
//
// STATE      Each CPU has a buffer of frames whose entries are cleared and that wait for the flush.
// INVARIANT  No frame leaves the buffer before the translations to it are flushed.
// LOCKS      The address space's lock, exclusive or shared, or (truncation) its file's mappings
//            lock keeps the VMA alive; each table's lock is taken here.

/// Which pages of a VMA lose their mapping.
enum UnmapScope {
    /// All, guard markers too: the VMA goes.
    case everything
    /// All pages; guard markers stay (MADV_DONTNEED, truncation).
    case pages
    /// Pages of the file only; private copies and guard markers stay (punching a hole).
    case filePages
}

/// Clears ranges of page tables.
struct Unmapper {
    /// What it works with; constant.
    private struct Parts {
        let tables: PageTables
        let counts: MapCounts
        let cache: PageCache
        let tlb: TLB
        let buffers: UnsafeMutablePointer<PFN>
    }

    // Behind one pointer: kept by value, the parts would be copied for every call.
    private let parts: UnsafeMutablePointer<Parts>

    private static let capacity = 1024

    init(tables: PageTables, counts: MapCounts, cache: PageCache, tlb: TLB) {
        parts = .allocate(capacity: 1)
        parts.initialize(
            to: Parts(
                tables: tables, counts: counts, cache: cache, tlb: tlb,
                buffers: .allocate(capacity: 2 * Unmapper.capacity * tlb.cpuCount)))
    }

    @inline(__always)
    var tables: PageTables { parts.pointee.tables }
    @inline(__always)
    var counts: MapCounts { parts.pointee.counts }
    @inline(__always)
    var cache: PageCache { parts.pointee.cache }
    @inline(__always)
    var tlb: TLB { parts.pointee.tlb }
    @inline(__always)
    private var buffers: UnsafeMutablePointer<PFN> { parts.pointee.buffers }
    private var frames: FrameTable { tables.frames }
    private var batches: LRUBatches { counts.batches }

    /// Gives the memory back.
    func deallocate() {
        buffers.deallocate()
        parts.deallocate()
    }

    /// Frames that wait for a flush.
    private struct Gather {
        let unreachable: UnsafeMutablePointer<PFN>
        let referenced: UnsafeMutablePointer<PFN>
        var unreachableCount = 0
        var referencedCount = 0
        var clearedEntries = 0
    }

    /// Unmaps `start..<end` of a VMA, which both are page addresses in it.
    func unmap(
        _ vma: VMARef, in space: AddressSpace, from start: UInt64, to end: UInt64,
        scope: UnmapScope = .everything, on cpu: CPU
    ) {
        var isFirst = true
        let buffer = buffers + 2 * Unmapper.capacity * cpu.index
        var gather = Gather(unreachable: buffer, referenced: buffer + Unmapper.capacity)
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            if !isEmpty(table, on: cpu) {
                if isFirst {
                    isFirst = false
                    space.notePeak()
                    // A frame in this CPU's own batch would not be found unreachable.
                    batches.drain(on: cpu)
                }
                if gather.unreachableCount > Unmapper.capacity - 512
                    || gather.referencedCount > Unmapper.capacity - 512
                {
                    finish(&gather, space, on: cpu)
                }
                unmap(
                    table, vma, space, from: address, to: next, scope: scope, into: &gather,
                    on: cpu)
            }
            address = next
        }
        finish(&gather, space, on: cpu)
        // Waiting munlocks would keep the frames from being free when the call returns.
        if vma.flags.contains(.locked) { batches.drain(on: cpu) }
    }

    /// Whether a table has nothing to unmap.
    @inline(__always)
    private func isEmpty(_ table: TableRef, on cpu: CPU) -> Bool {
        if table.frame.liveEntries > 0 { return false }
        // RACE: truncation comes here without the address space's lock. A fault that found its page
        // before truncation took it away may hold the table's lock still, its entry not yet
        // counted: a table is known to be empty only under its lock.
        table.lock(on: cpu)
        defer { table.unlock(on: cpu) }
        return table.frame.liveEntries == 0
    }

    @inline(__always)
    private func unmap(
        _ table: TableRef, _ vma: VMARef, _ space: AddressSpace, from start: UInt64,
        to end: UInt64, scope: UnmapScope, into gather: inout Gather, on cpu: CPU
    ) {
        var gone = InlineArray<3, Int>(repeating: 0)
        var cleared = 0
        table.lock(on: cpu)
        // RACE: truncation comes here without the address space's lock, while mlock or munlock may
        // be changing the flags. They count each table's pages under its lock, after the flags when
        // locking and before them when unlocking, so that what is seen here errs low at most.
        let isLocked = vma.flags.contains(.locked)
        let first = TableLevel.pte.index(of: start)
        let last = TableLevel.pte.index(of: end - 1)
        for index in first...last {
            let entry = table[index]
            if !entry.isMapped {
                if entry.isGuard, case .everything = scope {
                    _ = table.take(index)
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
                if final.isDirty { cache.markDirty(frame, on: cpu) }
                if final.isAccessed, !flags.contains(.referenced) { frame.set(.referenced) }
            }
            switch counts.unmap(pfn, frame, isLocked: isLocked, on: cpu) {
            case .unreachable:
                gather.unreachable[gather.unreachableCount] = pfn
                gather.unreachableCount += 1
            case .referenced:
                gather.referenced[gather.referencedCount] = pfn
                gather.referencedCount += 1
            }
        }
        table.frame.liveEntries -= cleared
        table.unlock(on: cpu)
        gather.clearedEntries += cleared
        let slot = space.slot(of: cpu)
        slot.resident(.anonymous).add(-gone[0])
        slot.resident(.file).add(-gone[1])
        slot.resident(.sharedMemory).add(-gone[2])
    }

    @inline(__always)
    private func finish(_ gather: inout Gather, _ space: AddressSpace, on cpu: CPU) {
        guard gather.clearedEntries > 0 else { return }
        tlb.flush(space, pages: gather.clearedEntries, on: cpu)
        batches.free(gather.unreachable, count: gather.unreachableCount, on: cpu)
        for index in 0..<gather.referencedCount {
            batches.release(gather.referenced[index], on: cpu)
        }
        gather.unreachableCount = 0
        gather.referencedCount = 0
        gather.clearedEntries = 0
    }
}
