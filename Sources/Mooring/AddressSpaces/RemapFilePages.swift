// SPDX-License-Identifier: Apache-2.0
//
// remap_file_pages(2): another part of a file in the place of one that is mapped shared.
//
// LINUX   Deprecated there and carried out by mapping anew, as here: the range becomes a VMA of its
//         own unless it fits its neighbours.

extension AddressSpaces {
    /// Maps other pages of the same file over a range.
    ///
    /// - Throws: `EINVAL` for all that is not one unbroken shared mapping of one file.
    func remapFilePages(
        _ caller: Caller, address: UInt64, length: UInt64, protection: Protection,
        pageOffset: UInt64
    ) throws(Errno) {
        let start = address.pageAligned
        let size = length.pageAligned
        let (end, wraps) = start.addingReportingOverflow(size)
        guard protection.isEmpty, !wraps, size != 0,
            !pageOffset.addingReportingOverflow(size >> pageShift).overflow
        else { throw .EINVAL }
        let space = caller.space
        do {
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            guard let (file, flags) = sharedRun(from: start, to: end, in: space) else {
                throw .EINVAL
            }
            // The range may hold the file's last mappings.
            file.references.add(1)
            defer { cache.release(file, on: caller.cpu) }
            try unmapLocked(space, from: start, to: end, on: caller.cpu)
            addVMA(
                NewVMA(start: start, end: end, flags: flags, pageOffset: pageOffset, file: file),
                to: space, on: caller.cpu)
        }
        _ = populate(space, from: start, to: end, on: caller.cpu)
    }

    /// The file that a range maps shared without a break, and the flags of its first VMA.
    private func sharedRun(
        from start: UInt64, to end: UInt64, in space: AddressSpace
    ) -> (FileRef, VMAFlags)? {
        guard let first = space.tree.find(start), first.start <= start,
            first.flags.contains(.shared), let file = first.file
        else { return nil }
        var vma = first
        while vma.end < end {
            guard let next = vma.next, next.start == vma.end, next.file == file,
                next.flags == first.flags
            else { return nil }
            vma = next
        }
        return (file, first.flags)
    }
}
