// SPDX-License-Identifier: Apache-2.0
//
// Each call of the vocabulary as the system call, or the access, that a helper makes.

import CLinuxHost
import Glibc
import Mooring
import Workloads

extension KernelSystem {
    /// Carries out a call that concerns one living process only.
    ///
    /// - Throws: `HostRefusal`, `SystemFailure`, and `HelperGone` where the helper died of it.
    func carryOut(_ call: Call, on helper: Helper) throws -> Outcome {
        let outcome = try outcome(of: call, on: helper)
        guard case .failed(let error) = outcome, error == .ENOSYS || error == .EPERM else {
            return outcome
        }
        if error == .EPERM {
            // What the work's process has not the privilege for is its own affair.
            guard helper.isAdministrator else { return outcome }
            switch call {
            // Who may lock nothing at all is refused in this way too.
            case .mlock, .mlock2, .mlockall, .shmLock:
                if try !helper.holdsLockPrivilege && helper.limit(.memlock).soft == 0 {
                    return outcome
                }
            // What a file's seals forbid, they forbid everyone.
            case .madvise, .remapFilePages: return outcome
            // So they do here, and an address that looks like this error's number is one. The
            // lowest pages take a privilege.
            case .mmap(.absolute(let address), _, _, let flags, _, _):
                if address >= 1 << 16 || flags.isDisjoint(with: [.fixed, .fixedNoReplace]) {
                    return outcome
                }
                if try helper.holds(rawAccessPrivilege) { return outcome }
            default: break
            }
        }
        throw forbidden(call.kind.rawValue)
    }

    /// Why a call is not carried out that only this host refuses.
    func forbidden(_ call: String) -> HostRefusal {
        HostRefusal("\(call) is forbidden there (seccomp), or needs root.")
    }

    private func outcome(of call: Call, on helper: Helper) throws -> Outcome {
        switch call {
        case .mmap(let address, let length, let protection, let flags, let file, let offset):
            let start = try absolute(address)
            if !flags.isDisjoint(with: [.fixed, .fixedNoReplace]) {
                try refuseHome(start, length)
            }
            let descriptor = try file.map { try self.descriptor(of: $0, in: helper) } ?? -1
            let outcome = try helper.call(
                .mmap, start, length, UInt64(protection.rawValue), UInt64(flags.rawValue),
                UInt64(bitPattern: Int64(descriptor)), offset
            ).outcome
            guard flags.contains(.locked) else { return outcome }
            return try locking(length, .EAGAIN, by: helper, outcome)
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
            let outcome = try helper.call(
                .mremap, start, length, newLength, UInt64(flags.rawValue), target
            ).outcome
            return try locking(newLength, .EAGAIN, by: helper, outcome)
        case .madvise(let span, let advice):
            return try madvise(span, advice, helper)
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
            return try locking(
                length, .ENOMEM, by: helper, helper.call(.mlock, start, length).outcome)
        case .mlock2(let span, let flags):
            let (start, length) = try outsideHome(span)
            return try locking(
                length, .ENOMEM, by: helper,
                helper.call(.mlock2, start, length, UInt64(flags.rawValue)).outcome)
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
            return try lockSegment(hostFile(file).segmentIdentifier(), locked, helper)

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

        case .setLimit(let resource, let soft, let hard):
            return try setLimit(resource, soft: soft, hard: hard, helper)
        case .setLockPrivilege(let isHeld):
            try setLockPrivilege(isHeld, helper)
            return .value(0)
        case .setAdministrator(let isHeld):
            try setAdministrator(isHeld, helper)
            return .value(0)

        case .createFile, .ftruncate, .seal, .punchHole, .readFile, .writeFile, .spawn, .fork,
            .exec,
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
    func refuseHome(_ address: UInt64, _ length: UInt64) throws(SystemFailure) {
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

    func hexadecimal(_ range: Range<UInt64>) -> String {
        "0x\(String(range.lowerBound, radix: 16))-0x\(String(range.upperBound, radix: 16))"
    }

    /// The number of a file's descriptor in a process, which is given it on first use.
    func descriptor(of file: FileID, in helper: Helper) throws -> Int32 {
        if let known = helper.descriptors[file] { return known }
        let number = try helper.adopt(hostFile(file).descriptorForSharing())
        guard number >= 0 else {
            throw SystemFailure("File \(file.rawValue) cannot be given to a helper process.")
        }
        helper.descriptors[file] = number
        return number
    }

    // MARK: Calls that take more than one request

    /// madvise(2), around the helper's own areas where a span goes over them.
    ///
    /// The kernel goes on behind what is not mapped, as far as a span reaches, beyond the end of
    /// what processes can map, and then says ENOMEM; only populating ends at the first hole.
    private func madvise(_ span: Span, _ advice: Advice, _ helper: Helper) throws -> Outcome {
        let (start, length) = try absolute(span)
        func madvise(_ start: UInt64, _ length: UInt64) throws -> Outcome {
            try helper.call(
                .madvise, start, length, UInt64(bitPattern: Int64(advice.rawValue))
            ).outcome
        }
        // A length that wraps when it is rounded up to pages is an error, as is an odd address:
        // those calls are made as they are.
        let (end, wraps) = start.addingReportingOverflow((length &+ pageSize &- 1).pageAligned)
        let home = Helper.home
        guard start.isPageAligned, !wraps, start < home.lowerBound, end > home.upperBound else {
            try refuseHome(start, length)
            return try madvise(start, length)
        }
        for piece in [start..<home.lowerBound, home.upperBound..<end] {
            let outcome = try madvise(piece.lowerBound, piece.upperBound - piece.lowerBound)
            guard outcome == .value(0) || outcome == .failed(.ENOMEM) else { return outcome }
            if [.populateRead, .populateWrite].contains(advice) { break }
        }
        return .failed(.ENOMEM)
    }

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

    // MARK: Signals

    private func accessOutcome(_ reply: HelperReply, _ helper: Helper) throws -> Outcome {
        let address = reply.address
        switch (reply.signal, reply.code) {
        case (0, _):
            return .value(UInt64(bitPattern: reply.value))
        // LINUX: an address that is not canonical raises SIGSEGV with SI_KERNEL and address 0.
        case (SIGSEGV, 1), (SIGSEGV, 0x80):
            if reply.code == 1 { try touchBeyondHome(from: address, helper) }
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

    /// Repeats an access, of an address that no area holds, above the helper's home if that is the
    /// next area.
    ///
    /// Where no area holds an address the kernel turns to the next one above, and prepares it to
    /// grow if it is a stack and far enough from the area below. The home must keep it from neither.
    private func touchBeyondHome(from address: UInt64, _ helper: Helper) throws {
        guard address < Helper.home.lowerBound else { return }
        var below: (end: UInt64, needsGap: Bool) = (0, false)
        for line in try hostText("/proc/\(helper.pid)/smaps").split(separator: "\n") {
            if let range = areaRange(of: line) {
                guard range.upperBound <= address else {
                    guard range.lowerBound == Helper.home.lowerBound else { return }
                    break
                }
                let fields = line.split(separator: " ", maxSplits: 2)
                below = (range.upperBound, !fields[1].hasPrefix("---"))
            } else if line.hasPrefix("VmFlags:"), line.contains(" gd") {
                below.needsGap = false
            }
        }
        let gap: UInt64 = 1 << 20
        if below.needsGap, address.pageAligned - below.end < gap { return }
        _ = try helper.request(HELPER_TOUCH, Helper.home.upperBound + 2 * gap, 1, 0)
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

/// The bytes of a number as memory holds them.
func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
