// SPDX-License-Identifier: Apache-2.0
//
// mprotect(2).
//
// STATE      What a VMA allows is in its flags; each of its entries says as much of that to the
//            processor as it may without a fault.
// INVARIANT  An entry of a VMA without rights is forbidden, any other that maps a frame is present.
//            An entry is executable exactly if its VMA is, and writable only if its VMA is.
// LOCKS      The address space's lock, exclusive; each table's lock while its entries change.
// LAZY       A page that gains the right to write becomes writable at once only where nobody needs
//            to hear of the first write: an anonymous page of this address space alone, a page of
//            a file in memory, a dirty page of a device's file. A fault completes the others.
// SEE        ProtectionChange.swift for the entries.

extension AddressSpaces {
    /// Changes what may be done with a range.
    ///
    /// What lies before a hole or before an error is changed although the call fails.
    func mprotect(
        _ caller: Caller, address: UInt64, length: UInt64, protection: Protection
    ) throws(Errno) {
        let bounds: Protection = [.growsDown, .growsUp]
        guard !protection.contains(bounds), address.isPageAligned else { throw .EINVAL }
        guard length != 0 else { return }
        let end = address &+ length.roundedUpToPages
        guard end > address else { throw .ENOMEM }
        guard protection.subtracting(bounds).isSubset(of: .known) else { throw .EINVAL }
        var rest = Rest()
        var failure: Errno?
        do {
            caller.space.lock.lock(.addressSpace, on: caller.cpu)
            defer { caller.space.lock.unlock(.addressSpace, on: caller.cpu) }
            do throws(Errno) {
                try protectLocked(caller, from: address, to: end, protection, &rest)
            } catch {
                failure = error
            }
            tlb.flush(caller.space, rest.flushed, on: caller.cpu)
        }
        for populated in rest.populated {
            // mprotect has succeeded by then; a page that cannot come is a fault's affair.
            _ = populate(
                caller.space, from: populated.lowerBound, to: populated.upperBound,
                skipsUnlocked: true, on: caller.cpu)
        }
        if let failure { throw failure }
    }

    /// What is left to do once all VMAs have their new rights.
    private struct Rest {
        /// Translations to withdraw before the lock is given back.
        var flushed = FlushRange()
        /// Locked memory that became writable, area by area: it has to be present before the call
        /// returns.
        var populated: [Range<UInt64>] = []
    }

    private func protectLocked(
        _ caller: Caller, from start: UInt64, to end: UInt64, _ protection: Protection,
        _ rest: inout Rest
    ) throws(Errno) {
        guard var vma = caller.space.tree.find(start), vma.start < end,
            vma.start <= start || protection.contains(.growsDown)
        else { throw .ENOMEM }
        var address = start
        if protection.contains(.growsDown) {
            // The range may begin in the hole that the stack will grow into.
            guard vma.flags.contains(.growsDown) else { throw .EINVAL }
            address = vma.start
        } else if protection.contains(.growsUp) {
            // No VMA grows upwards on x86-64.
            throw .EINVAL
        }
        let rights = VMAFlags(protection)
        while true {
            let stop = min(end, vma.end)
            let merged = try protect(caller, vma, from: address, to: stop, rights, &rest)
            // What a neighbour has merged with has these rights already.
            address = min(end, max(stop, merged.end))
            if address >= end { return }
            guard let next = merged.next, next.start == address else { throw .ENOMEM }
            vma = next
        }
    }

    /// Gives a part of one VMA other rights; returns the VMA that it is in then.
    private func protect(
        _ caller: Caller, _ vma: VMARef, from start: UInt64, to end: UInt64, _ rights: VMAFlags,
        _ rest: inout Rest
    ) throws(Errno) -> VMARef {
        let space = caller.space
        let old = vma.flags
        guard rights.isSubset(of: old.permitted) else { throw .EACCES }
        if rights == old.intersection(.rights) { return vma }
        // The kernel's own pages (vdso) cannot be changed.
        guard vma.attributes.name.isChangeable else { throw .EINVAL }

        let pages = Int((end - start) >> pageShift)
        var new = old.subtracting(.rights).union(rights)
        let isGain = new.contains(.write) && !old.contains(.write)
        var isCharged = false
        if isGain {
            // LINUX: the limit on data does not bind where that on address space is exceeded.
            if new.isPrivateWritable, !caller.mayGrowData(by: pages), caller.mayGrow(by: pages) {
                throw .ENOMEM
            }
            if old.isDisjoint(with: [.accounted, .shared, .noReserve, .hugeTLB]) {
                guard
                    commitment.charge(
                        pages, to: space, isAdmin: caller.process.pointer.pointee.isAdmin)
                else { throw .ENOMEM }
                new.insert(.accounted)
                isCharged = true
            }
        }
        // A promise for pages that were never made, and cannot be made now, is taken back.
        let isDropped =
            old.contains(.accounted) && !new.contains(.write) && vma.anonGroup == nil
            && vma.file == nil
        if isDropped { new.remove(.accounted) }
        let merged: VMARef
        do {
            merged = try setFlags(new, of: vma, from: start, to: end, in: space, on: caller.cpu)
        } catch {
            if isCharged { commitment.uncharge(pages) }
            throw error
        }
        if isDropped { commitment.uncharge(pages) }
        changeProtection(
            of: merged, space, from: start, to: end, was: old, &rest.flushed, on: caller.cpu)
        // LINUX: shared memory, which a lock only reads, is as present as it was.
        if isGain, new.contains(.locked), new.isDisjoint(with: [.lockOnFault, .shared]),
            !Mutation.protectPopulatesNothing.isActive
        {
            rest.populated.append(start..<end)
            // The kernel populates at once, and so decides the group before later areas change;
            // at a guard it ends before it has one.
            let first = tables.find(root: space.root, start)?[TableLevel.pte.index(of: start)]
            if first?.isGuard != true { groups.prepare(merged, in: space, on: caller.cpu) }
        }
        return merged
    }
}

extension Protection {
    /// The rights, and PROT_SEM, which means nothing here but is accepted.
    fileprivate static let known: Protection = [
        .read, .write, .execute, Protection(rawValue: 8),
    ]
}

extension VMAFlags {
    /// The rights that may ever be given.
    fileprivate var permitted: VMAFlags {
        var rights: VMAFlags = []
        if contains(.mayRead) { rights.insert(.read) }
        if contains(.mayWrite) { rights.insert(.write) }
        if contains(.mayExecute) { rights.insert(.execute) }
        return rights
    }
}

extension VMAName {
    /// Whether its rights may be changed: the kernel's own pages keep theirs.
    fileprivate var isChangeable: Bool {
        switch self {
        case .none, .stack: true
        case .vdso, .vvar, .vvarClock: false
        }
    }
}
