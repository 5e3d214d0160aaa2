// SPDX-License-Identifier: Apache-2.0
//
// brk(2), and the growth of stacks.

extension AddressSpaces {
    /// Moves the end of the heap; 0 asks where it is.
    ///
    /// - Returns: Where the end is now: the old one on any failure.
    func brk(_ caller: Caller, _ requested: UInt64) -> UInt64 {
        let space = caller.space
        let (result, populated) = moveBreak(caller, requested)
        if let populated {
            _ = populate(
                space, from: populated.lowerBound, to: populated.upperBound, on: caller.cpu)
        }
        return result
    }

    private func moveBreak(
        _ caller: Caller, _ requested: UInt64
    ) -> (result: UInt64, populated: Range<UInt64>?) {
        let space = caller.space
        let state = space.pointer
        space.lock.lock(.addressSpace, on: caller.cpu)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
        let current = state.pointee.breakEnd
        // A process that never called execve has no heap.
        guard state.pointee.breakStart != 0, requested >= state.pointee.breakStart,
            requested <= limits.userEnd
        else { return (current, nil) }
        let (heapBytes, _) = requested.subtractingReportingOverflow(state.pointee.breakStart)
        let limit = caller.process.limit(.data)
        if limit != .max, heapBytes > limit { return (current, nil) }
        let old = current.roundedUpToPages
        let new = requested.roundedUpToPages
        if new == old {
            state.pointee.breakEnd = requested
            return (requested, nil)
        }
        if new < old {
            // LINUX: a heap that was moved away or unmapped by other means does not shrink.
            guard let vma = space.tree.find(new), vma.start < old else { return (current, nil) }
            guard (try? unmapLocked(space, from: new, to: old, on: caller.cpu)) != nil else {
                return (current, nil)
            }
            state.pointee.breakEnd = requested
            return (requested, nil)
        }
        // One page beyond the new end has to stay free.
        guard space.tree.isFree(start: old, end: new + pageSize),
            space.tree.find(new + pageSize).map({ $0.guardedStart >= new + pageSize }) ?? true
        else { return (current, nil) }
        guard let flags = growthFlags(caller, from: old, to: new) else { return (current, nil) }
        addVMA(
            NewVMA(start: old, end: new, flags: flags, pageOffset: old >> pageShift, file: nil),
            to: space, on: caller.cpu)
        state.pointee.breakEnd = requested
        let isPopulated = flags.contains(.locked) && !flags.contains(.lockOnFault)
        return (requested, isPopulated ? old..<new : nil)
    }

    /// The flags of a piece of heap if the limits allow it, which is charged then.
    private func growthFlags(_ caller: Caller, from old: UInt64, to new: UInt64) -> VMAFlags? {
        let pages = Int((new - old) >> pageShift)
        var flags: VMAFlags = [.read, .write, .mayRead, .mayWrite, .mayExecute, .accounted]
        flags.formUnion(caller.space.pointer.pointee.futureLock)
        if flags.contains(.locked) {
            let total = caller.space.pointer.pointee.lockedPages + pages
            guard caller.mayLock(total: total) else { return nil }
        }
        guard caller.mayGrow(by: pages), caller.mayGrowData(by: pages),
            caller.space.tree.count <= limits.mapCount,
            commitment.charge(
                pages, to: caller.space, isAdmin: caller.process.pointer.pointee.isAdmin)
        else { return nil }
        return flags
    }

    /// Grows a stack downwards so that it holds an address below it.
    ///
    /// Takes the lock exclusively and looks again: the VMA may have changed since the fault.
    ///
    /// - Returns: Whether the address lies in a VMA now.
    func growStack(_ caller: Caller, to address: UInt64) -> Bool {
        let space = caller.space
        space.lock.lock(.addressSpace, on: caller.cpu)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
        guard let vma = space.tree.find(address) else { return false }
        if vma.start <= address { return true }
        guard vma.flags.contains(.growsDown) else { return false }
        let start = address.pageAligned
        guard start >= limits.lowestAddress, hasRoomToGrow(vma, to: start) else { return false }
        // LINUX: a stack with room to grow is prepared for pages before the limits are looked at;
        // none is populated, not even of a locked one.
        groups.prepare(vma, in: space, on: caller.cpu)
        guard mayGrowStack(caller, vma, to: start) else { return false }
        let pages = Int((vma.start - start) >> pageShift)
        if vma.flags.contains(.accounted) {
            guard
                commitment.charge(
                    pages, to: space, isAdmin: caller.process.pointer.pointee.isAdmin)
            else { return false }
        }
        account(vma.flags, pages: pages, in: space)
        rebound(vma, in: space, start: start, end: vma.end, on: caller.cpu)
        return true
    }

    private func mayGrowStack(_ caller: Caller, _ vma: VMARef, to start: UInt64) -> Bool {
        let limit = caller.process.limit(.stack)
        if limit != .max, vma.end - start > limit { return false }
        let pages = Int((vma.start - start) >> pageShift)
        guard caller.mayGrow(by: pages) else { return false }
        if vma.flags.contains(.locked) {
            let total = caller.space.pointer.pointee.lockedPages + pages
            guard caller.mayLock(total: total) else { return false }
        }
        return true
    }

    /// Whether a stack may reach down to an address as far as its neighbour is concerned, and its
    /// pages' offsets, which after a move do not follow the address.
    private func hasRoomToGrow(_ vma: VMARef, to start: UInt64) -> Bool {
        guard start >= pageSize, (vma.start - start) >> pageShift <= vma.pageOffset else {
            return false
        }
        // Neighbours that cannot be accessed, and other stacks, need no gap.
        if let below = vma.previous, !below.flags.isDisjoint(with: .rights),
            !below.flags.contains(.growsDown)
        {
            return start >= below.end && start - below.end >= VMARef.stackGuardGap
        }
        return vma.previous.map { $0.end <= start } ?? true
    }
}
