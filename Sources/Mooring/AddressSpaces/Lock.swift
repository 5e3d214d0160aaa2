// SPDX-License-Identifier: Apache-2.0
//
// mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2).
//
// STATE   `VMAFlags.locked` on a VMA is the truth; `lockOnFault` beside it says that its pages are
//         locked as they come and not populated, and stays with the VMA whatever becomes of it.
// LOCKS   The address space's lock, exclusive for the flags and for counting the pages that are
//         there; shared for populating afterwards. No reverse map is walked.
// SEE     Mlock/CountedMlock.swift for what being locked means for one frame.

extension AddressSpaces {
    /// Locks a range and, unless `onFault`, makes its pages present.
    ///
    /// The part before a hole is locked although the call fails.
    func mlock(
        _ caller: Caller, address: UInt64, length: UInt64, onFault: Bool = false
    ) throws(Errno) {
        let space = caller.space
        guard caller.mayLock else { throw .EPERM }
        let start = address.pageAligned
        let size = (length &+ (address - start)).roundedUpToPages
        do {
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            try checkLockLimit(caller, from: start, size: size)
            guard size != 0 else { return }
            let (end, overflows) = start.addingReportingOverflow(size)
            guard !overflows else { throw .EINVAL }
            try applyLock(
                onFault ? .lockMask : .locked, space, from: start, to: end, on: caller.cpu)
        }
        // What is locked on fault is passed over; what cannot be locked is populated all the same.
        if let failure = populate(space, from: start, to: start + size, on: caller.cpu) {
            throw Errno.fromLockPopulation(failure)
        }
    }

    private func checkLockLimit(
        _ caller: Caller, from start: UInt64, size: UInt64
    ) throws(Errno) {
        let pages = Int(clamping: size >> pageShift)
        let locked = caller.space.pointer.pointee.lockedPages
        if caller.mayLock(total: locked + pages) { return }
        // What is locked already does not count twice.
        let end = start.addingReportingOverflow(size)
        let again =
            end.overflow || Mutation.countsLockedTwice.isActive
            ? 0 : pagesLocked(from: start, to: end.partialValue, in: caller.space)
        guard caller.mayLock(total: locked + pages - again) else { throw .ENOMEM }
    }

    private func pagesLocked(from start: UInt64, to end: UInt64, in space: AddressSpace) -> Int {
        var pages = 0
        var vma = space.tree.find(start)
        while let current = vma, current.start < end {
            if current.flags.contains(.locked) {
                pages += Int((min(end, current.end) - max(start, current.start)) >> pageShift)
            }
            vma = current.next
        }
        return pages
    }

    /// Unlocks a range; needs no privilege.
    ///
    /// The part before a hole is unlocked although the call fails.
    func munlock(_ caller: Caller, address: UInt64, length: UInt64) throws(Errno) {
        let space = caller.space
        let start = address.pageAligned
        let size = (length &+ (address - start)).roundedUpToPages
        space.lock.lock(.addressSpace, on: caller.cpu)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
        guard size != 0 else { return }
        let (end, overflows) = start.addingReportingOverflow(size)
        guard !overflows else { throw .EINVAL }
        try applyLock([], space, from: start, to: end, on: caller.cpu)
    }

    /// Locks all there is, all there will be, or both.
    ///
    /// Each call replaces what an earlier one said of the future.
    func mlockall(_ caller: Caller, flags: LockAllFlags) throws(Errno) {
        let known: LockAllFlags = [.current, .future, .onFault]
        guard !flags.isEmpty, flags.isSubset(of: known), flags != .onFault else { throw .EINVAL }
        guard caller.mayLock else { throw .EPERM }
        let space = caller.space
        let marks: VMAFlags = flags.contains(.onFault) ? .lockMask : .locked
        do {
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            if flags.contains(.current) {
                let total = space.pointer.pointee.totalPages
                guard caller.mayLock(total: total) else { throw .ENOMEM }
            }
            if flags.contains(.future) || !Mutation.futureStays.isActive {
                space.pointer.pointee.futureLock = flags.contains(.future) ? marks : []
            }
            guard flags.contains(.current) else { return }
            applyLockToAll(marks, space, on: caller.cpu)
        }
        // What is locked on fault is passed over, what cannot be locked is not.
        populateAll(space, on: caller.cpu)
    }

    /// Unlocks everything, and what comes.
    func munlockall(_ caller: Caller) {
        let space = caller.space
        space.lock.lock(.addressSpace, on: caller.cpu)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
        space.pointer.pointee.futureLock = []
        applyLockToAll([], space, on: caller.cpu)
    }

    private func applyLockToAll(_ marks: VMAFlags, _ space: AddressSpace, on cpu: CPU) {
        var vma = space.tree.first
        while let current = vma {
            // Whole VMAs need no split, so this cannot fail.
            let merged = try? setLock(
                marks, of: current, from: current.start, to: current.end, in: space, on: cpu)
            vma = (merged ?? current).next
        }
    }

    /// Makes the pages of every VMA present; what cannot be is skipped.
    ///
    /// LINUX: also those of memory that cannot be locked, as MAP_DROPPABLE's.
    private func populateAll(_ space: AddressSpace, on cpu: CPU) {
        var address: UInt64 = 0
        while let range = nextVMA(space, from: address, on: cpu) {
            _ = populate(space, from: range.lowerBound, to: range.upperBound, on: cpu)
            address = range.upperBound
        }
    }

    private func nextVMA(
        _ space: AddressSpace, from address: UInt64, on cpu: CPU
    ) -> Range<UInt64>? {
        space.lock.lockShared(.addressSpace, on: cpu)
        defer { space.lock.unlockShared(.addressSpace, on: cpu) }
        return space.tree.find(address).map { max(address, $0.start)..<$0.end }
    }

    // MARK: Applying

    /// Marks the VMAs of a range, in order, up to the first hole.
    private func applyLock(
        _ marks: VMAFlags, _ space: AddressSpace, from start: UInt64, to end: UInt64, on cpu: CPU
    ) throws(Errno) {
        guard var vma = space.tree.find(start), vma.start <= start else { throw .ENOMEM }
        var address = start
        while true {
            let stop = min(end, vma.end)
            vma = try setLock(marks, of: vma, from: address, to: stop, in: space, on: cpu)
            address = stop
            if address >= end { return }
            // Merging may have left a VMA that reaches further than the range did.
            if vma.end > address {
                address = min(end, vma.end)
                if address >= end { return }
            }
            guard let next = vma.next, next.start == address else { throw .ENOMEM }
            vma = next
        }
    }

    /// Marks a part of one VMA and counts the pages that are there.
    private func setLock(
        _ marks: VMAFlags, of vma: VMARef, from start: UInt64, to end: UInt64,
        in space: AddressSpace, on cpu: CPU
    ) throws(Errno) -> VMARef {
        let old = vma.flags
        let new = old.subtracting(.lockMask).union(marks)
        if new == old || !old.isDisjoint(with: .special) || old.contains(.droppable) { return vma }
        // ORDER: when locking flags first, when unlocking counts first. Truncation, which does not
        // wait for the address space's lock, counts a page off that it takes out of a locked VMA:
        // once too often at worst, while a page that it left counted would stay unevictable.
        // Reclaim locks nothing here meanwhile: see `LRUBatches.lockLazily`.
        space.lockChanges.storeReleasing(1)
        defer { space.lockChanges.storeReleasing(0) }
        let isLocked = new.contains(.locked)
        let wasLocked = old.contains(.locked)
        // The design that asks others whether they lock a page has to have this one unlocked first.
        let unlocksFirst = batches.mlockDesign == .count
        if wasLocked, !isLocked, unlocksFirst {
            countLock(.munlock, space, from: start, to: end, on: cpu)
        }
        let countsFirst = Mutation.countsLockFirst.isActive
        if countsFirst, isLocked { countLock(.mlock, space, from: start, to: end, on: cpu) }
        let merged: VMARef
        do {
            merged = try setFlags(new, of: vma, from: start, to: end, in: space, on: cpu)
        } catch {
            if wasLocked, !isLocked, unlocksFirst {
                countLock(.mlock, space, from: start, to: end, on: cpu)
            }
            throw error
        }
        if wasLocked, !isLocked, !unlocksFirst {
            countLock(.munlock, space, from: start, to: end, on: cpu)
        }
        if isLocked, !wasLocked, !countsFirst {
            countLock(.mlock, space, from: start, to: end, on: cpu)
        }
        return merged
    }

    /// Counts a range's present pages as locked, or not any more.
    ///
    /// The address space is held exclusively, so no fault can count a page a second time.
    func countLock(
        _ request: LRURequest, _ space: AddressSpace, from start: UInt64, to end: UInt64,
        on cpu: CPU
    ) {
        batches.drain(on: cpu)
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            if table.frame.liveEntries > 0 {
                countLock(request, table, from: address, to: next, on: cpu)
                batches.settleUnlocks(with: unmapper.map, on: cpu)
            }
            address = next
        }
        batches.drain(on: cpu)
    }

    private func countLock(
        _ request: LRURequest, _ table: TableRef, from start: UInt64, to end: UInt64, on cpu: CPU
    ) {
        // Asked once, not for each page.
        switch batches.mlockDesign {
        case .none: break
        case .reverseMap:
            let design = ReverseMapMlock(batches: batches)
            countLock(request, table, from: start, to: end, by: design, on: cpu)
        case .count:
            let design = CountedMlock(batches: batches)
            countLock(request, table, from: start, to: end, by: design, on: cpu)
        }
    }

    @inline(__always)
    private func countLock(
        _ request: LRURequest, _ table: TableRef, from start: UInt64, to end: UInt64,
        by design: some MlockPolicy, on cpu: CPU
    ) {
        table.lock(on: cpu)
        defer { table.unlock(on: cpu) }
        for index in TableLevel.pte.index(of: start)...TableLevel.pte.index(of: end - 1) {
            let entry = table[index]
            guard entry.isMapped, !entry.isUncounted else { continue }
            let pfn = entry.frame
            if case .mlock = request {
                design.mlock(pfn, frames[pfn], on: cpu)
            } else {
                design.munlock(pfn, frames[pfn], on: cpu)
            }
        }
    }
}

extension Errno {
    /// What mlock makes of a failed population.
    ///
    /// LINUX: mlock(2): a page that cannot be present is ENOMEM, as a hole is; lack of memory is
    /// EAGAIN, "some or all of the specified address range could not be locked".
    static func fromLockPopulation(_ failure: PopulateFailure) -> Errno {
        switch failure.reason {
        case .notMapped, .forbidden, .guarded, .pastEnd: .ENOMEM
        case .noMemory: .EAGAIN
        }
    }
}
