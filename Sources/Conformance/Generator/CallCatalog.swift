// SPDX-License-Identifier: Apache-2.0
//
// What random work can try of each call: the flags that have names, and the errors and signals
// that can be had by arguments and by what is mapped; and what it does not try, with the reason.

import Mooring
import Workloads

/// What there is to try of a call.
package struct CallCatalog: Sendable {
    /// A flag, or a number that takes the place of one.
    struct Flag: Sendable {
        let name: String
        let bits: UInt64
        /// The bits that have to be ``bits``: those themselves, or all of a number.
        let mask: UInt64
    }

    let flags: [Flag]
    let outcomes: [OutcomeClass]
    /// The kinds of areas and arguments that it can meet.
    let kinds: AreaKinds

    private init(
        _ flags: [Flag] = [], _ outcomes: [OutcomeClass] = [], meets kinds: AreaKinds = .all
    ) {
        self.flags = flags
        self.outcomes = [.success] + outcomes
        self.kinds = kinds
    }

    /// Something of a call's manual page that random work leaves out.
    package struct Untried: Sendable, Codable {
        package let call: String
        package let what: String
        package let reason: String
    }

    /// What random work leaves out.
    package static let untried: [Untried] = [
        Untried(
            call: "mmap", what: "MAP_HUGETLB",
            reason: "takes a pool of huge pages, which the engine does not have"),
        Untried(
            call: "mmap", what: "ENFILE, ENODEV, ETXTBSY, EBADF",
            reason: "take files that are not there, or no files; mmap_files.scenario"),
        Untried(
            call: "mmap, mremap", what: "areas above 256 KiB at fixed addresses",
            reason: "what one call leaves has to be in the way of the next"),
        Untried(
            call: "mlock", what: "VmLck of areas of 8 TiB and more",
            reason: "a kernel counts the pages of an area in 32 bits; nothing is that long here"),
        Untried(
            call: "madvise", what: "MADV_PAGEOUT of what is there",
            reason: "a known difference"),
        Untried(
            call: "madvise", what: "MADV_HWPOISON, MADV_SOFT_OFFLINE",
            reason: "take memory away from the host for good"),
        Untried(
            call: "mlock", what: "EAGAIN",
            reason: "takes a machine without memory"),
        Untried(
            call: "mincore", what: "EFAULT", reason: "takes a vector that is not the driver's"),
        Untried(
            call: "move_pages", what: "EFAULT, ESRCH, E2BIG, EACCES",
            reason: "are about arrays and other processes, not about memory"),
        Untried(
            call: "mbind", what: "MPOL_MF_MOVE of pages that are on none of the nodes named",
            reason: "a known difference"),
        Untried(
            call: "shmget", what: "all but private segments",
            reason: "keys are the host's; one segment is there from the start"),
        Untried(
            call: "fork", what: "CLONE_VM, as of vfork",
            reason: "one helper acts for both on the host, so that nothing is compared"),
        Untried(
            call: "exec", what: "programs with areas, other places for the heap",
            reason: "areas are mapped as by mmap, which is compared; exec.scenario"),
        Untried(
            call: "shmctl", what: "IPC_RMID, IPC_SET",
            reason: "segments are the host's, removed when they are made"),
        Untried(
            call: "fork, exec", what: "ENOMEM, EAGAIN",
            reason: "take a machine without memory, or too many processes"),
    ]

    /// What there is to try of a call; `nil` for one that random work does not make.
    static subscript(call: CallKind) -> CallCatalog? { table[call] }

    private static let table: [CallKind: CallCatalog] = [
        .mmap: CallCatalog(
            bits(Words.map, without: ["MAP_HUGETLB"])
                + bits(Words.protection, shift: 32, without: ["PROT_GROWSUP", "PROT_GROWSDOWN"]),
            errors(
                .EACCES, .EAGAIN, .EEXIST, .EINVAL, .ENOMEM, .EOPNOTSUPP, .EOVERFLOW, .EPERM)),
        .munmap: CallCatalog([], errors(.EINVAL)),
        .mprotect: CallCatalog(bits(Words.protection), errors(.EACCES, .EINVAL, .ENOMEM)),
        .mremap: CallCatalog(bits(Words.remap), errors(.EAGAIN, .EFAULT, .EINVAL, .ENOMEM)),
        .madvise: CallCatalog(
            numbers(Words.advice), errors(.EACCES, .EFAULT, .EINVAL, .ENOMEM)),
        .brk: CallCatalog(meets: []),
        .mincore: CallCatalog([], errors(.EINVAL, .ENOMEM)),
        .msync: CallCatalog(bits(Words.sync), errors(.EBUSY, .EINVAL, .ENOMEM)),
        .mlock: CallCatalog([], errors(.EINVAL, .ENOMEM, .EPERM)),
        .mlock2: CallCatalog(bits(Words.lock), errors(.EINVAL, .ENOMEM, .EPERM)),
        .munlock: CallCatalog([], errors(.EINVAL, .ENOMEM)),
        .mlockall: CallCatalog(
            bits(Words.lockAll), errors(.EINVAL, .ENOMEM, .EPERM), meets: []),
        .munlockall: CallCatalog(meets: []),
        .remapFilePages: CallCatalog([], errors(.EINVAL)),
        .movePages: CallCatalog([], errors(.EINVAL, .ENODEV, .EPERM), meets: .ofAccesses),
        .migratePages: CallCatalog([], errors(.EINVAL, .EPERM), meets: []),
        .mbind: CallCatalog(policies, errors(.EFAULT, .EINVAL, .EIO, .EPERM)),
        .ftruncate: CallCatalog([], errors(.EINVAL), meets: []),
        .seal: CallCatalog(bits(Words.seals), errors(.EBUSY, .EPERM), meets: []),
        .punchHole: CallCatalog([], errors(.EINVAL, .EFBIG, .EPERM), meets: []),
        .readFile: CallCatalog(meets: []),
        .writeFile: CallCatalog(meets: []),
        .shmat: CallCatalog(
            bits(Words.attach), errors(.EACCES, .EAGAIN, .EINVAL, .ENOMEM), meets: .ofAddresses),
        .shmdt: CallCatalog([], errors(.EINVAL), meets: .ofAddresses),
        .shmLock: CallCatalog([], errors(.ENOMEM, .EPERM), meets: []),
        .access: CallCatalog(
            [("read", 0), ("write", 1), ("execute", 2)].map {
                Flag(name: $0.0, bits: $0.1, mask: .max)
            }, signals, meets: .ofAccesses),
        .store: CallCatalog([], signals, meets: .ofAccesses),
        .load: CallCatalog([], signals, meets: .ofAccesses),
        .spawn: CallCatalog(meets: []),
        .fork: CallCatalog(meets: []),
        .exec: CallCatalog(meets: []),
        .exit: CallCatalog(meets: []),
        .setLimit: CallCatalog(numbers(Words.resources), errors(.EINVAL, .EPERM), meets: []),
        .setLockPrivilege: CallCatalog(meets: []),
        .setAdministrator: CallCatalog(meets: []),
    ]

    /// The calls that random work makes.
    package static var calls: [CallKind] { CallKind.allCases.filter { table[$0] != nil } }

    private static func bits(
        _ words: [Word], shift: UInt64 = 0, without: Set<String> = []
    ) -> [Flag] {
        words.filter { !without.contains($0.linux) && $0.value != 0 }.map {
            Flag(name: $0.linux, bits: $0.value << shift, mask: $0.value << shift)
        }
    }

    private static func numbers(_ words: [Word]) -> [Flag] {
        words.map { Flag(name: $0.linux, bits: $0.value, mask: .max) }
    }

    /// What mbind(2) is given: a mode, and its modifiers.
    private static let policies: [Flag] =
        [
            "DEFAULT", "PREFERRED", "BIND", "INTERLEAVE", "LOCAL", "PREFERRED_MANY",
            "WEIGHTED_INTERLEAVE",
        ].enumerated().map { Flag(name: "MPOL_\($1)", bits: UInt64($0), mask: 0xFFF) }
        + ["NUMA_BALANCING", "RELATIVE_NODES", "STATIC_NODES"].enumerated().map {
            Flag(name: "MPOL_F_\($1)", bits: 1 << UInt64(13 + $0), mask: 1 << UInt64(13 + $0))
        }

    private static func errors(_ list: Errno...) -> [OutcomeClass] { list.map { .failed($0) } }

    private static let signals: [OutcomeClass] = [
        .signal(.segmentationUnmapped), .signal(.segmentationProtected), .signal(.busPastEnd),
    ]
}
