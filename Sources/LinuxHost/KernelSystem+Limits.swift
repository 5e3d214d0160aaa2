// SPDX-License-Identifier: Apache-2.0
//
// Locking, limits and privileges: where a host may allow its processes less than the work's have.
//
// What the work would be refused on any machine is an outcome. What only this host refuses, because
// whoever runs Mooring on it is not root or has low limits, is a `HostRefusal`.

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// CAP_IPC_LOCK as a bit of a capability set.
private let lockPrivilege: UInt32 = 1 << 14

/// CAP_SYS_RAWIO: the lowest pages.
let rawAccessPrivilege: UInt32 = 1 << 17

/// The other privileges that calls ask for: CAP_IPC_OWNER, CAP_SYS_RAWIO, CAP_SYS_ADMIN and
/// CAP_SYS_NICE.
let administratorPrivileges: UInt32 = 1 << 15 | 1 << 17 | 1 << 21 | 1 << 23

/// CAP_SYS_RESOURCE: raising hard limits.
private let limitPrivilege: UInt32 = 1 << 24

extension KernelSystem {
    /// Tells apart why a call that locks memory failed.
    ///
    /// - Parameters:
    ///   - length: How many bytes it would have locked.
    ///   - excess: What it fails with if that is too much.
    ///   - helper: Who made it.
    ///   - outcome: What became of it.
    /// - Returns: The outcome, where it is the work's own.
    /// - Throws: `HostRefusal` where the work's process may lock more than the host's.
    func locking(
        _ length: UInt64, _ excess: Mooring.Errno, by helper: Helper,
        _ outcome: Outcome
    ) throws -> Outcome {
        guard case .failed(let error) = outcome, error == excess || error == .EPERM else {
            return outcome
        }
        guard helper.isHeldBack else { return outcome }
        let limit = try helper.limit(.memlock).soft
        guard try helper.locked().addingSaturated(length) > limit else {
            return outcome
        }
        throw heldBack(limit)
    }

    private func heldBack(_ limit: UInt64) -> HostRefusal {
        HostRefusal(
            "a process may lock \(limit >> 10) KiB there; run as root, or raise the limit "
                + "(ulimit -l unlimited).")
    }

    /// Whether the host lets its processes lock what they like.
    ///
    /// It is tried, since root may hold CAP_IPC_LOCK in a container and still be held to limits.
    static func mayLock(_ helper: Helper) throws -> Bool {
        let limit = try helper.limit(.memlock)
        try helper.setLimit(.memlock, soft: 0, hard: limit.hard)
        defer { _ = try? helper.prlimit(.memlock, soft: limit.soft, hard: limit.hard) }
        // LINUX: with a limit of 0 the privilege is asked for, however little is to be locked.
        return try !helper.call(.mlock, 0, 0).failed
    }

    func mlockall(_ flags: LockAllFlags, _ helper: Helper) throws -> Outcome {
        if flags.contains(.future), helper.isHeldBack {
            // Whatever is mapped later would meet the limit, one call after the other.
            let limit = try helper.limit(.memlock).soft
            if limit != .max { throw heldBack(limit) }
        }
        // LINUX: mlockall(MCL_CURRENT) compares all of the address space with the limit, and the
        // helper's areas are part of it. A limit of 0 is EPERM whatever there is to lock.
        var lowered: (soft: UInt64, hard: UInt64)?
        var isTooLow = false
        if flags.contains(.current), !helper.holdsLockPrivilege {
            let limit = try helper.limit(.memlock)
            let wanted = limit.soft.addingSaturated(UInt64(Helper.home.count))
            let raised = min(limit.hard, wanted)
            isTooLow = limit.soft != 0 && raised < wanted
            if limit.soft != 0, raised != limit.soft {
                lowered = limit
                try helper.setLimit(.memlock, soft: raised, hard: limit.hard)
            }
        }
        let outcome = try helper.call(.mlockall, UInt64(flags.rawValue)).outcome
        if flags.contains(.current), case .value = outcome {
            _ = try helper.call(.munlock, Helper.home.lowerBound, UInt64(Helper.home.count))
        }
        if let lowered {
            try helper.setLimit(.memlock, soft: lowered.soft, hard: lowered.hard)
        }
        if isTooLow, outcome == .failed(.ENOMEM) {
            throw HostRefusal(
                "mlockall counts what a helper has for itself, for which the hard limit on locked "
                    + "memory leaves no room there (ulimit -Hl).")
        }
        return try locking(.max, .ENOMEM, by: helper, outcome)
    }

    /// shmctl(2) with SHM_LOCK or SHM_UNLOCK.
    ///
    /// LINUX: what is locked so is counted for the user, whose other processes may be at it too. A
    /// real user of our own keeps the work's apart, where the host lets us be one; what may be done
    /// depends on the effective one.
    func lockSegment(_ segment: Int32, _ isLocked: Bool, _ helper: Helper) throws -> Outcome {
        let real = 0x4000_0000 | UInt64(first.pid)
        let same = UInt64(UInt32.max)
        let own = getuid()
        let isApart = try isLocked && !helper.call(.setresuid, real, same, same).failed
        let outcome = try helper.call(
            .shmctl, UInt64(bitPattern: Int64(segment)), isLocked ? 11 : 12
        ).outcome
        if isApart { _ = try helper.call(.setresuid, UInt64(own), same, same) }
        if !isApart, isLocked, outcome == .failed(.ENOMEM) {
            throw HostRefusal(
                "what shmctl locks is counted for the user there, whose other processes lock too; "
                    + "run as root.")
        }
        return outcome
    }

    func setLimit(
        _ resource: Resource, soft: UInt64?, hard: UInt64?, _ helper: Helper
    ) throws -> Outcome {
        let infinity = UInt64.max
        let askedSoft = soft ?? infinity
        let askedHard = hard ?? infinity
        let current = try helper.limit(resource)
        // What a helper has for itself comes on top, where the hard limit leaves room.
        let own = resource == .memlock ? UInt64(Helper.home.count) : Helper.own(resource)
        let ceiling = max(current.hard, askedHard)
        var newHard = min(ceiling, askedHard.addingSaturated(own))
        // The soft limit on locked memory is raised only while mlockall looks at it.
        var newSoft = resource == .memlock ? askedSoft : askedSoft.addingSaturated(own)
        if askedSoft > askedHard {
            newSoft = askedSoft
            newHard = askedHard
        } else {
            newSoft = min(newSoft, newHard)
        }
        let believed = helper.hardLimits[resource] ?? current.hard
        if !helper.isAdministrator, askedSoft <= askedHard, askedHard > believed {
            return .failed(.EPERM)
        }
        let outcome = try helper.prlimit(resource, soft: newSoft, hard: newHard).outcome
        if outcome == .failed(.EPERM) || askedHard > believed && askedHard <= current.hard {
            // The soft limit is what the work runs into.
            _ = try helper.prlimit(
                resource, soft: min(newSoft, current.hard), hard: current.hard)
            throw HostRefusal(
                "the hard limit on \(resource) cannot be raised there; that takes "
                    + "CAP_SYS_RESOURCE.")
        }
        if case .value = outcome { helper.hardLimits[resource] = askedHard }
        return outcome
    }

    func setLockPrivilege(_ isHeld: Bool, _ helper: Helper) throws {
        let isSet = try setPrivileges(lockPrivilege, isHeld, helper)
        helper.isMeantToLock = isHeld
        helper.holdsLockPrivilege = isHeld && mayLock && isSet
    }

    func setAdministrator(_ isHeld: Bool, _ helper: Helper) throws {
        _ = try setPrivileges(administratorPrivileges | limitPrivilege, isHeld, helper)
        helper.isAdministrator = isHeld
    }

    /// Gives or takes privileges.
    ///
    /// - Returns: Whether all could be given. Where not, a call that needs one is told apart.
    private func setPrivileges(
        _ bits: UInt32, _ isHeld: Bool, _ helper: Helper
    ) throws -> Bool {
        var sets = try helper.capabilities().payload
        // The effective set comes first, then the permitted one.
        let isPermitted = sets.withUnsafeMutableBytes { sets in
            let effective = sets.loadUnaligned(as: UInt32.self)
            let permitted = sets.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            sets.storeBytes(
                of: isHeld ? effective | bits & permitted : effective & ~bits, as: UInt32.self)
            return bits & ~permitted == 0
        }
        let result = try helper.call(
            .capset, Helper.payloadIn, Helper.payloadIn + 8, payload: capabilityHeader + sets)
        if result.failed, !isHeld { throw forbidden("capset") }
        return !result.failed && (isPermitted || !isHeld)
    }
}

// MARK: Limits and capabilities of a helper

extension Helper {
    /// How much of a limit every helper uses for itself all the time, in bytes.
    static func own(_ resource: Resource) -> UInt64 {
        switch resource {
        case .addressSpace: UInt64(home.count)
        case .data: halfLength
        case .memlock, .stack: 0
        }
    }

    /// Whether the host lets it lock less than the work's process may.
    var isHeldBack: Bool { isMeantToLock && !holdsLockPrivilege }

    /// How much it has locked (VmLck), in bytes.
    func locked() throws -> UInt64 {
        let status = try hostText("/proc/\(pid)/status")
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmLck:") }
        let digits = line?.filter(\.isNumber) ?? ""
        return (UInt64(digits) ?? 0) << 10
    }

    /// The limits in force.
    func limit(_ resource: Resource) throws -> (soft: UInt64, hard: UInt64) {
        let reply = try call(
            .prlimit, 0, resource.number, 0, Helper.payloadOut, replyLength: 16)
        guard !reply.failed else { throw SystemFailure("prlimit(2) failed: \(reply.outcome).") }
        return reply.payload.withUnsafeBytes {
            (
                $0.loadUnaligned(as: UInt64.self),
                $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
    }

    /// prlimit(2) on itself.
    func prlimit(_ resource: Resource, soft: UInt64, hard: UInt64) throws -> HelperReply {
        try call(
            .prlimit, 0, resource.number, Helper.payloadIn, payload: bytes(soft) + bytes(hard))
    }

    /// Sets limits that the host is known to allow.
    func setLimit(_ resource: Resource, soft: UInt64, hard: UInt64) throws {
        let reply = try prlimit(resource, soft: soft, hard: hard)
        guard !reply.failed else { throw SystemFailure("prlimit(2) failed: \(reply.outcome).") }
    }

    /// Whether it holds some privileges, all of them.
    func holds(_ privileges: UInt32) throws -> Bool {
        try capabilities().payload.withUnsafeBytes {
            $0.loadUnaligned(as: UInt32.self) & privileges == privileges
        }
    }

    /// capget(2): six words, of which the first is the low half of the effective set.
    func capabilities() throws -> HelperReply {
        let reply = try call(
            .capget, Helper.payloadIn, Helper.payloadOut, payload: capabilityHeader,
            replyLength: 24)
        guard !reply.failed else { throw SystemFailure("capget(2) failed: \(reply.outcome).") }
        return reply
    }

}

/// What capget(2) and capset(2) take: version 3, this process.
private let capabilityHeader: [UInt8] = bytes(UInt32(0x2008_0522)) + bytes(UInt32(0))

extension Resource {
    /// Linux's number.
    fileprivate var number: UInt64 {
        switch self {
        case .data: 2
        case .stack: 3
        case .memlock: 8
        case .addressSpace: 9
        }
    }
}

extension UInt64 {
    /// The sum, or infinity where it does not fit.
    fileprivate func addingSaturated(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
