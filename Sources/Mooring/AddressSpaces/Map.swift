// SPDX-License-Identifier: Apache-2.0
//
// mmap(2).

/// A file as a descriptor gives it to mmap.
struct OpenFile {
    let file: FileRef
    /// What the descriptor may be used for.
    let access: Protection
    /// The number of the attachment, where it is a segment.
    var attachment: UInt32 = 0
}

extension AddressSpaces {
    /// Maps memory or a file.
    ///
    /// Errors are checked in the order in which the kernel reports them.
    func mmap(
        _ caller: Caller, address: UInt64, length: UInt64, protection: Protection,
        flags: MapFlags, file: OpenFile?, offset: UInt64
    ) throws(Errno) -> UInt64 {
        let space = caller.space
        let cpu = caller.cpu
        let populated: Range<UInt64>?
        let start: UInt64
        do {
            space.lock.lock(.addressSpace, on: cpu)
            defer { space.lock.unlock(.addressSpace, on: cpu) }
            start = try mapLocked(
                caller, address: address, length: length, protection: protection, flags: flags,
                file: file, offset: offset)
            // LINUX: MAP_NONBLOCK takes MAP_POPULATE back. What is locked on fault is passed over
            // when it comes to populating; what cannot be locked is not.
            populated =
                flags.contains(.locked) || !space.pointer.pointee.futureLock.isEmpty
                    || flags.contains(.populate) && !flags.contains(.nonBlock)
                ? start..<start + length.roundedUpToPages : nil
        }
        if let populated {
            // mmap never fails because a page could not be populated: mmap(2), MAP_LOCKED.
            _ = populate(space, from: populated.lowerBound, to: populated.upperBound, on: cpu)
        }
        return start
    }

    /// Maps memory or a file; the lock is held exclusively.
    ///
    /// What is to be populated is the caller's affair.
    func mapLocked(
        _ caller: Caller, address: UInt64, length: UInt64, protection: Protection,
        flags: MapFlags, file: OpenFile?, offset: UInt64
    ) throws(Errno) -> UInt64 {
        let space = caller.space
        let isAnonymous = flags.contains(.anonymous)
        guard offset.isPageAligned else { throw .EINVAL }
        if isAnonymous {
            if flags.contains(.hugeTLB), !flags.hasKnownHugePageSize { throw .EINVAL }
        } else {
            if file == nil { throw .EBADF }
            // No file here is of huge pages.
            if flags.contains(.hugeTLB) { throw .EINVAL }
        }
        guard length != 0 else { throw .EINVAL }
        let size = length.roundedUpToPages
        guard size != 0, size <= limits.userEnd else { throw .ENOMEM }
        if space.tree.count > limits.mapCount { throw .ENOMEM }
        var hint = address
        if flags.isDisjoint(with: [.fixed, .fixedNoReplace]), hint >= pageSize {
            hint = max(hint, limits.lowestAddress)
        }
        let start = try place(
            caller, hint, size, flags, file: isAnonymous ? nil : file?.file, offset: offset)
        let pages = Int(size >> pageShift)

        var vmaFlags = VMAFlags(protection)
        vmaFlags.formUnion([.mayRead, .mayWrite, .mayExecute])
        if flags.contains(.growsDown) {
            vmaFlags.insert(.growsDown)
            space.pointer.pointee.hasMappedStack = true
        }
        if flags.contains(.stack) { vmaFlags.insert(.noHugePage) }
        if flags.contains(.sync) { vmaFlags.insert(.synchronous) }
        if flags.contains(.locked) {
            guard caller.mayLock else { throw .EPERM }
            vmaFlags.insert(.locked)
        }
        vmaFlags.formUnion(space.pointer.pointee.futureLock)
        if vmaFlags.contains(.locked) {
            let total = space.pointer.pointee.lockedPages + pages
            guard caller.mayLock(total: total) else { throw .EAGAIN }
        }
        if isAnonymous {
            try applyAnonymousType(flags, &vmaFlags)
        } else if let file {
            try applyFileType(flags, protection, file, size, offset, &vmaFlags)
        }
        // Only MAP_FIXED finds anything where the mapping goes.
        let replaced =
            flags.contains(.fixed) ? pagesMapped(from: start, to: start + size, in: space) : 0
        guard caller.mayGrow(by: pages - replaced),
            !vmaFlags.isPrivateWritable || caller.mayGrowData(by: pages - replaced)
        else { throw refuse(replacing: start, size, in: space, on: caller.cpu) }
        let isPrivateWritable = vmaFlags.contains(.write) && !vmaFlags.contains(.shared)

        let isSharedAnonymous = isAnonymous && vmaFlags.contains(.shared)
        if flags.contains(.noReserve), commitment.mode != .never {
            vmaFlags.insert(.noReserve)
        }
        let isCharged = (isPrivateWritable || isSharedAnonymous) && !vmaFlags.contains(.noReserve)
        if isCharged {
            guard
                commitment.charge(
                    pages, to: space, isAdmin: caller.process.pointer.pointee.isAdmin)
            else { throw refuse(replacing: start, size, in: space, on: caller.cpu) }
            if isPrivateWritable { vmaFlags.insert(.accounted) }
        }
        if replaced > 0 {
            do {
                try unmapLocked(space, from: start, to: start + size, on: caller.cpu)
            } catch {
                if isCharged { commitment.uncharge(pages) }
                throw error
            }
        }
        // LINUX: a file system is asked whether it can do MAP_SYNC when what was there has gone.
        if flags.contains(.sync), !isAnonymous, file?.file.kind == .disk {
            if isCharged { commitment.uncharge(pages) }
            throw .EOPNOTSUPP
        }
        // LINUX: what cannot be locked joins no neighbour while it was to be.
        let isApart = vmaFlags.contains(.droppable) && vmaFlags.contains(.locked)
        if isApart { vmaFlags.subtract(.lockMask) }
        var new = NewVMA(
            start: start, end: start + size, flags: vmaFlags,
            pageOffset: isAnonymous ? start >> pageShift : offset >> pageShift,
            file: isAnonymous ? nil : file?.file,
            attributes: VMAAttributes(attachment: isAnonymous ? 0 : file?.attachment ?? 0),
            isApart: isApart)
        if isSharedAnonymous {
            // Shared anonymous memory is a file that only its mappings hold.
            let memory = cache.makeFile(
                named: "/dev/zero (deleted)", kind: .memory, length: size, on: caller.cpu)
            memory.pointer.pointee.chargedPages = isCharged ? pages : 0
            memory.pointer.pointee.chargesPages = !isCharged
            new.file = memory
            new.pageOffset = 0
            addVMA(new, to: space, on: caller.cpu)
            cache.release(memory, on: caller.cpu)
        } else {
            addVMA(new, to: space, on: caller.cpu)
        }
        return start
    }

    /// Ends a mapping for which there is no room under a limit.
    ///
    /// LINUX: what would have been replaced has been cut out of its VMAs by then, and stays cut.
    private func refuse(
        replacing start: UInt64, _ size: UInt64, in space: AddressSpace, on cpu: CPU
    ) -> Errno {
        for border in [start, start + size] {
            if let vma = space.tree.find(border), vma.start < border {
                _ = try? split(vma, at: border, in: space, on: cpu)
            }
        }
        return .ENOMEM
    }

    // MARK: Types

    private func applyAnonymousType(
        _ flags: MapFlags, _ vmaFlags: inout VMAFlags
    ) throws(Errno) {
        switch flags.rawValue & 0xF {
        case MapFlags.private.rawValue: break
        case MapFlags.shared.rawValue:
            guard !flags.contains(.growsDown) else { throw .EINVAL }
            vmaFlags.formUnion([.shared, .mayShare])
        case MapFlags.droppable.rawValue:
            guard flags.isDisjoint(with: [.locked, .growsDown, .hugeTLB]) else { throw .EINVAL }
            vmaFlags.formUnion([.droppable, .noReserve, .wipeOnFork, .dontDump])
        default: throw .EINVAL
        }
        // No pool of huge pages was reserved on this machine.
        if flags.contains(.hugeTLB) { throw .ENOMEM }
    }

    private func applyFileType(
        _ flags: MapFlags, _ protection: Protection, _ open: OpenFile, _ size: UInt64,
        _ offset: UInt64, _ vmaFlags: inout VMAFlags
    ) throws(Errno) {
        // The largest offset that a file can have is 2^63 - 1, less the last page.
        let (end, overflows) = offset.addingReportingOverflow(size)
        guard !overflows, end <= UInt64(Int64.max) & ~(pageSize - 1) else { throw .EOVERFLOW }
        let type = flags.rawValue & 0xF
        switch type {
        case MapFlags.shared.rawValue, MapFlags.sharedValidate.rawValue:
            if type == MapFlags.sharedValidate.rawValue,
                flags.rawValue & ~MapFlags.known.rawValue != 0
                    || flags.contains(.sync) && open.file.kind != .disk
            {
                throw .EOPNOTSUPP
            }
            if protection.contains(.write), !open.access.contains(.write) { throw .EACCES }
            guard open.access.contains(.read) else { throw .EACCES }
            vmaFlags.formUnion([.shared, .mayShare])
            if !open.access.contains(.write) {
                // A read-only descriptor's shared mapping behaves as a private one that can
                // never be made writable.
                vmaFlags.subtract([.mayWrite, .shared])
            }
        case MapFlags.private.rawValue:
            guard open.access.contains(.read) else { throw .EACCES }
        default: throw .EINVAL
        }
        if flags.contains(.growsDown) { throw .EINVAL }
        if type != MapFlags.private.rawValue, open.file.kind == .memory,
            !open.file.seals.isDisjoint(with: .againstWriting)
        {
            if protection.contains(.write) { throw .EPERM }
            vmaFlags.remove(.mayWrite)
        }
    }

    // MARK: Placement

    /// Where a mapping of `size` bytes goes.
    func place(
        _ caller: Caller, _ address: UInt64, _ size: UInt64, _ flags: MapFlags, file: FileRef?,
        offset: UInt64
    ) throws(Errno) -> UInt64 {
        let space = caller.space
        if !flags.isDisjoint(with: [.fixed, .fixedNoReplace]) {
            // An address in the last page looks like an error number to the kernel's own code,
            // and comes back as one.
            if address > UInt64.max - 4095 {
                throw Errno(rawValue: Int32(truncatingIfNeeded: 0 &- Int64(bitPattern: address)))
            }
            guard address <= limits.userEnd - size else { throw .ENOMEM }
            guard address.isPageAligned else { throw .EINVAL }
            try checkLowest(caller, address)
            if flags.contains(.fixedNoReplace),
                pagesMapped(from: address, to: address + size, in: space) > 0
            {
                throw .EEXIST
            }
            return address
        }
        let isLow = flags.contains(.low32Bit)
        let end = isLow ? Self.low32BitRoom.upperBound : limits.userEnd
        guard size <= end else { throw .ENOMEM }
        let hint = address.pageAligned
        func isHintFree(_ room: UInt64) -> Bool {
            hint != 0 && room <= end && hint <= end - room
                && space.tree.isFree(start: hint, end: hint + room)
                && space.tree.find(hint + room).map { $0.guardedStart >= hint + room } ?? true
        }
        if let residue = hugeResidue(
            size, file: file, offset: offset, hint: address, isShared: flags.contains(.shared))
        {
            // LINUX: a hint has to have the room that the alignment may take, or is passed over.
            let room = size + Self.hugePage
            if isHintFree(room) { return hint }
            if let low = isLow ? lowGap(space, room) : gap(space, room) {
                let difference = (residue &- low) & (Self.hugePage - 1)
                return low + (difference == 0 ? Self.hugePage : difference)
            }
        }
        if isHintFree(size) { return hint }
        guard let found = isLow ? lowGap(space, size) : gap(space, size) else { throw .ENOMEM }
        return found
    }

    /// Refuses the lowest page, where a null pointer shall not find anything, without CAP_SYS_RAWIO.
    func checkLowest(_ caller: Caller, _ address: UInt64) throws(Errno) {
        guard mayMap(caller, address) else { throw .EPERM }
    }

    /// Whether a caller may map at an address: the lowest page is for the privileged.
    func mayMap(_ caller: Caller, _ address: UInt64) -> Bool {
        address >= pageSize || caller.process.pointer.pointee.isAdmin
    }

    /// Where MAP_32BIT looks for room.
    private static let low32BitRoom: Range<UInt64> = 0x4000_0000..<0x8000_0000

    /// The lowest free room for MAP_32BIT.
    private func lowGap(_ space: AddressSpace, _ size: UInt64) -> UInt64? {
        let room = Self.low32BitRoom
        var floor = room.lowerBound
        while let found = space.tree.lowestGap(
            length: size, floor: floor, ceiling: room.upperBound)
        {
            guard let above = space.tree.find(found), above.guardedStart < found + size else {
                return found
            }
            floor = above.end
        }
        return nil
    }

    /// The highest free room below the space's top, or the lowest above it.
    func gap(_ space: AddressSpace, _ size: UInt64) -> UInt64? {
        let top = space.pointer.pointee.mapTop
        var ceiling = top
        while let found = space.tree.highestGap(length: size, floor: pageSize, ceiling: ceiling) {
            guard space.pointer.pointee.hasMappedStack,
                let lower = guardGapMet(above: found, below: ceiling, size, space)
            else { return found }
            ceiling = lower
        }
        return space.tree.lowestGap(length: size, floor: top, ceiling: limits.userEnd)
    }

    /// Where the guard gap of the highest stack starts in front of which a search for `size` bytes
    /// stops before it comes to `found`.
    ///
    /// LINUX: a range that fits below a stack, but for its guard gap, sends the search below all
    /// of the gap, although other areas may lie in it with free room between them.
    private func guardGapMet(
        above found: UInt64, below ceiling: UInt64, _ size: UInt64, _ space: AddressSpace
    ) -> UInt64? {
        var lower: UInt64?
        var vma = space.tree.find(found)
        while let current = vma {
            let bottom = current.previous?.end ?? 0
            let top = min(current.start, ceiling)
            if current.guardedStart < top, bottom < top, top - bottom >= size {
                lower = current.guardedStart
            }
            if current.start >= ceiling { break }
            vma = current.next
        }
        return lower
    }

    private static let hugePage: UInt64 = 2 << 20

    /// What an address shall be modulo a huge page, for mappings that could use huge pages.
    ///
    /// Those are anonymous ones of a whole number of huge pages without a hint, and device files
    /// that cover a whole one; `nil` for all others.
    private func hugeResidue(
        _ size: UInt64, file: FileRef?, offset: UInt64, hint: UInt64, isShared: Bool
    ) -> UInt64? {
        let huge = Self.hugePage
        guard let file else {
            // The offset of anonymous memory means nothing.
            return hint == 0 && size % huge == 0 && !isShared ? 0 : nil
        }
        guard file.kind == .disk else { return nil }
        // LINUX: offsets are signed. What follows the last of them counts as before all others, so
        // that the last huge page of them all is aligned however little of it is mapped.
        let end = Int64(bitPattern: offset &+ size)
        let firstWhole = Int64(bitPattern: (offset &+ (huge - 1)) & ~(huge - 1))
        guard end > firstWhole, UInt64(bitPattern: end &- firstWhole) >= huge else { return nil }
        return offset & (huge - 1)
    }

    /// How many pages of VMAs lie in a range.
    func pagesMapped(from start: UInt64, to end: UInt64, in space: AddressSpace) -> Int {
        var pages = 0
        var vma = space.tree.find(start)
        while let current = vma, current.start < end {
            pages += Int((min(end, current.end) - max(start, current.start)) >> pageShift)
            vma = current.next
        }
        return pages
    }
}

extension VMAFlags {
    /// The rights of a protection.
    init(_ protection: Protection) {
        self = []
        if protection.contains(.read) { insert(.read) }
        if protection.contains(.write) { insert(.write) }
        if protection.contains(.execute) { insert(.execute) }
    }

    /// Whether pages may be made here that only this address space has: what RLIMIT_DATA counts
    /// and commitment charges.
    var isPrivateWritable: Bool {
        contains(.write) && isDisjoint(with: [.shared, .growsDown])
    }
}

extension MapFlags {
    /// Whether the size of huge pages that bits 26 to 31 ask for exists: the default, 2 MiB, 1 GiB.
    fileprivate var hasKnownHugePageSize: Bool { [0, 21, 30].contains(rawValue >> 26) }

    /// Every flag that MAP_SHARED_VALIDATE lets through.
    ///
    /// Those without a name here are MAP_ABOVE4G, MAP_UNINITIALIZED, and sizes of huge pages.
    fileprivate static let known: MapFlags = [
        .sharedValidate, .fixed, .anonymous, .growsDown, .denyWrite, .executable, .locked,
        .noReserve, .populate, .nonBlock, .stack, .hugeTLB, .sync, MapFlags(rawValue: 0x7C00_00C0),
    ]
}
