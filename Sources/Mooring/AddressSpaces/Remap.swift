// SPDX-License-Identifier: Apache-2.0
//
// mremap(2): growing, shrinking and moving mappings, with their pages.
//
// STATE   A moved VMA keeps its page offset as long as it may hold anonymous pages, because the
//         frames record it; one that never held any takes the offset of its new place.
// LAZY    A VMA that is locked on fault stays so and is never populated here; a plainly locked one
//         is populated as far as it grows.
// LOCKS   The address space's lock, exclusive; shared for populating afterwards.
// SEE     MoveEntries.swift for the page tables.

extension AddressSpaces {
    /// Changes the size of a mapping, its place, or both.
    ///
    /// - Returns: Where it is now.
    func mremap(
        _ caller: Caller, address: UInt64, length: UInt64, newLength: UInt64, flags: RemapFlags,
        newAddress: UInt64
    ) throws(Errno) -> UInt64 {
        let request = RemapRequest(
            address: address, length: length.roundedUpToPages,
            newLength: newLength.roundedUpToPages, flags: flags, newAddress: newAddress)
        try request.check(limits)
        let outcome: Remapped
        do {
            caller.space.lock.lock(.addressSpace, on: caller.cpu)
            defer { caller.space.lock.unlock(.addressSpace, on: caller.cpu) }
            outcome = try remapLocked(caller, request)
        }
        if let populated = outcome.populated {
            // As with mmap: what cannot be populated is a fault's affair.
            _ = populate(
                caller.space, from: populated.lowerBound, to: populated.upperBound, on: caller.cpu)
        }
        return outcome.address
    }

    private struct Remapped {
        let address: UInt64
        var populated: Range<UInt64>?
    }

    private func remapLocked(
        _ caller: Caller, _ request: RemapRequest
    ) throws(Errno) -> Remapped {
        let space = caller.space
        if request.choosesPlace { try checkRoomToMove(space) }
        guard let vma = space.tree.find(request.address), vma.start <= request.address else {
            throw .EFAULT
        }
        if request.length == 0 { return try duplicate(caller, vma, request) }
        // What is kept has to lie in one VMA before it matters how much there was.
        if request.flags.contains(.fixed), request.newLength < request.length,
            request.newLength > vma.end - request.address
        {
            throw .EFAULT
        }
        let end = request.address &+ request.length
        let cutsTail = request.flags.contains(.fixed) && request.newLength < request.length
        guard end > request.address, !cutsTail || end <= limits.userEnd else {
            // LINUX: by the time that the tail turns out to be impossible, the destination is gone.
            if cutsTail {
                try unmapLocked(
                    space, from: request.newAddress, to: request.newAddress + request.newLength,
                    on: caller.cpu)
                // It may have been what was to be moved.
                guard let vma = space.tree.find(request.address), vma.start <= request.address
                else { throw .EFAULT }
            }
            throw .EINVAL
        }
        if request.flags.contains(.fixed), request.length == request.newLength {
            return try moveAll(caller, request)
        }
        if !request.choosesPlace, request.newLength <= request.length {
            return try shrink(caller, request)
        }
        return try resizeOrMove(caller, vma, request)
    }

    /// A move may cut the source and the destination out of others: it wants room for six.
    private func checkRoomToMove(_ space: AddressSpace) throws(Errno) {
        guard space.tree.count + 6 <= limits.mapCount else { throw .ENOMEM }
    }

    // MARK: Kinds

    private func shrink(_ caller: Caller, _ request: RemapRequest) throws(Errno) -> Remapped {
        // Equal sizes ask for nothing, whatever lies there.
        if request.newLength < request.length {
            let end = request.address + request.length
            guard end <= limits.userEnd else { throw .EINVAL }
            try unmapLocked(
                caller.space, from: request.address + request.newLength, to: end, on: caller.cpu)
        }
        return Remapped(address: request.address)
    }

    /// Old size 0: one more mapping of the same pages, which must be shared.
    private func duplicate(
        _ caller: Caller, _ vma: VMARef, _ request: RemapRequest
    ) throws(Errno) -> Remapped {
        guard vma.flags.contains(.mayShare) else { throw .EINVAL }
        try checkGrowth(caller, vma, pages: request.newPages)
        guard request.flags.contains(.mayMove) else { throw .ENOMEM }
        return try moveOne(caller, vma, request, .duplicate)
    }

    /// FIXED with equal sizes: every VMA in the range moves; holes keep their places.
    private func moveAll(_ caller: Caller, _ request: RemapRequest) throws(Errno) -> Remapped {
        let end = request.address + request.length
        var populated: Range<UInt64>?
        var address = request.address
        while address < end, let vma = caller.space.tree.find(address), vma.start < end {
            try checkRoomToMove(caller.space)
            let from = max(address, vma.start)
            let to = min(end, vma.end)
            // LINUX: a mapping that shmat made moves alone; what came before it has moved then.
            if vma.file?.isSegment == true, from > request.address || end > vma.end {
                throw .EFAULT
            }
            let keeps = request.flags.contains(.dontUnmap)
            try checkMove(caller, vma, from: from, to: to, keepsSource: keeps)
            var one = request
            one.address = from
            one.length = to - from
            one.newLength = to - from
            one.newAddress = request.newAddress + (from - request.address)
            let moved = try moveOne(caller, vma, one, keeps ? .keepSource : .move)
            if let range = moved.populated {
                populated = min(populated?.lowerBound ?? .max, range.lowerBound)..<range.upperBound
            }
            address = to
        }
        return Remapped(address: request.newAddress, populated: populated)
    }

    /// What a VMA and the limits say about moving a part of it as it is.
    private func checkMove(
        _ caller: Caller, _ vma: VMARef, from start: UInt64, to end: UInt64, keepsSource: Bool
    ) throws(Errno) {
        let isPart = start > vma.start || end < vma.end
        if !vma.flags.isDisjoint(with: [.dontExpand, .pfnMapped]), keepsSource || isPart {
            throw .EINVAL
        }
    }

    private func resizeOrMove(
        _ caller: Caller, _ vma: VMARef, _ request: RemapRequest
    ) throws(Errno) -> Remapped {
        let space = caller.space
        var request = request
        if request.flags.contains(.dontUnmap) {
            guard request.address + request.length <= vma.end else { throw .EFAULT }
            try checkMove(
                caller, vma, from: request.address, to: request.address + request.length,
                keepsSource: true)
            return try moveOne(caller, vma, request, .keepSource)
        }
        let kept = min(request.length, request.newLength)
        guard request.address + kept <= vma.end else { throw .EFAULT }
        if request.newLength > request.length {
            guard vma.flags.isDisjoint(with: [.dontExpand, .pfnMapped]) else { throw .EFAULT }
            try checkGrowth(caller, vma, pages: request.newPages - request.pages)
            if !request.flags.contains(.fixed) {
                if let grown = try growInPlace(caller, vma, request) { return grown }
                guard request.flags.contains(.mayMove) else { throw .ENOMEM }
                try checkRoomToMove(space)
            }
            return try moveOne(caller, vma, request, .move)
        }
        // FIXED and smaller: the tail goes, the rest moves.
        try unmapLocked(
            space, from: request.address + request.newLength,
            to: request.address + request.length, on: caller.cpu)
        request.length = request.newLength
        return try moveAll(caller, request)
    }

    private func checkGrowth(
        _ caller: Caller, _ vma: VMARef, pages: Int
    ) throws(Errno) {
        if vma.flags.contains(.locked) {
            let total = caller.space.pointer.pointee.lockedPages + pages
            guard caller.mayLock(total: total) else { throw .EAGAIN }
        }
        guard caller.mayGrow(by: pages) else { throw .ENOMEM }
        if vma.flags.isPrivateWritable, !caller.mayGrowData(by: pages) { throw .ENOMEM }
    }

    private func charge(_ pages: Int, _ flags: VMAFlags, _ caller: Caller) throws(Errno) {
        guard flags.contains(.accounted), pages > 0 else { return }
        guard
            commitment.charge(
                pages, to: caller.space, isAdmin: caller.process.pointer.pointee.isAdmin)
        else { throw .ENOMEM }
    }

    /// Grows a range that ends where its VMA ends into the room behind it; `nil` where there is
    /// none.
    private func growInPlace(
        _ caller: Caller, _ vma: VMARef, _ request: RemapRequest
    ) throws(Errno) -> Remapped? {
        let space = caller.space
        let oldEnd = vma.end
        guard request.address + request.length == oldEnd,
            request.newLength <= limits.userEnd - request.address
        else { return nil }
        // LINUX: where the VMA begins below the lowest address that the caller may map, what is to
        // grow moves.
        guard mayMap(caller, vma.start) else { return nil }
        let end = request.address + request.newLength
        // LINUX: what grows upwards keeps no distance to a stack above it.
        if let next = vma.next, next.start < end { return nil }
        let pages = request.newPages - request.pages
        try charge(pages, vma.flags, caller)
        account(vma.flags, pages: pages, in: space)
        rebound(vma, in: space, start: vma.start, end: end, on: caller.cpu)
        let isPopulated = vma.flags.contains(.locked) && !vma.flags.contains(.lockOnFault)
        mergeGrown(vma, in: space, on: caller.cpu)
        return Remapped(address: request.address, populated: isPopulated ? oldEnd..<end : nil)
    }

    // MARK: Moving

    /// What becomes of the source of a move.
    private enum RemapMode {
        case move
        /// MREMAP_DONTUNMAP: it stays, without its pages.
        case keepSource
        /// Old size 0: it stays, with its pages.
        case duplicate
    }

    /// Moves a part of one VMA, all checks but those for room done.
    private func moveOne(
        _ caller: Caller, _ original: VMARef, _ request: RemapRequest, _ mode: RemapMode
    ) throws(Errno) -> Remapped {
        let space = caller.space
        let cpu = caller.cpu
        let charged =
            switch mode {
            case .move: request.newPages - request.pages
            case .keepSource: request.newPages
            case .duplicate: 0
            }
        let flags = original.flags
        let new = try placeMove(caller, original, request)
        try charge(charged, flags, caller)
        do throws(Errno) {
            if request.flags.contains(.fixed) {
                try unmapLocked(space, from: new, to: new + request.newLength, on: cpu)
            }
            // LINUX: unlike growth, what DONTUNMAP adds is held against the limits only after the
            // destination has gone.
            if mode == .keepSource {
                guard caller.mayGrow(by: request.newPages),
                    !flags.isPrivateWritable || caller.mayGrowData(by: request.newPages)
                else { throw .ENOMEM }
            }
            // LINUX: whether a place may be used at all is looked at when what was there has gone.
            if request.flags.contains(.fixed) { try checkLowest(caller, new) }
            // The destination may have been a part of the source's VMA, or with an old size of 0 all
            // of it.
            guard let vma = space.tree.find(request.address), vma.start <= request.address else {
                throw .EFAULT
            }
            if case .duplicate = mode {
                addTarget(for: vma, request, at: new, mode, space, on: cpu)
            } else {
                try move(vma, request, to: new, mode, space, on: cpu)
            }
        } catch {
            if flags.contains(.accounted), charged > 0 { commitment.uncharge(charged) }
            throw error
        }
        guard flags.contains(.locked), !flags.contains(.lockOnFault) else {
            return Remapped(address: new)
        }
        // What was there was populated already, except that a duplicate starts without entries.
        let old =
            switch mode {
            case .move, .keepSource: request.length
            case .duplicate: UInt64(0)
            }
        return Remapped(
            address: new,
            populated: request.newLength > old ? new + old..<new + request.newLength : nil)
    }

    private func placeMove(
        _ caller: Caller, _ vma: VMARef, _ request: RemapRequest
    ) throws(Errno) -> UInt64 {
        if request.flags.contains(.fixed) { return request.newAddress }
        return try place(
            caller, request.flags.contains(.dontUnmap) ? request.newAddress : 0,
            request.newLength, vma.flags.contains(.shared) ? .shared : .private, file: vma.file,
            offset: vma.pageOffset(of: request.address) << pageShift)
    }

    private func move(
        _ original: VMARef, _ request: RemapRequest, to new: UInt64, _ mode: RemapMode,
        _ space: AddressSpace, on cpu: CPU
    ) throws(Errno) {
        let end = request.address + request.length
        // A part that stays without its pages is not told from the rest.
        let isCut = mode != .keepSource
        // There is room for both cuts, see checkRoomToMove.
        var source = original
        let isMiddle = isCut && source.start < request.address && end < source.end
        if isCut, source.start < request.address {
            source = try split(source, at: request.address, in: space, on: cpu)
        }
        if isCut, end < source.end { try split(source, at: end, in: space, on: cpu) }
        guard makeTables(toMove: request.address, to: new, end: end, in: space, on: cpu) else {
            mergeWithNeighbours(source, in: space, on: cpu)
            freeTables(space, from: new, to: new + request.newLength, on: cpu)
            throw .ENOMEM
        }
        // ORDER: the new place is linked in the reverse maps before the old one is unlinked.
        let linksLast = Mutation.linksTargetLast.isActive
        if !linksLast { addTarget(for: source, request, at: new, mode, space, on: cpu) }
        // A source that stays may have become one with its neighbours and the new place.
        if isMiddle { shareTargetsGroup(new, source, space, on: cpu) }
        if mode == .keepSource, let joined = space.tree.find(request.address) { source = joined }
        moveEntries(
            of: source, from: request.address, to: new, end: end, in: space, on: cpu)
        if linksLast { addTarget(for: source, request, at: new, mode, space, on: cpu) }
        switch mode {
        case .move:
            removeVMA(source, from: space, on: cpu)
            freeTables(space, from: request.address, to: end, on: cpu)
        case .keepSource:
            unlockSource(source, space, on: cpu)
            // Without a page it needs no group.
            if source.start == request.address, source.end == end {
                groups.unlink(source, on: cpu)
            }
        case .duplicate: break
        }
    }

    /// Adds the VMA of the new place.
    private func addTarget(
        for source: VMARef, _ request: RemapRequest, at new: UInt64, _ mode: RemapMode,
        _ space: AddressSpace, on cpu: CPU
    ) {
        var flags = source.flags
        if Mutation.remapForgetsOnFault.isActive { flags.remove(.lockOnFault) }
        // Without an anonymous page so far, the offset may follow the address.
        let mayRebase = source.file == nil && source.anonGroup == nil
        addVMA(
            NewVMA(
                start: new, end: new + request.newLength, flags: flags,
                pageOffset: mayRebase
                    ? new >> pageShift : source.pageOffset(of: request.address),
                file: source.file, attributes: source.attributes, source: source,
                mayJoinSource: mode != .move),
            to: space, on: cpu)
    }

    /// Gives what is left above or below the source the group of the new place, if that has joined
    /// the rest on the other side.
    ///
    /// LINUX: the new place joins the VMA whole, before the source is cut out of it.
    private func shareTargetsGroup(
        _ new: UInt64, _ source: VMARef, _ space: AddressSpace, on cpu: CPU
    ) {
        guard let target = space.tree.find(new), target.anonGroup != nil,
            let below = source.previous, let above = source.next
        else { return }
        let other = target == below ? above : below
        guard target == below || target == above, other.anonGroup == nil else { return }
        groups.clone(from: target, to: other, on: cpu)
    }

    /// Unlocks the VMA that MREMAP_DONTUNMAP took pages from.
    ///
    /// LINUX: all of the VMA, even if only a part of it was moved, and its pages stay in VmLck for
    /// good. Pages that were not moved count as locked until they are freed there; here they do
    /// not, which only the machine's count of locked pages shows.
    private func unlockSource(_ source: VMARef, _ space: AddressSpace, on cpu: CPU) {
        guard source.flags.contains(.locked) else { return }
        countLock(.munlock, space, from: source.start, to: source.end, on: cpu)
        source.flags.subtract(.lockMask)
        space.pointer.pointee.strandedLockedPages += source.pageCount
    }
}

/// The arguments of mremap, lengths rounded up to pages.
private struct RemapRequest {
    var address: UInt64
    var length: UInt64
    var newLength: UInt64
    let flags: RemapFlags
    var newAddress: UInt64

    var pages: Int { Int(length >> pageShift) }
    var newPages: Int { Int(newLength >> pageShift) }

    /// Whether the caller says where the mapping goes, or that it goes elsewhere.
    var choosesPlace: Bool { !flags.isDisjoint(with: [.fixed, .dontUnmap]) }

    /// Checks what needs no look at the address space.
    func check(_ limits: MachineLimits) throws(Errno) {
        guard flags.isSubset(of: [.mayMove, .fixed, .dontUnmap]), address.isPageAligned,
            newLength != 0
        else { throw .EINVAL }
        if choosesPlace, !flags.contains(.mayMove) { throw .EINVAL }
        if flags.contains(.dontUnmap), length != newLength { throw .EINVAL }
        guard newLength <= limits.userEnd else { throw .EINVAL }
        guard choosesPlace else { return }
        guard newAddress.isPageAligned, newAddress <= limits.userEnd - newLength else {
            throw .EINVAL
        }
        let end = address &+ length
        if address < newAddress + newLength, newAddress < end { throw .EINVAL }
    }
}
