// SPDX-License-Identifier: Apache-2.0
//
// Writing a device file's dirty pages back.
//
// ORDER   Entries first: each dirty one becomes clean and read-only and marks its frame. Then the
//         frames' marks. A write that comes in between faults, and makes its page dirty again.
// LOCKS   fileMappings over the walk of the mappings; each table's lock; then pageCache.

/// Writes dirty pages to the simulated device.
struct WriteBack {
    let cache: PageCache
    let tables: PageTables
    let tlb: TLB

    /// Writes pages `first...last` of a file as far as they are dirty.
    func write(_ file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU) {
        guard file.kind == .disk else { return }
        cleanMappings(of: file, from: first, through: last, on: cpu)
        file.cacheLock.lock(.pageCache, on: cpu)
        defer { file.cacheLock.unlock(.pageCache, on: cpu) }
        var position = first
        while let (offset, pfn) = file.index.firstPresent(from: position), offset <= last {
            let frame = cache.frames[pfn]
            if frame.clearDirty(on: cpu) { cpu.count(.pgpgout, Int(pageSize >> 10)) }
            position = offset &+ 1
        }
    }

    private func cleanMappings(
        of file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU
    ) {
        file.mappingsLock.lock(.fileMappings, on: cpu)
        defer { file.mappingsLock.unlock(.fileMappings, on: cpu) }
        var node = file.mappings.first(overlapping: first, last)
        while let current = node {
            node = file.mappings.next(after: current, overlapping: first, last)
            // SAFETY: a file's tree holds the nodes of VMAs, which name their VMA as owner.
            let vma = VMARef(
                pointer: current.pointee.owner.unsafelyUnwrapped
                    .assumingMemoryBound(to: VMAState.self))
            guard vma.flags.contains(.shared) else { continue }
            let from = max(first, current.pointee.first) - current.pointee.first
            let to = min(last, current.pointee.last) - current.pointee.first + 1
            clean(
                vma, from: vma.start + from << pageShift, to: vma.start + to << pageShift, on: cpu)
        }
    }

    private func clean(_ vma: VMARef, from start: UInt64, to end: UInt64, on cpu: CPU) {
        let space = vma.addressSpace
        // LINUX: flushed page by page; here once for what the VMA has.
        var cleaned = FlushRange()
        tlb.beginWithdrawal(in: space)
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            table.lock(on: cpu)
            for index in TableLevel.pte.index(of: address)...TableLevel.pte.index(of: next - 1) {
                let entry = table[index]
                guard entry.isMapped, entry.bits & (Entry.dirty | Entry.writable) != 0 else {
                    continue
                }
                // RACE: in one operation, so that faults and mincore, which look without the
                // table's lock, never find the page absent.
                let final = Entry(
                    bits: table.word(index).clearBits(Entry.dirty | Entry.writable))
                if final.isDirty { cache.frames[final.frame].markDirty(on: cpu) }
                cleaned.include(TableRef.addresses(of: index...index, near: address))
            }
            table.unlock(on: cpu)
            address = next
        }
        tlb.flush(space, cleaned, on: cpu)
        tlb.endWithdrawal(in: space)
    }
}
