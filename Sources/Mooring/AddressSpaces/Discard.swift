// SPDX-License-Identifier: Apache-2.0
//
// Advice about pages: MADV_FREE, MADV_REMOVE, MADV_WILLNEED.
//
// LAZY    A page given free keeps its contents until reclaim takes it, or until it is written again:
//         its entry loses the accessed and dirty bits, its frame the swap-backed flag and its place
//         among anonymous frames. Reclaim drops it while it is clean, and takes it back into use
//         when it finds it dirty.
// LOCKS   The address space's lock, shared; each table's lock.

extension AddressSpaces {
    /// MADV_FREE: says that nobody needs the contents of a range's pages.
    func freeLazily(
        from start: UInt64, to end: UInt64, _ gathering: inout Gathering, on cpu: CPU
    ) {
        batches.drain(on: cpu)
        var address = start
        while let table = tables.nextTable(root: gathering.space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            if table.frame.liveEntries > 0 {
                table.lock(on: cpu)
                for index in TableLevel.pte.index(of: address)...TableLevel.pte.index(of: next - 1)
                where freeLazily(table, index, gathering.space, on: cpu) {
                    gathering.range.include(TableRef.addresses(of: index...index, near: address))
                }
                table.unlock(on: cpu)
            }
            address = next
        }
    }

    /// Returns whether the entry had to be changed.
    @inline(__always)
    private func freeLazily(
        _ table: TableRef, _ index: Int, _ space: AddressSpace, on cpu: CPU
    ) -> Bool {
        let entry = table[index]
        if entry.isSwapped {
            // Nothing would be won by keeping what is out of memory already.
            table.set(index, .empty)
            table.frame.liveEntries -= 1
            space.slot(of: cpu).swapped.add(-1)
            swap.release(entry.swapSlot, on: cpu)
            return false
        }
        guard entry.isMapped, !entry.isUncounted else { return false }
        let pfn = entry.frame
        let frame = frames[pfn]
        guard frame.has(.anonymous) else { return false }
        if !frame.flags.isDisjoint(with: [.swapCached, .dirty]) {
            // A forked relative that maps it too needs it.
            guard frame.mapCount == 1 else { return false }
            // A copy in swap would bring back what nobody needs.
            if frame.has(.swapCached), !swap.dropIfUnused(pfn, frame, on: cpu) { return false }
            frame.clear(.dirty)
        }
        let marks = Entry.accessed | Entry.dirty
        if frame.has(.swapBacked) {
            frame.counts.add(FrameRef.oneReference)
            batches.requestTakingReference(.lazyFree, pfn, on: cpu)
        }
        guard entry.bits & marks != 0 else { return false }
        // RACE: in one operation, so that faults and mincore, which look without the table's lock,
        // never find the page absent.
        if Mutation.cleansInTwoSteps.isActive {
            table.set(index, Entry(bits: table.take(index).bits & ~marks))
        } else {
            _ = table.word(index).clearBits(marks)
        }
        return true
    }

    /// MADV_REMOVE: punches a hole into the file behind a shared mapping.
    func removePages(
        _ vma: VMARef, from start: UInt64, to end: UInt64, on cpu: CPU
    ) throws(Errno) {
        guard !vma.flags.contains(.locked), let file = vma.file else { throw .EINVAL }
        guard vma.flags.contains([.shared, .mayWrite]) else { throw .EACCES }
        guard file.seals.isDisjoint(with: .againstWriting) else { throw .EPERM }
        Truncation(cache: cache, unmapper: unmapper).punchHole(
            in: file, offset: vma.pageOffset(of: start) << pageShift, length: end - start, on: cpu)
    }

    /// MADV_WILLNEED: reads a device's pages into the page cache; nothing waits for them.
    func readAhead(_ vma: VMARef, from start: UInt64, to end: UInt64, on cpu: CPU) {
        guard let file = vma.file, file.kind == .disk else { return }
        var offset = vma.pageOffset(of: start)
        let last = min(vma.pageOffset(of: end), file.pageCount)
        while offset < last {
            // Where memory ends, reading ahead just ends too.
            guard case .found(_, let broughtIn) = cache.ensure(file, offset, on: cpu) else {
                return
            }
            if broughtIn { cpu.count(.pgpgin, Int(pageSize >> 10)) }
            offset += 1
        }
    }
}
