// SPDX-License-Identifier: Apache-2.0
//
// msync(2).
//
// LOCKS   The address space's lock, shared. Writing back takes the file's own.
// SEE     Files/WriteBack.swift.

extension AddressSpaces {
    /// Writes what shared mappings of device files have changed back to the device.
    ///
    /// Holes are passed over and reported in the end; a locked VMA stops MS_INVALIDATE at once.
    func msync(
        _ caller: Caller, address: UInt64, length: UInt64, flags: SyncFlags
    ) throws(Errno) {
        guard flags.isSubset(of: [.async, .invalidate, .sync]), address.isPageAligned,
            !flags.contains([.async, .sync])
        else { throw .EINVAL }
        let end = address &+ length.roundedUpToPages
        guard end >= address else { throw .ENOMEM }
        let space = caller.space
        space.lock.lockShared(.addressSpace, on: caller.cpu)
        defer { space.lock.unlockShared(.addressSpace, on: caller.cpu) }
        var hasHole = false
        var current = address
        while current < end {
            guard let vma = space.tree.find(current), vma.start < end else {
                hasHole = true
                break
            }
            hasHole = hasHole || vma.start > current
            current = max(current, vma.start)
            if flags.contains(.invalidate), vma.flags.contains(.locked) { throw .EBUSY }
            let stop = min(end, vma.end)
            if flags.contains(.sync), vma.flags.contains(.shared), let file = vma.file {
                let isWritten = writeBack.write(
                    file, from: vma.pageOffset(of: current),
                    through: vma.pageOffset(of: stop - pageSize), on: caller.cpu)
                if !isWritten { throw .EIO }
            }
            current = stop
        }
        if hasHole { throw .ENOMEM }
    }
}
