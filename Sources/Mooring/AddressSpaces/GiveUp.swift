// SPDX-License-Identifier: Apache-2.0
//
// MADV_COLD and MADV_PAGEOUT: pages that a program will not need for a while.
//
// STATE   A page that several address spaces map is left alone: it is not this one's to judge.
// LOCKS   The address space's lock, shared; each table's lock while its entries are looked at, and
//         none while frames are reclaimed.

extension AddressSpaces {
    /// When pages that are not needed are to go.
    enum Haste {
        /// When memory is short (MADV_COLD).
        case leisure
        /// Now (MADV_PAGEOUT).
        case once
    }

    /// Gives up what a part of a VMA has in memory.
    func giveUp(
        _ vma: VMARef, _ space: AddressSpace, from start: UInt64, to end: UInt64, at haste: Haste,
        on cpu: CPU
    ) {
        batches.drain(on: cpu)
        var cooled = FlushRange()
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            let buffer = reclaim.isolated(cpu)
            var isolated = 0
            var isFile = false
            table.lock(on: cpu)
            while address < next, isolated < Reclaimer.batch {
                let index = TableLevel.pte.index(of: address)
                let page = address
                address += pageSize
                let entry = table[index]
                guard entry.isMapped, !entry.isUncounted else { continue }
                let frame = frames[entry.frame]
                guard frame.mapCount == 1 else { continue }
                if entry.isAccessed {
                    _ = table.word(index).clearBits(Entry.accessed)
                    cooled.include(FlushRange(page..<address))
                }
                if frame.has(.referenced) { frame.clear(.referenced) }
                switch haste {
                case .leisure:
                    frame.counts.add(FrameRef.oneReference)
                    batches.requestTakingReference(.deactivate, entry.frame, on: cpu)
                case .once:
                    buffer[isolated] = entry.frame
                    isolated += 1
                }
            }
            // RACE: who has isolated one decides what becomes of it.
            isolated = batches.isolate(buffer, count: isolated, on: cpu)
            table.unlock(on: cpu)
            for index in 0..<isolated {
                let frame = frames[buffer[index]]
                if frame.has(.active) { frame.clear(.active) }
                isFile = !frame.has(.swapBacked)
            }
            if isolated > 0 { reclaim.reclaimNow(isolated, isFile: isFile, on: cpu) }
        }
        tlb.flush(space, cooled, on: cpu)
        batches.drain(on: cpu)
    }
}
