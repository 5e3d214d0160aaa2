// SPDX-License-Identifier: Apache-2.0
//
// The entries of a VMA whose rights have changed, table by table.
//
// LOCKS   The address space's lock, exclusive; each table's lock is taken here.
// RACE    The processor may set an entry's accessed or dirty bit at any time. An entry that has
//         both, or can get neither, is written with a plain store; any other is taken out and put
//         back with what the processor has set meanwhile. That halves the cost of the usual call.

extension AddressSpaces {
    /// What becomes of the bits of each entry.
    private struct BitChange {
        var cleared: UInt64
        var set: UInt64

        @inline(__always)
        func apply(to entry: Entry) -> Entry { Entry(bits: entry.bits & ~cleared | set) }
    }

    /// Who may write a page at once when its VMA has gained the right to.
    private enum WriteGain {
        /// Nobody gains anything; who has the right keeps it.
        case none
        /// Anonymous pages of one address space alone.
        case exclusive
        /// All pages: those of a file in memory.
        case all
        /// Pages that a device will hear of anyway.
        case dirty
    }

    /// Brings the entries of `start..<end` in line with the rights of their VMA, and says which
    /// translations the caller has to flush.
    ///
    /// LINUX: they are flushed where rights were only gained, too; not where there was none.
    func changeProtection(
        of vma: VMARef, _ space: AddressSpace, from start: UInt64, to end: UInt64,
        was old: VMAFlags, _ flushed: inout FlushRange, on cpu: CPU
    ) {
        let flags = vma.flags
        var change = BitChange(cleared: 0, set: 0)
        if flags.isDisjoint(with: .rights) {
            change.cleared = Entry.present | Entry.writable
            change.set = Entry.forbidden
        } else {
            change.cleared = Entry.forbidden
            change.set = Entry.present
            if !flags.contains(.write) { change.cleared |= Entry.writable }
        }
        if flags.contains(.execute) {
            change.cleared |= Entry.executeDisable
        } else {
            change.set |= Entry.executeDisable
        }
        var gain = WriteGain.none
        if flags.contains(.write), !old.contains(.write) {
            gain =
                if !flags.contains(.shared) { .exclusive } else if vma.file?.kind == .memory {
                    .all
                } else { .dirty }
        }
        let hadRights = !old.isDisjoint(with: .rights)
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            if table.frame.liveEntries > 0 {
                table.lock(on: cpu)
                if let live = table.occupied(from: address, to: next),
                    rewrite(table, live.lowerBound, live.upperBound, change, gain) > 0, hadRights
                {
                    flushed.include(TableRef.addresses(of: live, near: address))
                }
                table.unlock(on: cpu)
            }
            address = next
        }
    }

    /// Rewrites the entries of one table that map something; returns how many changed.
    @inline(__always)
    private func rewrite(
        _ table: TableRef, _ first: Int, _ last: Int, _ change: BitChange, _ gain: WriteGain
    ) -> Int {
        var changed = 0
        var index = first
        if case .none = gain {
            while index <= last {
                let entry = table[index]
                if entry.isMapped { changed &+= put(change.apply(to: entry), entry, table, index) }
                index &+= 1
            }
            return changed
        }
        while index <= last {
            let entry = table[index]
            if entry.isMapped {
                var new = change.apply(to: entry)
                if mayWrite(entry, gain) { new = new.with(Entry.writable) }
                changed &+= put(new, entry, table, index)
            }
            index &+= 1
        }
        return changed
    }

    @inline(__always)
    private func mayWrite(_ entry: Entry, _ gain: WriteGain) -> Bool {
        if entry.isUncounted { return false }
        switch gain {
        case .none: return false
        case .exclusive: return frames[entry.frame].has([.anonymous, .exclusive])
        case .all: return true
        case .dirty: return entry.isDirty
        }
    }

    /// Writes an entry if it is another than before; returns 1 if so.
    @inline(__always)
    private func put(_ new: Entry, _ old: Entry, _ table: TableRef, _ index: Int) -> Int {
        if new == old { return 0 }
        if old.mayBeMarkedByProcessor {
            putSlowly(new, table, index)
        } else {
            table.set(index, new)
        }
        return 1
    }

    @inline(never)
    private func putSlowly(_ new: Entry, _ table: TableRef, _ index: Int) {
        let marks = table.take(index).bits & (Entry.accessed | Entry.dirty)
        table.set(index, new.with(marks))
    }
}

extension Entry {
    /// Whether the processor may yet set the accessed or dirty bit of this entry.
    @inline(__always)
    var mayBeMarkedByProcessor: Bool {
        let marks =
            bits & Entry.writable != 0 ? Entry.accessed | Entry.dirty : Entry.accessed
        return isPresent && bits & marks != marks
    }
}
