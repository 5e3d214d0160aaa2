// SPDX-License-Identifier: Apache-2.0
//
// mincore(2): which pages an access would find without waiting for a device.
//
// LINUX   Every caller may ask about every file here; the kernel tells those who could not write a
//         file that all its pages are there.

extension AddressSpaces {
    /// One byte a page, 1 for a page that is in memory.
    ///
    /// - Throws: `EINVAL` for an address that is not a page's, `ENOMEM` where nothing is mapped.
    func mincore(
        _ caller: Caller, address: UInt64, length: UInt64
    ) throws(Errno) -> [UInt8] {
        guard address.isPageAligned else { throw .EINVAL }
        guard address <= limits.userEnd, length <= limits.userEnd - address else { throw .ENOMEM }
        let space = caller.space
        let end = address + length.roundedUpToPages
        var pages = [UInt8](repeating: 0, count: Int((end - address) >> pageShift))
        space.lock.lockShared(.addressSpace, on: caller.cpu)
        defer { space.lock.unlockShared(.addressSpace, on: caller.cpu) }
        var current = address
        while current < end {
            guard let vma = space.tree.find(current), vma.start <= current else { throw .ENOMEM }
            let stop = min(end, vma.end)
            while current < stop {
                if isResident(vma, current, space, on: caller.cpu) {
                    pages[Int((current - address) >> pageShift)] = 1
                }
                current += pageSize
            }
        }
        return pages
    }

    private func isResident(
        _ vma: VMARef, _ address: UInt64, _ space: AddressSpace, on cpu: CPU
    ) -> Bool {
        if let table = tables.find(root: space.root, address) {
            let entry = table[TableLevel.pte.index(of: address)]
            // LINUX: a guard hides a file's page from the program, not from mincore.
            if entry.isSwapped { return swap.isCachedHint(entry.swapSlot, on: cpu) }
            if !entry.isEmpty, !entry.isGuard { return entry.isMapped }
        }
        guard let file = vma.file else { return false }
        let offset = vma.pageOffset(of: address)
        file.cacheLock.lock(.pageCache, on: cpu)
        defer { file.cacheLock.unlock(.pageCache, on: cpu) }
        guard offset < file.pageCount else { return false }
        return file.index.lookup(offset) != .none
            || file.kind == .disk && file.pointer.pointee.isCached
                && file.index.trace(of: offset) == nil
    }
}
