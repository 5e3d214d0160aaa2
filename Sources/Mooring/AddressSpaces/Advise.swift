// SPDX-License-Identifier: Apache-2.0
//
// madvise(2).
//
// STATE   Holes are passed over and remembered: ENOMEM at the end, with all that is mapped
//         advised. A VMA that an advice does not suit stops the call with an error of its own.
// LOCKS   The address space's lock: exclusive for advice that changes VMAs, shared for advice about
//         pages; populating takes it itself.
// LAZY    COLLAPSE is checked and changes nothing yet.
// SEE     AdviseFlags.swift, Discard.swift, GuardPages.swift.

extension AddressSpaces {
    /// Takes advice about a range.
    func madvise(
        _ caller: Caller, address: UInt64, length: UInt64, advice: Advice
    ) throws(Errno) {
        guard let kind = AdviceKind(advice), address.isPageAligned else { throw .EINVAL }
        let size = length.roundedUpToPages
        let end = address &+ size
        guard size != 0 || length == 0, end >= address else { throw .EINVAL }
        guard size != 0 else { return }
        let space = caller.space
        switch kind {
        case .populate(let access):
            try populate(caller, from: address, to: end, access)
        case .vma:
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            try walkAdvice(space, from: address, to: end) { vma, from, to throws(Errno) in
                let new = try vma.flags.advised(advice, isFile: vma.file != nil)
                do throws(Errno) {
                    _ = try setFlags(new, of: vma, from: from, to: to, in: space, on: caller.cpu)
                } catch {
                    throw Errno.fromAdvisedSplit(error)
                }
            }
        case .guards:
            space.lock.lock(.addressSpace, on: caller.cpu)
            defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
            try walkAdvice(space, from: address, to: end) { vma, from, to throws(Errno) in
                if advice == .guardInstall {
                    try installGuards(vma, space, from: from, to: to, on: caller.cpu)
                } else {
                    removeGuards(vma, space, from: from, to: to, on: caller.cpu)
                }
            }
        case .discard:
            space.lock.lockShared(.addressSpace, on: caller.cpu)
            defer { space.lock.unlockShared(.addressSpace, on: caller.cpu) }
            var gathering = unmapper.begin(in: space, on: caller.cpu)
            defer { unmapper.finish(&gathering, on: caller.cpu) }
            try walkAdvice(space, from: address, to: end) { vma, from, to throws(Errno) in
                try discard(advice, vma, from: from, to: to, &gathering, on: caller.cpu)
            }
        case .pages:
            space.lock.lockShared(.addressSpace, on: caller.cpu)
            defer { space.lock.unlockShared(.addressSpace, on: caller.cpu) }
            try walkAdvice(space, from: address, to: end) { vma, from, to throws(Errno) in
                try advisePages(advice, vma, space, from: from, to: to, on: caller.cpu)
            }
        }
    }

    /// Visits the parts of VMAs in a range in order.
    ///
    /// - Throws: What `body` throws, at once; `ENOMEM` after the last part if there was a hole.
    @inline(__always)
    private func walkAdvice(
        _ space: AddressSpace, from start: UInt64, to end: UInt64,
        _ body: (VMARef, UInt64, UInt64) throws(Errno) -> Void
    ) throws(Errno) {
        var hasHole = false
        var address = start
        while address < end {
            guard let vma = space.tree.find(address), vma.start < end else {
                hasHole = true
                break
            }
            if vma.start > address {
                hasHole = true
                address = vma.start
            }
            let stop = min(end, vma.end)
            try body(vma, address, stop)
            address = stop
        }
        if hasHole { throw .ENOMEM }
    }

    private func discard(
        _ advice: Advice, _ vma: VMARef, from start: UInt64, to end: UInt64,
        _ gathering: inout Gathering, on cpu: CPU
    ) throws(Errno) {
        let isLocked = vma.flags.contains(.locked) && !Mutation.discardsLocked.isActive
        if !vma.flags.isDisjoint(with: [.io, .pfnMapped]) || isLocked && advice != .dontNeedLocked {
            throw .EINVAL
        }
        if advice == .free {
            guard vma.file == nil else { throw .EINVAL }
            freeLazily(from: start, to: end, &gathering, on: cpu)
        } else {
            unmapper.unmap(vma, from: start, to: end, scope: .pages, into: &gathering, on: cpu)
        }
    }

    private func advisePages(
        _ advice: Advice, _ vma: VMARef, _ space: AddressSpace, from start: UInt64,
        to end: UInt64, on cpu: CPU
    ) throws(Errno) {
        let isFixed = !vma.flags.isDisjoint(with: [.io, .pfnMapped])
        switch advice {
        case .remove:
            try removePages(vma, from: start, to: end, on: cpu)
        case .willNeed:
            readAhead(vma, from: start, to: end, on: cpu)
        case .cold, .pageOut:
            if isFixed || vma.flags.contains(.locked) { throw .EINVAL }
            giveUp(
                vma, space, from: start, to: end, at: advice == .pageOut ? .once : .leisure,
                on: cpu)
        case .collapse:
            try checkCollapse(vma, space, from: start, to: end)
        default: break
        }
    }

    // MARK: Populating

    /// MADV_POPULATE_READ and MADV_POPULATE_WRITE: stop at the first page that cannot come.
    private func populate(
        _ caller: Caller, from start: UInt64, to end: UInt64, _ access: AccessKind
    ) throws(Errno) {
        var address = start
        while address < end {
            let stop = try checkPopulation(caller, from: address, to: end, access)
            // RACE: the VMAs may have changed since the check; then population finds that out.
            if let failure = populate(
                caller.space, from: address, to: stop, kind: access, on: caller.cpu)
            {
                throw Errno.fromAdvisedPopulation(failure)
            }
            address = stop
        }
    }

    /// How far the VMA at an address goes, if it can be populated.
    private func checkPopulation(
        _ caller: Caller, from start: UInt64, to end: UInt64, _ access: AccessKind
    ) throws(Errno) -> UInt64 {
        let space = caller.space
        space.lock.lockShared(.addressSpace, on: caller.cpu)
        defer { space.lock.unlockShared(.addressSpace, on: caller.cpu) }
        guard let vma = space.tree.find(start), vma.start <= start else { throw .ENOMEM }
        // Reading asks for the very right, though the processor would let a writer read.
        let right: VMAFlags = access == .write ? .write : .read
        guard vma.flags.contains(right), vma.flags.isDisjoint(with: [.io, .pfnMapped]) else {
            throw .EINVAL
        }
        return min(end, vma.end)
    }

    // MARK: Collapsing

    /// Whether what a VMA has to collapse lies in aligned 2 MiB, too: pages of its file, or of its
    /// group, which it must have.
    private func isAligned(_ vma: VMARef) -> Bool {
        if vma.file == nil { return vma.anonGroup != nil }
        return (vma.start >> pageShift &- vma.pageOffset) & 511 == 0
    }

    /// Says whether MADV_COLLAPSE would find something to collapse in every aligned 2 MiB.
    private func checkCollapse(
        _ vma: VMARef, _ space: AddressSpace, from start: UInt64, to end: UInt64
    ) throws(Errno) {
        let size = UInt64(1) << TableLevel.pmd.rawValue
        guard !vma.flags.contains(.noHugePage), vma.flags.isDisjoint(with: .special),
            vma.hasRoomForHugePage, vma.file?.kind != .disk, isAligned(vma)
        else { throw .EINVAL }
        let first = (start + size - 1) & ~(size - 1)
        let last = end & ~(size - 1)
        guard first <= last else { throw .EINVAL }
        var address = first
        while address < last {
            guard vma.flags.contains(.write) || vma.file != nil,
                let table = tables.find(root: space.root, address), table.frame.liveEntries > 0
            else { throw .EINVAL }
            address += size
        }
    }
}

/// How an advice is carried out.
private enum AdviceKind {
    /// By changing the flags of VMAs.
    case vma
    case guards
    /// By giving pages up, all with one flush.
    case discard
    /// By looking at pages otherwise.
    case pages
    case populate(AccessKind)

    /// `nil` for a number that is no advice.
    init?(_ advice: Advice) {
        switch advice {
        case .normal, .random, .sequential, .dontFork, .doFork, .mergeable, .unmergeable,
            .hugePage, .noHugePage, .dontDump, .doDump, .wipeOnFork, .keepOnFork:
            self = .vma
        case .guardInstall, .guardRemove: self = .guards
        case .dontNeed, .dontNeedLocked, .free: self = .discard
        case .willNeed, .remove, .cold, .pageOut, .collapse: self = .pages
        case .populateRead: self = .populate(.read)
        case .populateWrite: self = .populate(.write)
        default: return nil
        }
    }
}

extension Errno {
    /// What madvise makes of a VMA that cannot be split.
    ///
    /// LINUX: madvise(2): EAGAIN where kernel resources are temporarily unavailable; ENOMEM means
    /// a hole.
    fileprivate static func fromAdvisedSplit(_ failure: Errno) -> Errno {
        failure == .ENOMEM ? .EAGAIN : failure
    }

    /// What madvise makes of a failed population.
    ///
    /// LINUX: madvise(2): EFAULT where a fault would end in a signal, ENOMEM where nothing is
    /// mapped or no memory is left.
    fileprivate static func fromAdvisedPopulation(_ failure: PopulateFailure) -> Errno {
        switch failure.reason {
        case .notMapped, .noMemory: .ENOMEM
        case .forbidden: .EINVAL
        case .guarded, .pastEnd: .EFAULT
        }
    }
}
