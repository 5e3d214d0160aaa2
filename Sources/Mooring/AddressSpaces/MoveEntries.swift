// SPDX-License-Identifier: Apache-2.0
//
// Moving the page tables of a range to another one of the same address space, for mremap.
//
// ORDER      All tables that the destination needs are made first, so that the move itself cannot
//            fail half-way.
// INVARIANT  A walk of a reverse map finds a page at its old place or at its new one: each table's
//            worth moves under one hold of the locks of the file's mappings and of the group.
// LOCKS      fileMappings, anonymousGroup, then the tables: lower address first. Where all 512
//            entries of a table keep their order the table itself moves, by its entry one level
//            up, under the upper tables' lock.

extension AddressSpaces {
    /// A piece of the range that lies in one table at either end.
    private struct Step {
        let source: UInt64
        let destination: UInt64
        let length: UInt64

        init(at source: UInt64, end: UInt64, destination: UInt64) {
            self.source = source
            self.destination = destination
            length = min(
                min(end, TableLevel.pmd.next(after: source)) - source,
                TableLevel.pmd.next(after: destination) - destination)
        }

        /// Whether it is a whole table at both ends.
        var isWholeTable: Bool { length == 1 << TableLevel.pmd.rawValue }
    }

    /// Makes the tables that the entries of a range need at another place; `false` when frames
    /// run out.
    func makeTables(
        toMove old: UInt64, to new: UInt64, end: UInt64, in space: AddressSpace, on cpu: CPU
    ) -> Bool {
        // LINUX: where the source has a table of the second level, the destination gets one above
        // that, whatever the source's holds.
        for offset in [0, end - old - 1]
        where tables.findPMDTable(root: space.root, old + offset) != nil {
            guard tables.makeUppermost(in: space, new &+ offset, on: cpu) else { return false }
        }
        var address = old
        while tables.nextTable(root: space.root, &address, end: end) != nil {
            let step = Step(at: address, end: end, destination: new &+ (address &- old))
            address += step.length
            // LINUX: a table that holds nothing moves too.
            let isMade =
                step.isWholeTable
                ? tables.makePMDTable(in: space, step.destination, on: cpu) != nil
                : tables.make(in: space, step.destination, on: cpu) != nil
            if !isMade { return false }
        }
        return true
    }

    /// Moves the entries of a range to another, for which ``makeTables(toMove:to:end:in:on:)`` has
    /// made the tables, and withdraws the old translations.
    func moveEntries(
        of vma: VMARef, from old: UInt64, to new: UInt64, end: UInt64, in space: AddressSpace,
        on cpu: CPU
    ) {
        let file = Mutation.movesUnseen.isActive ? nil : vma.file
        let groupLock = vma.firstLink?.pointee.group.lock
        var address = old
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let step = Step(at: address, end: end, destination: new &+ (address &- old))
            address += step.length
            file?.lockMappings(on: cpu)
            groupLock?.lock(.anonymousGroup, on: cpu)
            var moved = table.frame.liveEntries
            if !step.isWholeTable || !moveTable(step, in: space, on: cpu) {
                moved = moveEntries(step, of: table, in: space, on: cpu)
            }
            // ORDER: flushed before a walk of the reverse map can find the pages at their new
            // place, whose translations alone it withdraws before it frees them.
            let flushesLate = Mutation.flushesMoveLate.isActive
            if moved > 0, !flushesLate { flush(step, in: space, on: cpu) }
            groupLock?.unlock(.anonymousGroup, on: cpu)
            file?.unlockMappings(on: cpu)
            if moved > 0, flushesLate { flush(step, in: space, on: cpu) }
        }
        space.noteTablesChanged()
    }

    @inline(__always)
    private func flush(_ step: Step, in space: AddressSpace, on cpu: CPU) {
        tlb.flush(space, FlushRange(step.source..<step.source + step.length), on: cpu)
    }

    /// Hangs a whole table up at its new place; `false` where another one hangs there.
    @inline(__always)
    private func moveTable(_ step: Step, in space: AddressSpace, on cpu: CPU) -> Bool {
        guard let from = tables.findPMDTable(root: space.root, step.source),
            let to = tables.findPMDTable(root: space.root, step.destination)
        else { return false }
        let source = TableLevel.pmd.index(of: step.source)
        let destination = TableLevel.pmd.index(of: step.destination)
        space.upperLock.lock(.pageTable, on: cpu)
        defer { space.upperLock.unlock(.pageTable, on: cpu) }
        guard to[destination].isEmpty else { return false }
        let entry = from[source]
        from.set(source, .empty)
        from.frame.liveEntries -= 1
        to.frame.liveEntries += 1
        to.word(destination).storeReleasing(entry.bits)
        return true
    }

    /// Moves entries one by one; returns how many.
    private func moveEntries(
        _ step: Step, of from: TableRef, in space: AddressSpace, on cpu: CPU
    ) -> Int {
        // `makeTables` has made it, unless a whole table could not be hung up for another one.
        guard let to = tables.find(root: space.root, step.destination) else { return 0 }
        let isSame = from.entries == to.entries
        let isUpward = step.source < step.destination
        if isSame {
            from.lock(on: cpu)
        } else {
            (isUpward ? from : to).lock(on: cpu)
            (isUpward ? to : from).lock(on: cpu, nests: true)
        }
        let first = TableLevel.pte.index(of: step.source)
        let distance = TableLevel.pte.index(of: step.destination) &- first
        let last = first &+ Int(step.length >> pageShift)
        var moved = 0
        var index = first
        while index < last {
            let entry = from[index]
            if !entry.isEmpty {
                // RACE: as in ProtectionChange: the processor may be marking the entry.
                if entry.mayBeMarkedByProcessor {
                    to.set(index &+ distance, from.take(index))
                } else {
                    from.set(index, .empty)
                    to.set(index &+ distance, entry)
                }
                moved &+= 1
            }
            index &+= 1
        }
        from.frame.liveEntries -= moved
        to.frame.liveEntries += moved
        to.unlock(on: cpu)
        if !isSame { from.unlock(on: cpu) }
        return moved
    }
}
