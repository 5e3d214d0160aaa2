// SPDX-License-Identifier: Apache-2.0
//
// Writes to pages that are present but not writable: shared after a fork, the zero page, a file's
// page in a private mapping, a device's page in a shared one.
//
// INVARIANT  An anonymous frame with `exclusive` is mapped by one address space, which may write it
//            in place. Fork clears the mark in both parent and child, under the table's lock.

extension FaultHandler {
    /// Resolves a write to a present entry without the right to write.
    @inline(never)
    func resolveWriteProtected(_ fault: Fault, _ table: TableRef, _ seen: Entry) -> FaultOutcome {
        let cpu = fault.cpu
        let index = TableLevel.pte.index(of: fault.address)
        if seen.isUncounted { return replace(fault, table, seen, source: nil) }
        let frame = frames[seen.frame]
        if fault.vma.flags.contains(.shared) {
            table.lock(on: cpu)
            defer { table.unlock(on: cpu) }
            // RACE: unmapped or made writable since it was looked at: the access is tried again.
            guard table[index] == seen || Mutation.notesWriteWithoutLooking.isActive else {
                return .resolved
            }
            table.set(index, seen.with(Entry.writable | Entry.dirty | Entry.accessed))
            frame.markDirty(on: cpu)
            cpu.count(.faultFileShared)
            return .resolved
        }
        if frame.has(.anonymous), mayReuseHint(fault, frame) {
            table.lock(on: cpu)
            // Judged again under the lock: a fork may have shared the frame since.
            if table[index] == seen && isSoleUser(frame) || Mutation.reusesWithoutLooking.isActive {
                frame.set(.exclusive)
                table.set(index, seen.with(Entry.writable | Entry.dirty | Entry.accessed))
                cpu.count(.faultReuse)
                cpu.count(.pgreuse)
            }
            table.unlock(on: cpu)
            return .resolved
        }
        return replace(fault, table, seen, source: seen.frame)
    }

    /// Whether this mapping is all that holds an anonymous frame.
    @inline(__always)
    private func isSoleUser(_ frame: FrameRef) -> Bool {
        // RACE: another address space cannot raise the counts again once they are down to this
        // mapping: it would need a mapping or a reference of its own to find the frame by, and a
        // fork of this one needs the lock that the fault holds shared.
        // ORDER: acquiring, so that whoever let go of the frame has read it before it is written.
        frame.has(.exclusive) || frame.counts.loadAcquiring() == FrameRef.oneMapping
    }

    /// Whether the last sharer writes in place, as far as can be seen without the table's lock.
    ///
    /// A reference may be this CPU's own batch's.
    @inline(__always)
    private func mayReuseHint(_ fault: Fault, _ frame: FrameRef) -> Bool {
        if isSoleUserHint(frame) { return true }
        // RACE: the frame may leave the cache, and be freed, at any moment: what is asked of it here
        // is judged again under the table's lock, and the swap lock decides who drops it.
        if frame.has(.swapCached) { dropSwapCopy(of: fault, frame) }
        guard frame.mapCount == 1, counts.batches.hasWaiting(on: fault.cpu) else { return false }
        counts.batches.drain(on: fault.cpu)
        return isSoleUserHint(frame)
    }

    /// As ``isSoleUser(_:)``, of a frame that may have been freed since its entry was read.
    ///
    /// RACE: MADV_DONTNEED or truncation may have taken it away, and others may use it by now.
    /// Whichever way the fault takes, it looks under the table's lock whether the entry is the same.
    @inline(__always)
    private func isSoleUserHint(_ frame: FrameRef) -> Bool {
        frame.has(.exclusive) || frame.counts.load() == FrameRef.oneMapping
    }

    /// Takes the frame behind an entry out of the swap cache if no entry names its slot, so that the
    /// last who has it need not copy it.
    private func dropSwapCopy(of fault: Fault, _ frame: FrameRef) {
        guard let table = tables.find(root: fault.space.root, fault.address) else { return }
        table.lock(on: fault.cpu)
        defer { table.unlock(on: fault.cpu) }
        // The entry keeps the frame while the table is locked.
        let entry = table[TableLevel.pte.index(of: fault.address)]
        guard entry.isMapped, frames[entry.frame].pointer == frame.pointer else { return }
        swap.dropIfUnused(entry.frame, frame, on: fault.cpu)
    }

    /// Puts a new anonymous page in the place of a shared one, or of the zero page.
    private func replace(
        _ fault: Fault, _ table: TableRef, _ seen: Entry, source: PFN?
    ) -> FaultOutcome {
        let cpu = fault.cpu
        groups.prepare(fault.vma, in: fault.space, on: cpu)
        let index = TableLevel.pte.index(of: fault.address)
        var copy = supply.takeFree(.movable, on: cpu)
        // LOCKS: a reference, while a frame is looked for. Reclaim could take the very page that is
        // to be copied otherwise: it would be read in again, and a frame be wanted again, for ever.
        var held = PFN.none
        defer { if held != .none { swap.release(held, frames[held], on: cpu) } }
        if copy == .none {
            if let source {
                table.lock(on: cpu)
                if table[index] == seen { held = source }
                if held != .none { frames[held].counts.add(FrameRef.oneReference) }
                table.unlock(on: cpu)
                if held == .none { return .resolved }
            }
            copy = supply.take(.movable, on: cpu)
        }
        guard copy != .none else { return outOfMemory(fault) }
        table.lock(on: cpu)
        guard table[index] == seen || Mutation.replacesWithoutLooking.isActive else {
            table.unlock(on: cpu)
            // RACE: another CPU replaced or removed the page; the access is tried again.
            allocator.free(copy, on: cpu)
            return .resolved
        }
        if keepsBytes, !Mutation.copiesLate.isActive {
            // The source is mapped here and the table is locked, so it stays what it is.
            if let source { memory.copy(source, to: copy) } else { memory.zero(copy) }
        }
        tlb.beginWithdrawal(in: fault.space)
        let flushesFirst = Mutation.flushesFirst.isActive
        if flushesFirst { flush(fault) }
        install(copy, frames[copy], fault, table, index)
        var leftover = MapCounts.Leftover.referenced
        if let source {
            let frame = frames[source]
            fault.slot.resident(MapCounts.residentKind(frame.flags)).add(-1)
            leftover = counts.unmap(
                source, frame, isLocked: fault.vma.flags.contains(.locked), on: cpu)
            cpu.count(.faultCopyOnWrite)
        } else {
            cpu.count(.faultAnonymous)
        }
        table.unlock(on: cpu)
        if fault.vma.flags.contains(.locked) { counts.batches.settleUnlocks(with: map, on: cpu) }
        fault.slot.resident(.anonymous).add(1)
        // ORDER: flushed before the old frame's reference goes.
        if !flushesFirst { flush(fault) }
        tlb.endWithdrawal(in: fault.space)
        if let source {
            switch leftover {
            case .unreachable:
                var freed = source
                counts.batches.free(&freed, count: 1, on: cpu)
            case .referenced: swap.release(source, frames[source], on: cpu)
            }
        }
        if Mutation.copiesLate.isActive, let source {
            table.lock(on: cpu)
            memory.copy(source, to: copy)
            table.unlock(on: cpu)
        }
        return .resolved
    }

    /// Withdraws the translations of the faulting page.
    @inline(__always)
    private func flush(_ fault: Fault) {
        tlb.flush(
            fault.space, FlushRange(fault.page..<fault.page + pageSize), on: fault.cpu)
    }
}
