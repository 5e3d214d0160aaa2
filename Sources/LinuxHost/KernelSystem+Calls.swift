// SPDX-License-Identifier: Apache-2.0
//
// Each call of the vocabulary as the system call, or the access, that a helper makes.

import CLinuxHost
import Glibc
import Mooring
import Workloads

/// CAP_IPC_LOCK as a bit of a capability set.
let lockPrivilege: UInt32 = 1 << 14

/// The other privileges that calls ask for: CAP_IPC_OWNER, CAP_SYS_RAWIO, CAP_SYS_ADMIN,
/// CAP_SYS_NICE, CAP_SYS_RESOURCE.
private let administratorPrivileges: UInt32 = 1 << 15 | 1 << 17 | 1 << 21 | 1 << 23 | 1 << 24

extension KernelSystem {
    /// Carries out a call that concerns one living process only.
    func carryOut(_ call: Call, on helper: Helper) throws -> Outcome {
        switch call {
        case .mmap(let address, let length, let protection, let flags, let file, let offset):
            let start = try absolute(address)
            if !flags.isDisjoint(with: [.fixed, .fixedNoReplace]) {
                try refuseHome(start, length)
            }
            let descriptor = try file.map { try self.descriptor(of: $0, in: helper) } ?? -1
            return try helper.call(
                .mmap, start, length, UInt64(protection.rawValue), UInt64(flags.rawValue),
                UInt64(bitPattern: Int64(descriptor)), offset
            ).outcome
        case .munmap(let span):
            let (start, length) = try outsideHome(span)
            return try helper.call(.munmap, start, length).outcome
        case .mprotect(let span, let protection):
            let (start, length) = try outsideHome(span)
            return try helper.call(
                .mprotect, start, length, UInt64(protection.rawValue)
            ).outcome
        case .mremap(let span, let newLength, let flags, let newAddress):
            let (start, length) = try outsideHome(span)
            let target = try absolute(newAddress)
            if flags.contains(.fixed) { try refuseHome(target, newLength) }
            return try helper.call(
                .mremap, start, length, newLength, UInt64(flags.rawValue), target
            ).outcome
        case .madvise(let span, let advice):
            let (start, length) = try outsideHome(span)
            return try helper.call(
                .madvise, start, length, UInt64(bitPattern: Int64(advice.rawValue))
            ).outcome
        case .brk(let address):
            return try helper.call(.brk, try absolute(address)).outcome
        case .mincore(let span):
            return try mincore(span, helper)
        case .msync(let span, let flags):
            let (start, length) = try outsideHome(span)
            return try helper.call(.msync, start, length, UInt64(flags.rawValue)).outcome
        case .remapFilePages(let span, let protection, let pageOffset, let flags):
            let (start, length) = try outsideHome(span)
            return try helper.call(
                .remapFilePages, start, length, UInt64(protection.rawValue), pageOffset,
                UInt64(flags.rawValue)
            ).outcome

        case .mlock(let span):
            let (start, length) = try outsideHome(span)
            return try helper.call(.mlock, start, length).outcome
        case .mlock2(let span, let flags):
            let (start, length) = try outsideHome(span)
            return try helper.call(.mlock2, start, length, UInt64(flags.rawValue)).outcome
        case .munlock(let span):
            let (start, length) = try outsideHome(span)
            return try helper.call(.munlock, start, length).outcome
        case .mlockall(let flags):
            return try mlockall(flags, helper)
        case .munlockall:
            return try helper.call(.munlockall).outcome

        case .movePages(let span, let node, let flags):
            return try movePages(span, node, flags, helper)
        case .migratePages(let from, let to):
            // LINUX: the kernel looks at one bit less than it is told of.
            return try helper.call(
                .migratePages, 0, 65, Helper.payloadIn, Helper.payloadIn + 8,
                payload: bytes(from) + bytes(to)
            ).outcome
        case .mbind(let span, let mode, let nodes, let flags):
            let (start, length) = try outsideHome(span)
            return try helper.call(
                .mbind, start, length, UInt64(bitPattern: Int64(mode)), Helper.payloadIn, 65,
                UInt64(flags), payload: bytes(nodes)
            ).outcome

        case .shmat(let file, let address, let flags):
            let start = try absolute(address)
            if flags.contains(.remap) { try refuseHome(start, 1) }
            let segment = try hostFile(file).segmentIdentifier()
            return try helper.call(
                .shmat, UInt64(bitPattern: Int64(segment)), start, UInt64(flags.rawValue)
            ).outcome
        case .shmdt(let address):
            return try helper.call(.shmdt, try absolute(address)).outcome
        case .shmLock(let file, let locked):
            let segment = try hostFile(file).segmentIdentifier()
            return try helper.call(
                .shmctl, UInt64(bitPattern: Int64(segment)), UInt64(locked ? 11 : 12)
            ).outcome

        case .access(let span, let kind):
            let (start, length) = try outsideHome(span)
            return try accessOutcome(
                helper.request(HELPER_TOUCH, start, length, UInt64(kind.rawValue)), helper)
        case .store(let span, let seed):
            let (start, length) = try outsideHome(span)
            return try accessOutcome(helper.request(HELPER_STORE, start, length, seed), helper)
        case .load(let span):
            let (start, length) = try outsideHome(span)
            return try accessOutcome(helper.request(HELPER_LOAD_SUM, start, length), helper)

        case .exec:
            return try exec(helper)
        case .setLimit(let resource, let soft, let hard):
            return try setLimit(resource, soft: soft, hard: hard, helper)
        case .setLockPrivilege(let isHeld):
            try setLockPrivilege(isHeld, helper)
            return .value(0)
        case .setAdministrator(let isHeld):
            try setAdministrator(isHeld, helper)
            return .value(0)

        case .createFile, .ftruncate, .seal, .punchHole, .readFile, .writeFile, .spawn, .fork,
            .exit:
            preconditionFailure("perform(_:) keeps these for itself")
        }
    }

    // MARK: Arguments

    private func absolute(_ address: Address) throws(SystemFailure) -> UInt64 {
        guard case .absolute(let value) = address else { throw unresolved() }
        return value
    }

    private func absolute(_ span: Span) throws(SystemFailure) -> (UInt64, UInt64) {
        guard case .absolute(let address, let length) = span else { throw unresolved() }
        return (address, length)
    }

    private func unresolved() -> SystemFailure {
        SystemFailure("An address relative to a region reached the kernel; run it by a Runner.")
    }

    /// The address and length of a span that does not meet the helper's own areas.
    private func outsideHome(_ span: Span) throws(SystemFailure) -> (UInt64, UInt64) {
        let (address, length) = try absolute(span)
        try refuseHome(address, length)
        return (address, length)
    }

    /// Refuses a span that the kernel would accept and that meets the helper's own areas.
    private func refuseHome(_ address: UInt64, _ length: UInt64) throws(SystemFailure) {
        let (end, wraps) = address.addingReportingOverflow(length)
        let margin = pageSize
        guard !wraps, end <= UInt64(HELPER_SPACE_END),
            address < Helper.home.upperBound + margin, end > Helper.home.lowerBound - margin
        else { return }
        throw SystemFailure(
            "The span \(hexadecimal(address..<end)) meets \(hexadecimal(Helper.home)), where the "
                + "helper that acts for the process keeps itself. Use other addresses on the "
                + "host's kernel.")
    }

    private func hexadecimal(_ range: Range<UInt64>) -> String {
        "0x\(String(range.lowerBound, radix: 16))-0x\(String(range.upperBound, radix: 16))"
    }

    /// The number of a file's descriptor in a process, which is given it on first use.
    private func descriptor(of file: FileID, in helper: Helper) throws -> Int32 {
        if let known = helper.descriptors[file] { return known }
        let number = try helper.adopt(hostFile(file).descriptorForSharing())
        guard number >= 0 else {
            throw SystemFailure("File \(file.rawValue) cannot be given to a helper process.")
        }
        helper.descriptors[file] = number
        return number
    }

    // MARK: Calls that take more than one request

    private func mincore(_ span: Span, _ helper: Helper) throws -> Outcome {
        let (start, length) = try absolute(span)
        let pages = length >> pageShift + (length.isPageAligned ? 0 : 1)
        var vector: [UInt8] = []
        repeat {
            let done = UInt64(vector.count)
            let piece = min(pages - done, UInt64(Helper.payloadLimit))
            let reply = try helper.call(
                .mincore, start &+ done << pageShift, piece << pageShift, Helper.payloadOut,
                replyLength: Int(piece))
            guard !reply.failed else { return reply.outcome }
            vector += reply.payload
        } while vector.count < pages
        return .pages(vector)
    }

    /// move_pages(2) in pieces, up to the first that does not return 0.
    private func movePages(
        _ span: Span, _ node: Int32?, _ flags: UInt32, _ helper: Helper
    ) throws -> Outcome {
        let (start, length) = try outsideHome(span)
        let pages = length >> pageShift + (length.isPageAligned ? 0 : 1)
        // Eight bytes of address and four of node a page, and room for them in one request.
        let pieceLimit: UInt64 = 128
        var done: UInt64 = 0
        var found: [Int32] = []
        repeat {
            let piece = min(pages - done, pieceLimit)
            var payload: [UInt8] = []
            for page in done..<done + piece { payload += bytes(start &+ page << pageShift) }
            let nodes = Helper.payloadIn + UInt64(payload.count)
            if let node {
                for _ in 0..<piece { payload += bytes(UInt32(bitPattern: node)) }
            }
            let reply = try helper.call(
                .movePages, 0, piece, Helper.payloadIn, node == nil ? 0 : nodes,
                Helper.payloadOut, UInt64(flags), payload: payload, replyLength: Int(piece * 4))
            guard reply.value == 0 else { return reply.outcome }
            reply.payload.withUnsafeBytes { nodes in
                for page in 0..<Int(piece) {
                    found.append(nodes.loadUnaligned(fromByteOffset: page * 4, as: Int32.self))
                }
            }
            done += piece
        } while done < pages
        return .nodes(found)
    }

    private func mlockall(_ flags: LockAllFlags, _ helper: Helper) throws -> Outcome {
        // LINUX: mlockall(MCL_CURRENT) compares all of the address space with the limit, and the
        // helper's areas are part of it. A limit of 0 is EPERM whatever there is to lock.
        var lowered: (soft: UInt64, hard: UInt64)?
        if flags.contains(.current), !helper.holdsLockPrivilege {
            let limit = try helper.limit(.memlock)
            let own = UInt64(Helper.home.count)
            let raised = min(limit.hard, limit.soft.addingSaturated(own))
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
        return outcome
    }

    private func exec(_ helper: Helper) throws -> Outcome {
        try helper.excludingOwnFaults {
            let reply = try helper.request(HELPER_EXEC)
            guard !reply.failed else { return reply.outcome }
            // LINUX: execve gives a program of root's all capabilities again.
            if !helper.holdsLockPrivilege { try setLockPrivilege(false, helper) }
            if !helper.isAdministrator { try setAdministrator(false, helper) }
            return .value(0)
        }
    }

    private func setLimit(
        _ resource: Resource, soft: UInt64?, hard: UInt64?, _ helper: Helper
    ) throws -> Outcome {
        let infinity = UInt64.max
        let askedSoft = soft ?? infinity
        let askedHard = hard ?? infinity
        let current = try helper.limit(resource)
        // What a helper has for itself comes on top, where the hard limit leaves room.
        let own: UInt64 =
            switch resource {
            case .addressSpace, .memlock: UInt64(Helper.home.count)
            case .data: Helper.halfLength
            case .stack: 0
            }
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
            throw SystemFailure(
                "The hard limit on \(resource) cannot be raised to "
                    + (hard.map { "\($0) bytes" } ?? "infinity")
                    + " on this host: it is \(believed) bytes, and raising it needs "
                    + "CAP_SYS_RESOURCE.")
        }
        if case .value = outcome { helper.hardLimits[resource] = askedHard }
        return outcome
    }

    private func setLockPrivilege(_ isHeld: Bool, _ helper: Helper) throws {
        try setPrivileges(lockPrivilege, called: "CAP_IPC_LOCK", isHeld, helper)
        helper.holdsLockPrivilege = isHeld
    }

    private func setAdministrator(_ isHeld: Bool, _ helper: Helper) throws {
        try setPrivileges(
            administratorPrivileges, called: "An administrator's privileges", isHeld, helper)
        helper.isAdministrator = isHeld
    }

    private func setPrivileges(
        _ bits: UInt32, called name: String, _ isHeld: Bool, _ helper: Helper
    ) throws {
        var sets = try helper.capabilities().payload
        // The effective set comes first, then the permitted one.
        sets.withUnsafeMutableBytes { sets in
            let effective = sets.loadUnaligned(as: UInt32.self)
            sets.storeBytes(
                of: isHeld ? effective | bits : effective & ~bits, as: UInt32.self)
        }
        let result = try helper.call(
            .capset, Helper.payloadIn, Helper.payloadIn + 8, payload: capabilityHeader + sets)
        guard !result.failed else {
            throw SystemFailure(
                "\(name) cannot be \(isHeld ? "given to" : "taken from") a process on this "
                    + "host: \(result.outcome). Run as root, or without setting the privilege.")
        }
    }

    // MARK: Signals

    private func accessOutcome(_ reply: HelperReply, _ helper: Helper) throws -> Outcome {
        let address = reply.address
        switch (reply.signal, reply.code) {
        case (0, _):
            return .value(UInt64(bitPattern: reply.value))
        // LINUX: an address that is not canonical raises SIGSEGV with SI_KERNEL and address 0.
        case (SIGSEGV, 1), (SIGSEGV, 0x80):
            return .signal(.segmentationUnmapped, address: address)
        // SEGV_ACCERR and SEGV_PKUERR.
        case (SIGSEGV, 2), (SIGSEGV, 4):
            return .signal(.segmentationProtected, address: address)
        case (SIGBUS, 2):
            let isPastEnd = try isPastEndOfFile(address, helper)
            return .signal(isPastEnd ? .busPastEnd : .busNoMemory, address: address)
        default:
            throw SystemFailure(
                "An access ended in signal \(reply.signal) with code \(reply.code) at "
                    + "0x\(String(address, radix: 16)), for which the vocabulary has no word.")
        }
    }

    /// Tells the two reasons for SIGBUS apart, which look the same to a program.
    private func isPastEndOfFile(_ address: UInt64, _ helper: Helper) throws -> Bool {
        let maps = try hostText("/proc/\(helper.pid)/maps")
        for line in maps.split(separator: "\n") {
            guard let range = areaRange(of: line), range.contains(address) else { continue }
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count >= 5, let offset = UInt64(fields[2], radix: 16),
                let inode = UInt64(fields[4])
            else { break }
            for case let (known, length)? in files.values.map({ $0.identity() })
            where known == inode {
                return offset + (address.pageAligned - range.lowerBound) >= length
            }
        }
        return true
    }
}

// MARK: Limits and capabilities of a helper

extension Helper {
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

    /// capget(2): six words, of which the first is the low half of the effective set.
    func capabilities() throws -> HelperReply {
        let reply = try call(
            .capget, Helper.payloadIn, Helper.payloadOut, payload: capabilityHeader,
            replyLength: 24)
        guard !reply.failed else { throw SystemFailure("capget(2) failed: \(reply.outcome).") }
        return reply
    }

    /// The low half of the effective set.
    func effectiveCapabilities() throws -> UInt32 {
        try capabilities().payload.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
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

/// The bytes of a number as memory holds them.
private func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
