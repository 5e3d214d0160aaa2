// SPDX-License-Identifier: Apache-2.0
//
// What this host lets its processes have and do. All of it is tried: a container may show
// capabilities that are worth nothing outside of it, and a filter (seccomp) says nothing of itself.

import CLinuxHost
import Glibc
import Mooring
import Workloads

extension KernelSystem {
    /// What processes of the work may have here.
    ///
    /// - Throws: `SystemFailure` where not even a process to try it with can be made.
    package func permissions() throws -> ProcessPermissions {
        let scout = try scout()
        var permissions = ProcessPermissions()
        permissions.lockPrivilege = mayLock
        permissions.administrator = try mayAdminister(scout)
        for resource in Resource.allCases {
            let limit = try first.limit(resource)
            let usual: UInt64 = resource == .stack ? 8 << 20 : .max
            // The soft limit on locked memory is whatever the work sets it to.
            let isUsual = limit.hard == .max && (resource == .memlock || limit.soft == usual)
            guard !isUsual else { continue }
            permissions.hardLimits[resource] =
                limit.hard == .max ? .max : limit.hard - min(limit.hard, Helper.own(resource))
        }
        permissions.higherLimits = try mayRaiseLimits(scout)
        return permissions
    }

    /// Makes sure that so many processes can live at once.
    ///
    /// - Throws: `SystemFailure` where they cannot.
    package func checkRoom(forProcesses count: Int) throws {
        var helpers: [Helper] = []
        for _ in 0..<count {
            guard case .success(let helper) = try first.fork() else {
                throw SystemFailure(
                    "\(count) processes at once are needed, and this host allows "
                        + "\(helpers.count); raise the limit (ulimit -u), or use fewer --jobs.")
            }
            helpers.append(helper)
        }
    }

    private func scout() throws -> Helper {
        guard case .success(let scout) = try first.fork() else {
            throw SystemFailure("No more processes can be made on this host (ulimit -u).")
        }
        return scout
    }

    private func mayAdminister(_ scout: Helper) throws -> Bool {
        guard try scout.holds(administratorPrivileges) else { return false }
        // CAP_SYS_NICE: moving all pages, of which there are none here.
        guard try scout.call(.movePages, 0, 0, 0, 0, 0, 4).outcome != .failed(.EPERM) else {
            return false
        }
        // CAP_SYS_RAWIO: the lowest page.
        let flags: MapFlags = [.private, .anonymous, .fixed]
        let lowest = try scout.call(.mmap, 0, pageSize, 0, UInt64(flags.rawValue), .max, 0)
        guard lowest.value == 0 else { return false }
        // CAP_IPC_OWNER: a segment that nobody may attach.
        let segment = try HostFile(
            FileDescription(kind: .sharedMemory, length: pageSize, name: "", access: []))
        let identifier = try segment.segmentIdentifier()
        return try !scout.call(.shmat, UInt64(identifier), 0, 0).failed
    }

    private func mayRaiseLimits(_ scout: Helper) throws -> Bool {
        let lower = min(try scout.limit(.memlock).hard, .max - pageSize)
        guard try !scout.prlimit(.memlock, soft: 0, hard: lower).failed else { return false }
        return try !scout.prlimit(.memlock, soft: 0, hard: lower + pageSize).failed
    }

    /// The calls that are answered before they reach the kernel proper, or that it does not have.
    ///
    /// Each is made with arguments that ask for nothing: what a kernel makes of them is success or
    /// `EINVAL`, whatever the process may do.
    static func forbiddenCalls(_ helper: Helper) throws -> Set<CallKind> {
        let unknown = UInt64(UInt32.max)
        let probes: [(CallKind, HelperReply)] = [
            (.mmap, try helper.call(.mmap)), (.munmap, try helper.call(.munmap)),
            (.mprotect, try helper.call(.mprotect)), (.mremap, try helper.call(.mremap, 1)),
            (.madvise, try helper.call(.madvise)), (.brk, try helper.call(.brk)),
            (.mincore, try helper.call(.mincore)), (.msync, try helper.call(.msync)),
            (.remapFilePages, try helper.call(.remapFilePages)),
            (.mlock2, try helper.call(.mlock2, 0, 0, unknown)),
            (.munlock, try helper.call(.munlock)), (.mlockall, try helper.call(.mlockall)),
            (.munlockall, try helper.call(.munlockall)),
            (.movePages, try helper.call(.movePages)),
            (.migratePages, try helper.call(.migratePages)),
            (.mbind, try helper.call(.mbind, 0, 0, unknown)),
            (.shmat, try helper.call(.shmat, unknown)), (.shmdt, try helper.call(.shmdt, 1)),
            (.shmLock, try helper.call(.shmctl, unknown, 11)),
        ]
        var forbidden = Set(probes.filter { isRefusal($0.1) }.map(\.0))
        // LINUX: who may lock nothing at all is refused mlock of nothing, too.
        if try helper.limit(.memlock).soft != 0, try isRefusal(helper.call(.mlock)) {
            forbidden.insert(.mlock)
        }
        return forbidden
    }

    private static func isRefusal(_ reply: HelperReply) -> Bool {
        reply.outcome == .failed(.EPERM) || reply.outcome == .failed(.ENOSYS)
    }

    /// Makes sure that /proc shows the processes that are made here.
    static func checkProcessDirectory() throws(SystemFailure) {
        var text = [CChar](repeating: 0, count: 32)
        let length = readlink("/proc/self", &text, text.count - 1)
        let digits = text.prefix(max(0, length)).map { UInt8(bitPattern: $0) }
        guard String(decoding: digits, as: UTF8.self) == "\(getpid())" else {
            throw SystemFailure(
                "/proc does not show this PID namespace, so that no process can be looked at; "
                    + "mount one that does (unshare --mount-proc, or mount -t proc proc /proc).")
        }
    }
}
