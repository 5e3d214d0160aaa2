// SPDX-License-Identifier: Apache-2.0
//
// remap_file_pages(2): another part of a file in the place of one that is mapped shared.
//
// LINUX   Deprecated there and carried out by mapping anew, as here: the range becomes a VMA of its
//         own unless it fits its neighbours.

extension AddressSpaces {
    /// Maps other pages of the same file over a range.
    ///
    /// They are there at once, unless `flags` contain MAP_NONBLOCK and nothing is locked; other
    /// flags are not looked at.
    ///
    /// - Throws: `EINVAL` for all that is not one unbroken shared mapping of one file, `EOVERFLOW`
    ///   beyond the longest file.
    func remapFilePages(
        _ caller: Caller, address: UInt64, length: UInt64, protection: Protection,
        pageOffset: UInt64, flags: MapFlags
    ) throws(Errno) {
        let start = address.pageAligned
        let size = length.pageAligned
        let (end, wraps) = start.addingReportingOverflow(size)
        guard protection.isEmpty, !wraps, size != 0,
            !pageOffset.addingReportingOverflow(size >> pageShift).overflow
        else { throw .EINVAL }
        let space = caller.space
        let isPopulated: Bool
        do {
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            guard let first = sharedRun(from: start, to: end, in: space) else {
                throw .EINVAL
            }
            guard pageOffset <= UInt64.max >> pageShift else { throw .EOVERFLOW }
            // The range may hold the file's last mappings, and goes before the new one comes.
            let (file, old) = (first.file, first.flags)
            file.references.add(1)
            defer { cache.release(file, on: caller.cpu) }
            // Of the old mapping only the rights and the lock pass to the new one.
            _ = try mapLocked(
                caller, address: start, length: size, protection: Protection(old),
                flags: old.contains(.locked) ? [.shared, .fixed, .locked] : [.shared, .fixed],
                file: OpenFile(
                    file: file, access: [.read, .write], attachment: first.attachment),
                offset: pageOffset << pageShift)
            isPopulated =
                !flags.contains(.nonBlock) || old.contains(.locked)
                || !space.pointer.pointee.futureLock.isEmpty
        }
        guard isPopulated else { return }
        _ = populate(space, from: start, to: end, on: caller.cpu)
    }

    /// What a range maps shared without a break, and the flags of its first VMA.
    private func sharedRun(
        from start: UInt64, to end: UInt64, in space: AddressSpace
    ) -> (file: FileRef, attachment: UInt32, flags: VMAFlags)? {
        guard let first = space.tree.find(start), first.start <= start,
            first.flags.contains(.shared), let file = first.file
        else { return nil }
        var vma = first
        while vma.end < end {
            guard let next = vma.next, next.start == vma.end, next.file == file,
                next.attributes.attachment == first.attributes.attachment,
                next.flags == first.flags
            else { return nil }
            vma = next
        }
        return (file, first.attributes.attachment, first.flags)
    }
}

extension Protection {
    /// The rights that a VMA gives.
    fileprivate init(_ flags: VMAFlags) {
        self = []
        if flags.contains(.read) { insert(.read) }
        if flags.contains(.write) { insert(.write) }
        if flags.contains(.execute) { insert(.execute) }
    }
}
