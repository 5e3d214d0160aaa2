// SPDX-License-Identifier: Apache-2.0
//
// munmap(2), and what every call that replaces mappings uses.

extension AddressSpaces {
    /// Unmaps a range; pages that are not mapped are no error.
    func munmap(_ caller: Caller, address: UInt64, length: UInt64) throws(Errno) {
        guard address.isPageAligned, length != 0, address <= limits.userEnd,
            length <= limits.userEnd - address
        else { throw .EINVAL }
        let space = caller.space
        let shares = Mutation.unmapShares.isActive
        space.lock.lock(.addressSpace, on: caller.cpu, shares: shares)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu, shares: shares) }
        try unmapLocked(
            space, from: address, to: address + length.roundedUpToPages, on: caller.cpu)
    }

    /// Unmaps `start..<end`, both page addresses.
    ///
    /// The lock is held exclusively.
    ///
    /// - Throws: `ENOMEM` when it would cut a VMA in two and there are as many as there may be.
    func unmapLocked(
        _ space: AddressSpace, from start: UInt64, to end: UInt64, on cpu: CPU
    ) throws(Errno) {
        guard var vma = space.tree.find(start), vma.start < end else { return }
        if vma.start < start, vma.end > end {
            // Cutting a piece out of the middle needs a VMA more; cutting an end off does not.
            vma = try split(vma, at: start, in: space, on: cpu)
        }
        var gathering = unmapper.begin(in: space, on: cpu)
        defer { unmapper.finish(&gathering, on: cpu) }
        if vma.start < start {
            unmapEnd(of: vma, from: start, &gathering, on: cpu)
            guard let next = vma.next, next.start < end else {
                return unlinkTables(from: start, to: end, above: vma.next, &gathering)
            }
            vma = next
        }
        var above: VMARef?
        while true {
            above = vma.next
            if vma.end > end {
                unmapStart(of: vma, to: end, &gathering, on: cpu)
                above = vma
                break
            }
            unmapper.unmap(vma, from: vma.start, to: vma.end, into: &gathering, on: cpu)
            uncharge(vma.flags, pages: vma.pageCount)
            removeVMA(vma, from: space, on: cpu)
            guard let next = above, next.start < end else { break }
            vma = next
        }
        unlinkTables(from: start, to: end, above: above, &gathering)
    }

    private func unmapEnd(
        of vma: VMARef, from start: UInt64, _ gathering: inout Gathering, on cpu: CPU
    ) {
        let pages = Int((vma.end - start) >> pageShift)
        unmapper.unmap(vma, from: start, to: vma.end, into: &gathering, on: cpu)
        account(vma.flags, pages: -pages, in: gathering.space)
        uncharge(vma.flags, pages: pages)
        rebound(vma, in: gathering.space, start: vma.start, end: start, on: cpu)
    }

    private func unmapStart(
        of vma: VMARef, to end: UInt64, _ gathering: inout Gathering, on cpu: CPU
    ) {
        let pages = Int((end - vma.start) >> pageShift)
        unmapper.unmap(vma, from: vma.start, to: end, into: &gathering, on: cpu)
        account(vma.flags, pages: -pages, in: gathering.space)
        uncharge(vma.flags, pages: pages)
        rebound(vma, in: gathering.space, start: end, end: vma.end, on: cpu)
    }

    /// Takes back the promise of memory for pages of an accounted VMA.
    func uncharge(_ flags: VMAFlags, pages: Int) {
        if flags.contains(.accounted) { commitment.uncharge(pages) }
    }

    /// Frees the tables that no VMA needs any more around a range without pages.
    func freeTables(_ space: AddressSpace, from start: UInt64, to end: UInt64, on cpu: CPU) {
        var gathering = unmapper.begin(in: space, on: cpu)
        unlinkTables(from: start, to: end, above: space.tree.find(end), &gathering)
        unmapper.finish(&gathering, on: cpu)
    }

    /// Gathers the tables that no VMA needs any more around a range; `above` is the first VMA above.
    private func unlinkTables(
        from start: UInt64, to end: UInt64, above: VMARef?, _ gathering: inout Gathering
    ) {
        let below = above.map(\.previous) ?? gathering.space.tree.last
        tables.unlinkTables(
            in: gathering.space, from: start, to: end, floor: below?.end ?? 0,
            ceiling: above?.start ?? PageTables.userTop, into: &gathering.tables)
    }
}
