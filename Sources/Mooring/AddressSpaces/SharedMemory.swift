// SPDX-License-Identifier: Apache-2.0
//
// System V shared memory: shmat(2), shmdt(2), and shmctl(2) with SHM_LOCK, SHM_UNLOCK, IPC_RMID.
//
// STATE   A segment is a file in memory whose pages are all promised when it is made. Its handle
//         (`Machine.File`) holds one reference and each attached VMA one.
// LAZY    SHM_LOCK marks the segment; pages go to the unevictable list as they come, those that are
//         there already when reclaim meets them. SHM_UNLOCK rescues them all.
// SEE     Files/Segments.swift for what a segment is charged for.

extension AddressSpaces {
    /// Attaches a segment of which the mode allows everybody `mode`.
    ///
    /// - Returns: Where it is.
    func shmat(
        _ caller: Caller, _ segment: FileRef, mode: Protection, address: UInt64,
        flags: AttachFlags
    ) throws(Errno) -> UInt64 {
        var place = address
        if !address.isPageAligned {
            guard flags.contains(.round) else { throw .EINVAL }
            place = address.pageAligned
        }
        // Only an address of 0 that was asked for leaves the choice to the kernel.
        let isChosen = address == 0
        if flags.contains(.remap), place == 0 { throw .EINVAL }
        let size = segment.length.load().roundedUpToPages
        guard segment.isSegment,
            let attachment = cache.segmentLocks.attach(segment, on: caller.cpu)
        else { throw .EINVAL }
        defer { cache.release(segment, on: caller.cpu) }
        var wanted: Protection = flags.contains(.readOnly) ? .read : [.read, .write]
        if flags.contains(.execute) { wanted.insert(.execute) }
        guard wanted.isSubset(of: mode) || caller.process.pointer.pointee.isAdmin else {
            throw .EACCES
        }

        let protection = wanted
        let space = caller.space
        let start: UInt64
        let isPopulated: Bool
        do {
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            // LINUX: what lies at 0, to which an address may be rounded, is replaced.
            if place != 0, !flags.contains(.remap) {
                let (end, wraps) = place.addingReportingOverflow(size)
                if wraps { throw .EINVAL }
                if end <= limits.userEnd, !space.tree.isFree(start: place, end: end) {
                    throw .EINVAL
                }
            }
            start = try mapLocked(
                caller, address: place, length: size, protection: protection,
                flags: isChosen ? .shared : [.shared, .fixed],
                file: OpenFile(file: segment, access: wanted, attachment: attachment),
                offset: 0)
            let marks = space.tree.find(start)?.flags ?? []
            isPopulated = marks.contains(.locked) && !marks.contains(.lockOnFault)
        }
        if isPopulated { _ = populate(space, from: start, to: start + size, on: caller.cpu) }
        return start
    }

    /// Detaches what is left of the segment that was attached at an address.
    func shmdt(_ caller: Caller, address: UInt64) throws(Errno) {
        guard address.isPageAligned else { throw .EINVAL }
        let space = caller.space
        space.lock.lock(.addressSpace, on: caller.cpu)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
        var attachment: UInt32?
        var end = UInt64.max
        var vma = space.tree.find(address)
        // LINUX: what has grown beyond the segment stays, unless it comes first.
        while let current = vma, attachment == nil || current.end <= end {
            vma = current.next
            guard let file = current.file, file.isSegment,
                current.attributes.attachment == attachment ?? current.attributes.attachment,
                current.start &- current.pageOffset << pageShift == address
            else { continue }
            if attachment == nil {
                attachment = current.attributes.attachment
                end = address + file.length.load().roundedUpToPages
            }
            try unmapLocked(space, from: current.start, to: current.end, on: caller.cpu)
        }
        guard attachment != nil else { throw .EINVAL }
    }

    /// SHM_LOCK and SHM_UNLOCK.
    ///
    /// - Throws: `EPERM` for who is neither the owner nor privileged, or may lock nothing at all;
    ///   `ENOMEM` beyond what the user may lock.
    func lockSegment(_ caller: Caller, _ segment: FileRef, _ isLocked: Bool) throws(Errno) {
        let process = caller.process.pointer
        guard segment.isSegment, !cache.segmentLocks.isDestroyed(segment, on: caller.cpu) else {
            throw .EINVAL
        }
        guard
            process.pointee.user == segment.pointer.pointee.owner || process.pointee.mayLockAnything
        else { throw .EPERM }
        guard isLocked else {
            cache.unlockSegment(segment, on: caller.cpu)
            return
        }
        guard caller.mayLock else { throw .EPERM }
        let limit = caller.process.limit(.memlock)
        let isBound = !process.pointee.mayLockAnything && limit != .max
        guard
            cache.lockSegment(
                segment, user: process.pointee.user,
                limit: isBound ? Int(clamping: limit >> pageShift) : .max, on: caller.cpu)
        else { throw .ENOMEM }
    }
}
