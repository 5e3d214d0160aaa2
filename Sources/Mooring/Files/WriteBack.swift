// SPDX-License-Identifier: Apache-2.0
//
// Writing a device file's dirty pages back.
//
// ORDER   Entries first: each dirty one becomes clean and read-only and marks its frame. Then the
//         frames' marks. A write that comes in between faults, and makes its page dirty again.
// LOCKS   fileMappings over the walk of the mappings; each table's lock; then pageCache.
// RACE    A page that is truncated while it is written leaves the cache at once; the device's
//         reference keeps its frame until the write has ended.

/// Writes dirty pages to the simulated device.
struct WriteBack {
    let cache: PageCache
    let tables: PageTables
    let tlb: TLB
    let device: Device

    /// How many pages around one that reclaim met are written with it.
    static let cluster: UInt64 = 256

    /// Writes pages `first...last` of a file as far as they are dirty, and waits for the device.
    ///
    /// - Returns: `false` if a write has failed since somebody asked last.
    func write(_ file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU) -> Bool {
        guard file.kind == .disk else { return true }
        if let end = start(file, from: first, through: last, on: cpu) {
            device.wait(until: end, on: cpu)
        }
        return !takeError(of: file, on: cpu)
    }

    /// Begins to write the dirty pages around one that reclaim would like to have.
    func start(_ file: FileRef, around offset: UInt64, on cpu: CPU) {
        let first = offset & ~(WriteBack.cluster - 1)
        _ = start(file, from: first, through: first + WriteBack.cluster - 1, on: cpu)
    }

    /// Begins to write pages; returns when the last of them will have been written.
    private func start(
        _ file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU
    ) -> UInt64? {
        cleanMappings(of: file, from: first, through: last, on: cpu)
        var end: UInt64?
        file.forEachBatch(from: first, through: last, on: cpu) { offset, pfn in
            take(pfn, offset, of: file, on: cpu)
        } work: { taken in
            for pfn in taken { end = device.write(pfn, on: cpu) }
        }
        return end
    }

    /// Makes a dirty page clean and hands its bytes over; `false` if there is nothing to wait for.
    ///
    /// Under the cache's lock.
    private func take(_ pfn: PFN, _ offset: UInt64, of file: FileRef, on cpu: CPU) -> Bool {
        let frame = cache.frames[pfn]
        guard frame.clearDirty(on: cpu) else { return false }
        // LINUX: what could not be written is clean afterwards, and lost with its frame; who asks
        // next is told.
        if device.failures.contains(.writes) {
            file.pointer.pointee.hasWriteError = true
            return false
        }
        cpu.count(.pgpgout, Int(pageSize >> 10))
        if cache.keepsBytes {
            file.pointer.pointee.stored.store(cache.memory.bytes(of: pfn), at: offset)
        }
        // A page that was changed while it is written is written again, without a second mark.
        if frame.testAndSet(.writeback) { return false }
        cpu.add(1, to: .writeback, zone: frame.zoneIndex)
        if !Mutation.writesWithoutReference.isActive { frame.counts.add(FrameRef.oneReference) }
        return true
    }

    private func takeError(of file: FileRef, on cpu: CPU) -> Bool {
        file.cacheLock.lock(.pageCache, on: cpu)
        defer { file.cacheLock.unlock(.pageCache, on: cpu) }
        defer { file.pointer.pointee.hasWriteError = false }
        return file.pointer.pointee.hasWriteError
    }

    private func cleanMappings(
        of file: FileRef, from first: UInt64, through last: UInt64, on cpu: CPU
    ) {
        file.lockMappings(on: cpu)
        defer { file.unlockMappings(on: cpu) }
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
