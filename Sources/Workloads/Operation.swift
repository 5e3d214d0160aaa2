// SPDX-License-Identifier: Apache-2.0
//
// The one vocabulary of work. Scenario text, recorded traces and generators produce operations;
// the engine and the host's kernel carry them out through `MemorySystem`.
//
// An operation names addresses either absolutely, as a recording does, or relative to a region
// that an earlier operation made, as a scenario does. `Runner` resolves the second into the first,
// per system, before a system sees it.

import Mooring

/// A process as a workload names it: the recorded pid, or a scenario's running number.
package struct ProcessID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
}

/// A file as a workload names it; what it is comes from ``Call/createFile(_:_:)``.
package struct FileID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
}

/// A named piece of address space in a scenario.
///
/// Forked children inherit their parent's.
package struct RegionID: RawRepresentable, Hashable, Sendable, Comparable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
}

/// Where an address is.
package enum Address: Hashable, Sendable {
    /// This very address.
    case absolute(UInt64)
    /// This many bytes from the start of a region; may lie outside of it.
    case region(RegionID, offset: Int64)
}

/// The address and length arguments of a call, in bytes, as the caller passes them: neither need
/// be aligned or sensible.
package enum Span: Hashable, Sendable {
    /// This very address and length.
    case absolute(address: UInt64, length: UInt64)
    /// All of a region.
    case region(RegionID)
    /// A part of a region: byte offset from its start and length.
    case part(RegionID, offset: Int64, length: UInt64)
}

/// What a file is.
package struct FileDescription: Hashable, Sendable {
    /// How its pages are kept.
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        /// memfd_create(2), tmpfs: pages live in memory only.
        case memory
        /// A file on a disk: pages are read from and written to a device.
        case disk
        /// A System V shared memory segment.
        case sharedMemory
    }

    /// How its pages are kept.
    package var kind: Kind
    /// Its length in bytes when the work starts.
    package var length: UInt64
    /// Its name in maps: a path, or the name given to memfd_create.
    package var name: String
    /// What the descriptor that mmap is given may do.
    package var access: Protection
    /// Whether its pages are in the page cache when the work starts.
    package var isCached: Bool
    /// Whether seals may be added: MFD_ALLOW_SEALING of memfd_create(2).
    package var isSealable: Bool
    /// The pages, as offsets in the file, that the page cache keeps in folios of more than one
    /// page, ascending.
    ///
    /// A read fault maps every folio that its fault-around window touches: whole if the folio lies
    /// in the VMA and in one page table, else the pages in the window. The sizes are powers of
    /// two, and the folios are aligned to their size in the file. A recording does not show folios;
    /// the importer infers those that its faults need (``PerfScriptImporter``).
    package var largeFolios: [Range<UInt64>]

    package init(
        kind: Kind, length: UInt64, name: String, access: Protection = [.read, .write],
        isCached: Bool = false, isSealable: Bool = false, largeFolios: [Range<UInt64>] = []
    ) {
        self.kind = kind
        self.length = length
        self.name = name
        self.access = access
        self.isCached = isCached
        self.isSealable = isSealable
        self.largeFolios = largeFolios
    }
}

/// An address space as execve(2) leaves it: what the loader in the kernel mapped.
package struct ExecImage: Hashable, Sendable {
    /// One area that exists when the new program's first instruction runs.
    package struct Area: Hashable, Sendable {
        /// What the area is for, as maps names it.
        package enum Purpose: UInt8, Hashable, Sendable, CaseIterable {
            /// A segment of the program or of its interpreter, or their zeroed tail.
            case segment
            case heap
            case stack
            case vdso
            case vvar
        }

        package var address: UInt64
        package var length: UInt64
        package var protection: Protection
        package var file: FileID?
        package var fileOffset: UInt64
        package var purpose: Purpose

        package init(
            address: UInt64, length: UInt64, protection: Protection,
            file: FileID? = nil, fileOffset: UInt64 = 0, purpose: Purpose = .segment
        ) {
            self.address = address
            self.length = length
            self.protection = protection
            self.file = file
            self.fileOffset = fileOffset
            self.purpose = purpose
        }
    }

    /// The name of the program (16 bytes at most in a kernel).
    package var name: String
    /// The areas in ascending order.
    package var areas: [Area]
    /// Where the top-down search for room begins: `mmap_base`.
    package var mapTop: UInt64
    /// Where brk(2) starts.
    package var breakStart: UInt64

    package init(name: String, areas: [Area], mapTop: UInt64, breakStart: UInt64) {
        self.name = name
        self.areas = areas
        self.mapTop = mapTop
        self.breakStart = breakStart
    }
}

/// A call, an access, or an event in the life of a process.
package enum Call: Hashable, Sendable {
    // Address space.
    case mmap(
        address: Address, length: UInt64, protection: Protection, flags: MapFlags,
        file: FileID?, offset: UInt64)
    case munmap(Span)
    case mprotect(Span, Protection)
    case mremap(Span, newLength: UInt64, flags: RemapFlags, newAddress: Address)
    case madvise(Span, Advice)
    case brk(Address)
    case mincore(Span)
    case msync(Span, SyncFlags)
    case mlock(Span)
    case mlock2(Span, LockFlags)
    case munlock(Span)
    case mlockall(LockAllFlags)
    case munlockall
    case remapFilePages(Span, protection: Protection, pageOffset: UInt64, flags: MapFlags)
    case movePages(Span, node: Int32?, flags: UInt32)
    case migratePages(from: UInt64, to: UInt64)
    case mbind(Span, mode: Int32, nodes: UInt64, flags: UInt32)

    // Files and segments. `createFile` happens outside any process's address space.
    case createFile(FileID, FileDescription)
    case ftruncate(FileID, length: UInt64)
    /// fcntl(2) with F_ADD_SEALS.
    case seal(FileID, FileSeals)
    case punchHole(FileID, offset: UInt64, length: UInt64)
    /// pread(2) or pwrite(2): fills or dirties the page cache without a mapping.
    case readFile(FileID, offset: UInt64, length: UInt64)
    case writeFile(FileID, offset: UInt64, length: UInt64)
    case shmat(FileID, address: Address, flags: AttachFlags)
    case shmdt(Address)
    /// shmctl(2) with SHM_LOCK or SHM_UNLOCK.
    case shmLock(FileID, locked: Bool)

    // Memory itself.
    /// An instruction touches every page of the span, in ascending order.
    case access(Span, AccessKind)
    /// Writes a pattern that depends on `seed` and on the offset in the span alone:
    /// ``StorePattern``.
    case store(Span, seed: UInt64)
    /// Reads the span; the outcome is ``StorePattern/checksum(_:)`` of its bytes.
    case load(Span)

    // Processes.
    /// A process with an empty address space appears; what a scenario starts with.
    case spawn
    /// `sharesMemory` is CLONE_VM: the child runs in the parent's address space until it execs.
    case fork(child: ProcessID, sharesMemory: Bool)
    case exec(ExecImage)
    case exit
    /// setrlimit(2); `nil` is RLIM_INFINITY.
    case setLimit(Resource, soft: UInt64?, hard: UInt64?)
    /// Whether the process holds CAP_IPC_LOCK.
    case setLockPrivilege(Bool)
    /// Whether it holds the other privileges that calls ask for: CAP_SYS_ADMIN, CAP_SYS_NICE,
    /// CAP_SYS_RAWIO, CAP_SYS_RESOURCE, CAP_IPC_OWNER.
    case setAdministrator(Bool)
}

/// One step of work.
package struct Operation: Hashable, Sendable {
    /// Who does it.
    package var process: ProcessID
    /// What is done.
    package var call: Call
    /// The region that the result is bound to, for calls that return an address.
    package var binds: RegionID?
    /// The virtual CPU that it runs on, from 0; `nil` where the work leaves that to the runner.
    ///
    /// With ``Call/spawn`` and ``Call/fork(child:sharesMemory:)`` it is where the new process runs.
    package var cpu: Int?

    package init(
        _ process: ProcessID, _ call: Call, binds: RegionID? = nil, cpu: Int? = nil
    ) {
        self.process = process
        self.call = call
        self.binds = binds
        self.cpu = cpu
    }
}

/// What became of an operation.
package enum Outcome: Hashable, Sendable {
    /// The call returned this: 0, an address, a count.
    case value(UInt64)
    /// The call failed.
    case failed(Errno)
    /// The access ended in a signal at this address.
    case signal(Signal, address: UInt64)
    /// A result of one byte a page: mincore's vector.
    case pages([UInt8])
    /// A result of one number a page: the node that move_pages found it on, or a negative error
    /// number.
    case nodes([Int32])
}

extension Outcome: CustomStringConvertible {
    /// The outcome as a scenario writes it after `=>`.
    package var description: String {
        switch self {
        case .value(0): "ok"
        case .value(let value): "0x" + String(value, radix: 16)
        case .failed(let error): error.description
        case .signal(let signal, let address): "\(signal.word) at 0x" + String(address, radix: 16)
        case .pages(let pages): pages.map { $0 & 1 == 1 ? "1" : "0" }.joined()
        case .nodes(let nodes): Outcome.text(nodes: nodes)
        }
    }

    /// What move_pages found, as a scenario writes it after `=>`.
    static func text(nodes: [Int32]) -> String {
        "nodes"
            + nodes.map { $0 < 0 ? " \(Errno(rawValue: 0 &- $0))" : " \($0)" }.joined()
    }
}
