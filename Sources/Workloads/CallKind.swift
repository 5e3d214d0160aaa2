// SPDX-License-Identifier: Apache-2.0

/// A call without its arguments: what tallies count by.
///
/// The raw value is the name of the system call; for what is none, the word that a scenario uses.
package enum CallKind: String, Hashable, Sendable, CaseIterable {
    case mmap
    case munmap
    case mprotect
    case mremap
    case madvise
    case brk
    case mincore
    case msync
    case mlock
    case mlock2
    case munlock
    case mlockall
    case munlockall
    case remapFilePages = "remap_file_pages"
    case movePages = "move_pages"
    case migratePages = "migrate_pages"
    case mbind
    case createFile = "file"
    case ftruncate
    case seal
    case punchHole = "punch_hole"
    case readFile = "read_file"
    case writeFile = "write_file"
    case shmat
    case shmdt
    case shmLock = "shmctl"
    case access = "touch"
    case store
    case load
    case spawn = "process"
    case fork
    case exec
    case exit
    case setLimit = "setlimit"
    case setLockPrivilege = "privilege"
    case setAdministrator = "administrator"

    /// Whether it is a system call, and not memory touched or something that only a workload does.
    package var isSystemCall: Bool {
        switch self {
        case .access, .store, .load, .createFile, .spawn, .setLockPrivilege,
            .setAdministrator:
            false
        default: true
        }
    }
}

extension Call {
    /// Which call it is.
    package var kind: CallKind {
        switch self {
        case .mmap: .mmap
        case .munmap: .munmap
        case .mprotect: .mprotect
        case .mremap: .mremap
        case .madvise: .madvise
        case .brk: .brk
        case .mincore: .mincore
        case .msync: .msync
        case .mlock: .mlock
        case .mlock2: .mlock2
        case .munlock: .munlock
        case .mlockall: .mlockall
        case .munlockall: .munlockall
        case .remapFilePages: .remapFilePages
        case .movePages: .movePages
        case .migratePages: .migratePages
        case .mbind: .mbind
        case .createFile: .createFile
        case .ftruncate: .ftruncate
        case .seal: .seal
        case .punchHole: .punchHole
        case .readFile: .readFile
        case .writeFile: .writeFile
        case .shmat: .shmat
        case .shmdt: .shmdt
        case .shmLock: .shmLock
        case .access: .access
        case .store: .store
        case .load: .load
        case .spawn: .spawn
        case .fork: .fork
        case .exec: .exec
        case .exit: .exit
        case .setLimit: .setLimit
        case .setLockPrivilege: .setLockPrivilege
        case .setAdministrator: .setAdministrator
        }
    }

    /// The name of the call.
    package var name: String { kind.rawValue }

    /// Whether it returns an address, to which a scenario may give a name.
    package var returnsAddress: Bool {
        switch self {
        case .mmap, .mremap, .brk, .shmat: true
        default: false
        }
    }

    /// The span it works on, if it works on one.
    package var span: Span? {
        switch self {
        case .munmap(let span), .mprotect(let span, _), .mremap(let span, _, _, _),
            .madvise(let span, _), .mincore(let span), .msync(let span, _), .mlock(let span),
            .mlock2(let span, _), .munlock(let span), .remapFilePages(let span, _, _, _),
            .movePages(let span, _, _), .mbind(let span, _, _, _), .access(let span, _),
            .store(let span, _), .load(let span):
            span
        default: nil
        }
    }
}
