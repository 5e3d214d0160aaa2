// SPDX-License-Identifier: Apache-2.0
//
// What the processor does with an address: walk the tables, set the accessed and dirty bits, or
// raise a fault and try again.

/// Accesses to memory by the programs of a machine.
struct MemoryAccess {
    let faults: FaultHandler
    let spaces: AddressSpaces

    var tables: PageTables { faults.tables }

    /// Touches every page of a range in ascending order, up to the first that ends in a signal.
    func touch(
        _ caller: Caller, from start: UInt64, to end: UInt64, _ kind: AccessKind
    ) -> (signal: Signal, address: UInt64)? {
        // The last byte of all has no end that a number could name.
        if start == .max { return (.segmentationUnmapped, start) }
        var address = start
        while address < end {
            let signal = touchRun(
                caller, &address, to: end, kind, ahead: { _, _, _ in }, address: { $0 }
            ) {
                // The next page, or past the end of the address space.
                let next = $0.pageAligned &+ pageSize
                return next == 0 ? end : next
            }
            if let signal { return (signal, address.isCanonical ? address : 0) }
        }
        return nil
    }

    /// Touches pages of a mapping, counted from `start`, in the order given, up to the first that
    /// ends in a signal.
    func touch(
        _ caller: Caller, _ pages: UnsafeBufferPointer<UInt32>, from start: UInt64,
        _ kind: AccessKind
    ) -> (signal: Signal, address: UInt64)? {
        let address = { (position: UInt64) in start + UInt64(pages[Int(position)]) << pageShift }
        let end = UInt64(pages.count)
        var position: UInt64 = 0
        while position < end {
            let stop = min(end, position + MemoryAccess.lookahead)
            let signal = touchRun(
                caller, &position, to: stop, kind,
                ahead: {
                    let part = UnsafeBufferPointer(rebasing: pages[Int($0)..<Int(stop)])
                    prefetch(part, from: start, $1, $2, on: caller.cpu)
                },
                address: address, next: { $0 + 1 })
            if let signal { return (signal, address(position)) }
        }
        return nil
    }

    /// The frame that an address of an address space is mapped to; nil where an access would fault.
    func frame(at address: UInt64, in space: AddressSpace) -> PFN? {
        guard let table = tables.find(root: space.root, address) else { return nil }
        let entry = table[TableLevel.pte.index(of: address)]
        return entry.isPresent ? entry.frame : nil
    }

    /// Touches pages under one hold of the address space's lock, as far as no stack has to grow.
    ///
    /// What is to be touched goes from one position to the `next`, up to `end`; each has an
    /// `address`. `ahead` is told the first position once the lock is held.
    @inline(__always)
    private func touchRun(
        _ caller: Caller, _ position: inout UInt64, to end: UInt64, _ kind: AccessKind,
        ahead: (UInt64, AddressSpace, AddressSpaceSlot) -> Void, address: (UInt64) -> UInt64,
        next: (UInt64) -> UInt64
    ) -> Signal? {
        let space = caller.space
        let cpu = caller.cpu
        let slot = space.slot(of: cpu)
        if Mutation.validatesBeforeLock.isActive { slot.validate(against: space) }
        space.lock.lockShared(.addressSpace, on: cpu)
        if space.isReaped {
            space.lock.unlockShared(.addressSpace, on: cpu)
            return .outOfMemory
        }
        if !Mutation.validatesBeforeLock.isActive { slot.validate(against: space) }
        if !Mutation.runsUnseen.isActive { slot.noteRuns() }
        defer { if Mutation.runsUnseen.isActive { slot.noteRuns() } }
        ahead(position, space, slot)
        while position < end {
            let address = address(position)
            if mark(address, kind, space, slot, on: cpu) {
                position = next(position)
                continue
            }
            switch faults.handle(address, kind, in: space, slot, on: cpu) {
            case .resolved: continue
            case .signal(let signal):
                space.lock.unlockShared(.addressSpace, on: cpu)
                // ORDER: asked without the lock, for the victim's may be this one.
                if signal == .outOfMemory, spaces.outOfMemory.makeRoom(for: space, on: cpu) {
                    return nil
                }
                return signal
            case .growStack:
                space.lock.unlockShared(.addressSpace, on: cpu)
                return spaces.growStack(caller, to: address) ? nil : .segmentationUnmapped
            }
        }
        space.lock.unlockShared(.addressSpace, on: cpu)
        return nil
    }

    /// Does what the processor does with a present page; `false` where it would fault.
    @inline(__always)
    private func mark(
        _ address: UInt64, _ kind: AccessKind, _ space: AddressSpace, _ slot: AddressSpaceSlot,
        on cpu: CPU
    ) -> Bool {
        let table: TableRef
        if slot.region == address >> TableLevel.pmd.rawValue {
            table = slot.table
        } else {
            guard let found = walk(to: address, space, slot, on: cpu) else { return false }
            table = found
        }
        let index = TableLevel.pte.index(of: address)
        let entry = table[index]
        guard entry.isPresent else { return false }
        var wanted = Entry.accessed
        switch kind {
        case .read: break
        case .write:
            guard entry.isWritable else { return false }
            wanted |= Entry.dirty
        case .execute:
            guard entry.isExecutable else { return false }
        }
        if entry.bits & wanted != wanted { return setBits(wanted, table, index, seen: entry) }
        return true
    }

    /// Walks to the table of an address where the slot does not remember it.
    @inline(never)
    private func walk(
        to address: UInt64, _ space: AddressSpace, _ slot: AddressSpaceSlot, on cpu: CPU
    ) -> TableRef? {
        guard address < PageTables.userTop else { return nil }
        faults.tlb.caches?.access(address, in: space, tables, on: cpu)
        guard let table = tables.find(root: space.root, address) else { return nil }
        faults.tlb.remember(table, of: address, in: slot)
        return table
    }

    /// Sets the accessed and dirty bits as the processor does: only while the entry allows it.
    @inline(never)
    private func setBits(_ wanted: UInt64, _ table: TableRef, _ index: Int, seen: Entry) -> Bool {
        // RACE: an unmapping or write-protecting CPU may have changed the entry; then the access
        // faults or walks again, as the processor's would.
        if Mutation.marksWithoutLooking.isActive {
            table.word(index).store(seen.bits | wanted)
            return true
        }
        return table.word(index).replace(seen.bits, by: seen.bits | wanted)
    }

    // MARK: Contents

    /// Copies bytes between a program's memory and a buffer, faulting pages in as needed.
    ///
    /// - Returns: The signal that stopped it, if any, and where.
    func copy(
        _ caller: Caller, at address: UInt64, _ kind: AccessKind,
        _ buffer: UnsafeMutableRawBufferPointer
    ) -> (signal: Signal, address: UInt64)? {
        var position = 0
        while position < buffer.count {
            let current = address + UInt64(position)
            let end = max(current, current &+ 1)
            if let stopped = touch(caller, from: current, to: end, kind) { return stopped }
            let room = Int(pageSize - (current & (pageSize - 1)))
            let count = min(room, buffer.count - position)
            // RACE: the page may have been unmapped since; then the access starts over.
            guard
                copyWithinPage(
                    caller, current, kind,
                    UnsafeMutableRawBufferPointer(rebasing: buffer[position..<position + count]))
            else { continue }
            position += count
        }
        return nil
    }

    private func copyWithinPage(
        _ caller: Caller, _ address: UInt64, _ kind: AccessKind,
        _ buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let space = caller.space
        space.lock.lockShared(.addressSpace, on: caller.cpu)
        defer { space.lock.unlockShared(.addressSpace, on: caller.cpu) }
        guard let table = tables.find(root: space.root, address),
            let memory = buffer.baseAddress
        else { return false }
        table.lock(on: caller.cpu)
        defer { table.unlock(on: caller.cpu) }
        let entry = table[TableLevel.pte.index(of: address)]
        // RACE: since the page was touched its entry may have been cleaned (MADV_FREE, write-back).
        // Bytes written under a clean entry would be lost, so the page is touched again.
        guard entry.isPresent, kind != .write || (entry.isWritable && entry.isDirty) else {
            return false
        }
        let page = faults.memory.bytes(of: entry.frame)
        SchedulingPoint.reach(kind == .write ? .write : .read, page)
        let bytes = page + Int(address & (pageSize - 1))
        if kind == .write {
            bytes.copyMemory(from: memory, byteCount: buffer.count)
        } else {
            memory.copyMemory(from: bytes, byteCount: buffer.count)
        }
        return true
    }
}

extension UInt64 {
    /// Whether an address is one to the processor: bits 47 to 63 are the same.
    ///
    /// LINUX: an access elsewhere is no page fault, and its signal tells no address.
    fileprivate var isCanonical: Bool { self >> 47 == 0 || self >> 47 == (1 << 17) - 1 }
}
