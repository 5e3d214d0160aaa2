// SPDX-License-Identifier: Apache-2.0
//
// fork(2) of an address space: VMAs are copied, private pages are shared until one side writes.
//
// INVARIANT  After a fork no anonymous frame of a private VMA is writable or `exclusive` in either.
// LAZY       VMAs that hold no private page of their own get no tables: the child faults its pages
//            in again. Shared mappings and untouched ones are so forked for nothing.
// LOCKS      The parent's address space, exclusive. The child's needs none yet, but reverse-map
//            walks reach its tables once its VMAs are linked, so their locks are taken: the
//            parent's before the child's.

extension AddressSpaces {
    /// A copy of the caller's address space.
    ///
    /// Locks are not inherited: mlock(2).
    ///
    /// - Throws: `ENOMEM` when frames or the commit limit run out; nothing is left behind.
    func fork(_ caller: Caller) throws(Errno) -> AddressSpace {
        let parent = caller.space
        let cpu = caller.cpu
        let child = makeSpace(on: cpu)
        do throws(Errno) {
            let shares = Mutation.forkShares.isActive
            let inheritsFuture =
                Mutation.forkLooksBeforeLock.isActive && parent.pointer.pointee.futureLock.isEmpty
            parent.lock.lock(.addressSpace, on: cpu, shares: shares)
            defer { parent.lock.unlock(.addressSpace, on: cpu, shares: shares) }
            batches.drain(on: cpu)
            // Also after a failure: entries have lost the right to write by then.
            defer { tlb.flush(parent, .all, on: cpu) }
            copyLayout(from: parent, to: child)
            if inheritsFuture {
                child.pointer.pointee.futureLock = parent.pointer.pointee.futureLock
            }
            var vma = parent.tree.first
            while let original = vma {
                vma = original.next
                if original.flags.contains(.dontCopy) { continue }
                try copyVMA(original, from: parent, to: child, caller)
            }
        } catch {
            release(child, on: cpu)
            throw error
        }
        return child
    }

    private func copyLayout(from parent: AddressSpace, to child: AddressSpace) {
        child.pointer.pointee.mapTop = parent.pointer.pointee.mapTop
        child.pointer.pointee.breakStart = parent.pointer.pointee.breakStart
        child.pointer.pointee.hasMappedStack = parent.pointer.pointee.hasMappedStack
        child.pointer.pointee.codePages = parent.pointer.pointee.codePages
        child.pointer.pointee.breakEnd = parent.pointer.pointee.breakEnd
        child.pointer.pointee.stackStart = parent.pointer.pointee.stackStart
    }

    private func copyVMA(
        _ original: VMARef, from parent: AddressSpace, to child: AddressSpace, _ caller: Caller
    ) throws(Errno) {
        let cpu = caller.cpu
        let flags = original.flags.subtracting(.lockMask)
        if flags.contains(.accounted) {
            guard
                commitment.charge(
                    original.pageCount, to: parent,
                    isAdmin: caller.process.pointer.pointee.isAdmin)
            else { throw .ENOMEM }
        }
        // ORDER: a file's tree keeps mappings of the same offset in order of insertion, so that a
        // truncation's walk comes to the parent's before the child's. What it has taken from the
        // parent is not copied, and what was copied before it finds in the child.
        let copy = addCopy(of: original, flags: flags, to: child, on: cpu)
        guard !flags.contains(.wipeOnFork) else { return }
        groups.fork(from: original, to: copy, on: cpu)
        guard original.anonGroup != nil || original.flags.contains(.guarded) else { return }
        try copyPages(original, from: parent, to: child, copy, on: cpu)
        if Mutation.linksCopyLast.isActive { linkFile(copy, on: cpu) }
    }

    private func copyPages(
        _ original: VMARef, from parent: AddressSpace, to child: AddressSpace, _ copy: VMARef,
        on cpu: CPU
    ) throws(Errno) {
        var address = original.start
        while let (source, destination) = try tables.nextTable(
            root: parent.root, &address, end: original.end, mirroredIn: child, on: cpu)
        {
            let next = min(original.end, TableLevel.pmd.next(after: address))
            if source.frame.liveEntries > 0 {
                copyEntries(
                    source, destination, child, from: address, to: next,
                    isPrivate: !original.flags.contains(.shared), on: cpu)
            }
            address = next
        }
    }

    /// Counts a swapped entry's copy; neither is the only one then.
    private func copySwapped(
        _ entry: Entry, _ source: TableRef, _ index: Int, _ child: AddressSpace, on cpu: CPU
    ) {
        swap.retain(entry.swapSlot, on: cpu)
        source.set(index, entry.without(Entry.swapExclusive))
        child.slot(of: cpu).swapped.add(1)
    }

    @inline(__always)
    private func copyEntries(
        _ source: TableRef, _ destination: TableRef, _ child: AddressSpace, from start: UInt64,
        to end: UInt64, isPrivate: Bool, on cpu: CPU
    ) {
        var copied = InlineArray<3, Int>(repeating: 0)
        var entries = 0
        source.lock(on: cpu)
        destination.lock(on: cpu, nests: true)
        for index in TableLevel.pte.index(of: start)...TableLevel.pte.index(of: end - 1) {
            var entry = source[index]
            if !entry.isMapped {
                if entry.isSwapped { copySwapped(entry, source, index, child, on: cpu) }
                if entry.isGuard || entry.isSwapped {
                    destination.set(index, entry.without(Entry.swapExclusive))
                    entries += 1
                }
                continue
            }
            entries += 1
            if entry.isUncounted {
                destination.set(index, entry.without(Entry.accessed))
                continue
            }
            let frame = frames[entry.frame]
            let flags = frame.flags
            if flags.contains([.anonymous, .exclusive]) { frame.clear(.exclusive) }
            if isPrivate, entry.isWritable {
                entry = entry.without(Entry.writable)
                source.set(index, entry)
            }
            // LINUX: what the child writes to shared memory is noted anew.
            if !isPrivate { entry = entry.without(Entry.dirty) }
            copied[MapCounts.residentKind(flags).rawValue] += 1
            counts.map(entry.frame, frame, isLocked: false, on: cpu)
            destination.set(index, entry.without(Entry.accessed))
        }
        destination.frame.liveEntries += entries
        destination.unlock(on: cpu)
        source.unlock(on: cpu)
        let slot = child.slot(of: cpu)
        slot.resident(.anonymous).add(copied[0])
        slot.resident(.file).add(copied[1])
        slot.resident(.sharedMemory).add(copied[2])
    }
}
