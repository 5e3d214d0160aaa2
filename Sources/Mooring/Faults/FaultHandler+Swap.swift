// SPDX-License-Identifier: Apache-2.0
//
// Faults on pages that were swapped out.
//
// STATE   The entry names a slot. The page's frame is in the swap cache, or is read into it, and is
//         mapped from there; the entry's hold on the slot goes when the frame is mapped.
// LAZY    Neighbours of the slot in its aligned window of 8 are read along ("read-ahead"), as far as
//         entries name them: into the cache, not into page tables.
// RACE    Others may fault on the same slot, or reclaim may take the frame at this moment. A
//         reference taken under the swap lock keeps the frame cached; who loses, looks again.

extension FaultHandler {
    /// log2 of the slots that are read together: `vm.page-cluster`.
    private static let cluster: UInt32 = 3

    /// Maps the page that a swapped entry stands for.
    @inline(never)
    func resolveSwapped(_ fault: Fault, _ table: TableRef, _ seen: Entry) -> FaultOutcome {
        let cpu = fault.cpu
        let slot = seen.swapSlot
        groups.prepare(fault.vma, in: fault.space, on: cpu)
        while true {
            if let pfn = swap.retainCached(slot, on: cpu) {
                return mapSwapped(pfn, fault, table, seen)
            }
            switch readIn(slot, fault) {
            case .again:
                // RACE: the entry may have been resolved by another CPU, and the slot be free.
                if table[TableLevel.pte.index(of: fault.address)] != seen { return .resolved }
            case .noMemory: return outOfMemory(fault)
            case .failed: return .signal(.busPastEnd)
            }
        }
    }

    private enum Arrival {
        case again
        case noMemory
        case failed
    }

    /// Reads a slot's page into the cache, and its neighbours.
    private func readIn(_ slot: UInt32, _ fault: Fault) -> Arrival {
        let cpu = fault.cpu
        let fresh = supply.take(.movable, on: cpu)
        guard fresh != .none else { return .noMemory }
        guard swap.device.waitForRead(on: cpu) else {
            allocator.free(fresh, on: cpu)
            return .failed
        }
        guard readIn(fresh, slot, on: cpu) else { return .again }
        cpu.count(.pgmajfault)
        fault.slot.majorFaults.add(1)
        if !fault.vma.flags.contains(.randomRead) { readAhead(around: slot, on: cpu) }
        return .again
    }

    /// Reads one slot's page; `false` if another CPU was first, or nobody needs it any more.
    private func readIn(_ fresh: PFN, _ slot: UInt32, on cpu: CPU) -> Bool {
        let frame = frames[fresh]
        frame.resetFlags([.anonymous, .swapBacked, .upToDate])
        frame.counts.store(FrameRef.oneReference)
        guard case .done = swap.insert(fresh, frame, slot, on: cpu) else {
            frame.resetFlags([])
            frame.counts.store(0)
            allocator.free(fresh, on: cpu)
            return false
        }
        cpu.count(.pswpin)
        // The reference that it was born with is the batch's.
        counts.batches.addTakingReference(fresh, on: cpu)
        return true
    }

    private func readAhead(around slot: UInt32, on cpu: CPU) {
        let first = slot & ~(1 << FaultHandler.cluster - 1)
        for neighbour in first..<first + 1 << FaultHandler.cluster
        where neighbour != slot && swap.isWorthReading(neighbour, on: cpu) {
            // Nobody is made to give anything up for a guess.
            let fresh = allocator.allocate(order: 0, type: .movable, keeping: .low, on: cpu)
            guard fresh != .none else { return }
            if readIn(fresh, neighbour, on: cpu) {
                cpu.count(.swapRa)
                cpu.state.pointee.clock += clock.devicePage
            }
        }
    }

    /// Maps a cached frame, which the caller holds a reference to, in the place of a swapped entry.
    private func mapSwapped(
        _ pfn: PFN, _ fault: Fault, _ table: TableRef, _ seen: Entry
    ) -> FaultOutcome {
        let cpu = fault.cpu
        let frame = frames[pfn]
        let vma = fault.vma
        let index = TableLevel.pte.index(of: fault.address)
        table.lock(on: cpu)
        guard table[index] == seen else {
            table.unlock(on: cpu)
            swap.release(pfn, frame, on: cpu)
            return .resolved
        }
        // While others may map it too, its owner is the group that all of them are linked to.
        let group = vma.anonGroup.unsafelyUnwrapped
        let owner = seen.isSwapExclusive ? group : group.root
        if frame.ownerNumber != owner.number || frame.mapCount == 0 {
            frame.setOwner(owner.number, pageOffset: vma.pageOffset(of: fault.page))
        }
        counts.map(pfn, frame, isLocked: vma.flags.contains(.locked), on: cpu)
        var bits = FaultHandler.readOnlyBits(vma.flags)
        if seen.isSwapExclusive {
            frame.set(.exclusive)
            if vma.flags.contains(.write) { bits |= Entry.writable }
        }
        if fault.kind == .write, bits & Entry.writable != 0 { bits |= Entry.dirty }
        table.set(index, Entry(frame: pfn, bits: bits))
        table.unlock(on: cpu)
        fault.slot.resident(.anonymous).add(1)
        fault.slot.swapped.add(-1)
        cpu.count(.faultSwapIn)
        swap.release(seen.swapSlot, on: cpu)
        // A page about to change, or that stays, will not be had again from its slot.
        if bits & Entry.dirty != 0 || vma.flags.contains(.locked)
            || swap.freeSlots * 2 < swap.totalSlots
        {
            swap.dropIfUnused(pfn, frame, on: cpu)
        }
        counts.batches.release(pfn, on: cpu)
        return .resolved
    }
}
