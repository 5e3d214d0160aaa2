// SPDX-License-Identifier: Apache-2.0
//
// What random work can try of each call: the flags that have names, and the errors and signals
// that can be had by arguments and by what is mapped (the manual pages name more, which take a
// broken machine or another program).

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
    /// Whether it works on areas.
    let meetsAreas: Bool

    private init(
        _ flags: [Flag] = [], _ outcomes: [OutcomeClass] = [], meetsAreas: Bool = true
    ) {
        self.flags = flags
        self.outcomes = [.success] + outcomes
        self.meetsAreas = meetsAreas
    }

    /// What there is to try of a call; `nil` for one that random work does not make.
    static subscript(call: CallKind) -> CallCatalog? { table[call] }

    private static let table: [CallKind: CallCatalog] = [
        .mmap: CallCatalog(
            bits(Words.map, without: ["MAP_HUGETLB", "MAP_SYNC", "MAP_EXECUTABLE"])
                + bits(Words.protection, shift: 32, without: ["PROT_GROWSUP", "PROT_GROWSDOWN"]),
            errors(
                .EACCES, .EAGAIN, .EEXIST, .EINVAL, .ENOMEM, .EOPNOTSUPP, .EOVERFLOW, .EPERM)),
        .munmap: CallCatalog([], errors(.EINVAL)),
        .mprotect: CallCatalog(bits(Words.protection), errors(.EACCES, .EINVAL, .ENOMEM)),
        .mremap: CallCatalog(bits(Words.remap), errors(.EAGAIN, .EFAULT, .EINVAL, .ENOMEM)),
        .madvise: CallCatalog(
            numbers(Words.advice), errors(.EACCES, .EFAULT, .EINVAL, .ENOMEM)),
        .brk: CallCatalog(meetsAreas: false),
        .mincore: CallCatalog([], errors(.EINVAL, .ENOMEM)),
        .msync: CallCatalog(bits(Words.sync), errors(.EBUSY, .EINVAL, .ENOMEM)),
        .mlock: CallCatalog([], errors(.EAGAIN, .EINVAL, .ENOMEM, .EPERM)),
        .mlock2: CallCatalog(bits(Words.lock), errors(.EINVAL, .ENOMEM, .EPERM)),
        .munlock: CallCatalog([], errors(.EINVAL, .ENOMEM)),
        .mlockall: CallCatalog(
            bits(Words.lockAll), errors(.EINVAL, .ENOMEM, .EPERM), meetsAreas: false),
        .munlockall: CallCatalog(meetsAreas: false),
        .remapFilePages: CallCatalog([], errors(.EINVAL)),
        .movePages: CallCatalog([], errors(.EINVAL, .ENODEV)),
        .migratePages: CallCatalog([], errors(.EINVAL), meetsAreas: false),
        .mbind: CallCatalog([], errors(.EFAULT, .EINVAL)),
        .ftruncate: CallCatalog([], errors(.EINVAL), meetsAreas: false),
        .seal: CallCatalog(bits(Words.seals), errors(.EBUSY, .EPERM), meetsAreas: false),
        .punchHole: CallCatalog([], errors(.EINVAL, .EFBIG, .EPERM), meetsAreas: false),
        .readFile: CallCatalog(meetsAreas: false),
        .writeFile: CallCatalog(meetsAreas: false),
        .shmat: CallCatalog(bits(Words.attach), errors(.EINVAL)),
        .shmdt: CallCatalog([], errors(.EINVAL)),
        .shmLock: CallCatalog([], errors(.ENOMEM, .EPERM), meetsAreas: false),
        .access: CallCatalog(
            [("read", 0), ("write", 1), ("execute", 2)].map {
                Flag(name: $0.0, bits: $0.1, mask: .max)
            }, signals),
        .store: CallCatalog([], signals),
        .load: CallCatalog([], signals),
        .spawn: CallCatalog(meetsAreas: false),
        .fork: CallCatalog(meetsAreas: false),
        .exec: CallCatalog(meetsAreas: false),
        .exit: CallCatalog(meetsAreas: false),
        .setLimit: CallCatalog(numbers(Words.resources), errors(.EINVAL), meetsAreas: false),
        .setLockPrivilege: CallCatalog(meetsAreas: false),
        .setAdministrator: CallCatalog(meetsAreas: false),
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

    private static func errors(_ list: Errno...) -> [OutcomeClass] { list.map { .failed($0) } }

    private static let signals: [OutcomeClass] = [
        .signal(.segmentationUnmapped), .signal(.segmentationProtected), .signal(.busPastEnd),
    ]
}
