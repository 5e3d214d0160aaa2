// SPDX-License-Identifier: Apache-2.0
//
// exec on the host's kernel: an address space like the one that a program was recorded in.
//
// No program is loaded. The helper executes itself, which makes the kernel begin a new address
// space, and everything that its own loader left there goes. What the recorded loader had mapped
// is mapped at the recorded places, with a file of the recorded length in place of each program.
//
//   where the search for room begins   follows from RLIMIT_STACK at the moment of the exec, since
//                                      addresses are not random: the limit is set for it and put
//                                      back after
//   vdso and vvar                      are the kernel's own, moved to their recorded places; where
//                                      they have another size, empty memory stands in for them
//   where the heap begins              prctl(PR_SET_MM_MAP), which needs no privilege
//
// What a host does not allow is noted (`remarks`), and mappings that lie elsewhere because of it
// are followed there by `AddressBook`.

import CLinuxHost
import Mooring
import Workloads

extension KernelSystem {
    /// Begins a new address space that holds a program.
    ///
    /// - Parameters:
    ///   - image: The program. Where it says 0, the search for room and the heap begin where the
    ///     host puts them.
    ///   - helper: The helper of the process.
    ///   - isShared: Whether the helper acts for another process too, which keeps it.
    /// - Returns: The helper of the process from now on, or the error of execve(2).
    /// - Throws: `SystemFailure` where an area cannot be where it was, `HelperGone`.
    func exec(
        _ image: ExecImage, _ helper: Helper, isShared: Bool
    ) throws -> Result<Helper, Mooring.Errno> {
        guard isShared else {
            return try helper.excludingOwnFaults {
                try load(image, begin(image, helper) { try $0.execInPlace() })
            }
        }
        let fresh = try load(image, begin(image, helper) { try $0.execApart() })
        if case .success(let fresh) = fresh { try fresh.excludeAllFaults() }
        return fresh
    }

    /// Has the kernel begin a new address space in which the search for room begins where the
    /// image says.
    private func begin(
        _ image: ExecImage, _ helper: Helper,
        _ execute: (Helper) throws -> Result<Helper, Mooring.Errno>
    ) throws -> Result<Helper, Mooring.Errno> {
        guard image.mapTop != 0 else { return try execute(helper) }
        let limit = try helper.limit(.stack)
        let room = try searchCeiling()
        // An exec needs some stack, and below 128 MiB the limit makes no difference.
        let below = max(room - min(room, image.mapTop), 8 << 20)
        _ = try helper.prlimit(.stack, soft: below, hard: limit.hard)
        let fresh = try execute(helper)
        try helper.setLimit(.stack, soft: limit.soft, hard: limit.hard)
        if case .success(let other) = fresh, other !== helper {
            try other.setLimit(.stack, soft: limit.soft, hard: limit.hard)
        }
        return fresh
    }

    /// Where the search for room would begin if the stack were allowed no memory: what the kernel
    /// keeps free besides is found out once, with a helper of its own.
    private func searchCeiling() throws -> UInt64 {
        if let known = knownSearchCeiling { return known }
        guard case .success(let scout) = try first.fork() else {
            throw SystemFailure("No more processes can be made on this host.")
        }
        let plenty: UInt64 = 1 << 30
        let limit = try scout.limit(.stack)
        _ = try scout.prlimit(.stack, soft: plenty, hard: limit.hard)
        _ = try scout.execInPlace()
        try scout.clear()
        let ceiling = try scout.mapTop() + plenty
        knownSearchCeiling = ceiling
        return ceiling
    }

    /// Puts a program's areas where it was recorded, into a new address space.
    private func load(
        _ image: ExecImage, _ started: Result<Helper, Mooring.Errno>
    ) throws -> Result<Helper, Mooring.Errno> {
        guard case .success(let helper) = started else { return started }
        // LINUX: execve gives a program of root's all capabilities again.
        if !helper.isMeantToLock { try setLockPrivilege(false, helper) }
        if !helper.isAdministrator { try setAdministrator(false, helper) }
        var parked = try helper.clear(
            keepsVDSO: image.areas.contains { $0.purpose == .vdso || $0.purpose == .vvar })
        if image.mapTop != 0 {
            let top = try helper.mapTop()
            if top != image.mapTop {
                let room = try searchCeiling() - min(searchCeiling(), image.mapTop)
                remark(
                    "the search for room does not begin where it was recorded, so that mappings "
                        + "lie elsewhere; that takes a hard limit on the stack of \(room >> 10) KiB "
                        + "(ulimit -Hs), and addresses that are not random (personality(2)).")
            }
        }
        for area in image.areas {
            let range = area.address..<area.address + area.length
            if let index = parked.firstIndex(where: { $0.isLike(area) }) {
                let own = parked.remove(at: index)
                if try helper.move(own.range, to: area.address) { continue }
            }
            try map(area, range, in: helper)
        }
        for own in parked {
            _ = try helper.call(.munmap, own.range.lowerBound, UInt64(own.range.count))
        }
        let stack = image.areas.last { $0.purpose == .stack }
        if image.breakStart != 0,
            try !helper.setBreak(
                image.breakStart, stackEnd: stack.map { $0.address + $0.length })
        {
            remark(
                "the heap does not begin where it was recorded; that takes prctl(PR_SET_MM_MAP) "
                    + "(CONFIG_CHECKPOINT_RESTORE).")
        }
        helper.resetPeak()
        return .success(helper)
    }

    private func map(
        _ area: ExecImage.Area, _ range: Range<UInt64>, in helper: Helper
    ) throws {
        try refuseHome(area.address, area.length)
        var flags: MapFlags = [.private, .fixedNoReplace]
        switch area.purpose {
        case .stack: flags.insert(.growsDown)
        case .vdso, .vvar:
            remark("the vdso has another size than the recorded one; empty memory stands for it.")
        case .segment, .heap: break
        }
        let file = try area.file.map { try descriptor(of: $0, in: helper) }
        if file == nil { flags.insert(.anonymous) }
        let reply = try helper.call(
            .mmap, area.address, area.length, UInt64(area.protection.rawValue),
            UInt64(flags.rawValue), UInt64(bitPattern: Int64(file ?? -1)), area.fileOffset)
        guard !reply.failed else {
            throw SystemFailure(
                "The program's area \(hexadecimal(range)) cannot be mapped on this host: "
                    + "\(reply.outcome).")
        }
    }
}
