// SPDX-License-Identifier: Apache-2.0
//
// The arguments of the memory system calls, with Linux's numbers (x86-64). They are option sets
// and raw values rather than enums because a caller may pass bits that nobody knows, and what the
// kernel answers then is part of its behaviour.

// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
// Each constant is the man page's of that name; repeating the page here would be a second copy.

/// What may be done with a mapping: `PROT_*` of mmap(2).
public struct Protection: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let none: Protection = []
    public static let read = Protection(rawValue: 1)
    public static let write = Protection(rawValue: 2)
    public static let execute = Protection(rawValue: 4)
    public static let growsDown = Protection(rawValue: 0x0100_0000)
    public static let growsUp = Protection(rawValue: 0x0200_0000)
}

/// How a mapping is made: `MAP_*` of mmap(2).
public struct MapFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let shared = MapFlags(rawValue: 0x01)
    public static let `private` = MapFlags(rawValue: 0x02)
    public static let sharedValidate = MapFlags(rawValue: 0x03)
    public static let droppable = MapFlags(rawValue: 0x08)
    public static let fixed = MapFlags(rawValue: 0x10)
    public static let anonymous = MapFlags(rawValue: 0x20)
    public static let low32Bit = MapFlags(rawValue: 0x40)
    public static let growsDown = MapFlags(rawValue: 0x0100)
    public static let denyWrite = MapFlags(rawValue: 0x0800)
    public static let executable = MapFlags(rawValue: 0x1000)
    public static let locked = MapFlags(rawValue: 0x2000)
    public static let noReserve = MapFlags(rawValue: 0x4000)
    public static let populate = MapFlags(rawValue: 0x8000)
    public static let nonBlock = MapFlags(rawValue: 0x1_0000)
    public static let stack = MapFlags(rawValue: 0x2_0000)
    public static let hugeTLB = MapFlags(rawValue: 0x4_0000)
    public static let sync = MapFlags(rawValue: 0x8_0000)
    public static let fixedNoReplace = MapFlags(rawValue: 0x10_0000)
}

/// `MREMAP_*` of mremap(2).
public struct RemapFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let mayMove = RemapFlags(rawValue: 1)
    public static let fixed = RemapFlags(rawValue: 2)
    public static let dontUnmap = RemapFlags(rawValue: 4)
}

/// `MLOCK_*` of mlock2(2).
public struct LockFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let onFault = LockFlags(rawValue: 1)
}

/// `MCL_*` of mlockall(2).
public struct LockAllFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let current = LockAllFlags(rawValue: 1)
    public static let future = LockAllFlags(rawValue: 2)
    public static let onFault = LockAllFlags(rawValue: 4)
}

/// `MS_*` of msync(2).
public struct SyncFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let async = SyncFlags(rawValue: 1)
    public static let invalidate = SyncFlags(rawValue: 2)
    public static let sync = SyncFlags(rawValue: 4)
}

/// `F_SEAL_*` of fcntl(2).
public struct FileSeals: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let seal = FileSeals(rawValue: 1)
    public static let shrink = FileSeals(rawValue: 2)
    public static let grow = FileSeals(rawValue: 4)
    public static let write = FileSeals(rawValue: 8)
    public static let futureWrite = FileSeals(rawValue: 16)
    public static let execute = FileSeals(rawValue: 32)

    /// All that there are.
    static let all: FileSeals = [.seal, .shrink, .grow, .againstWriting, .execute]
    /// Those that forbid what changes contents.
    static let againstWriting: FileSeals = [.write, .futureWrite]
}

/// `SHM_*` of shmat(2).
public struct AttachFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let readOnly = AttachFlags(rawValue: 0o010000)
    public static let round = AttachFlags(rawValue: 0o020000)
    public static let remap = AttachFlags(rawValue: 0o040000)
    public static let execute = AttachFlags(rawValue: 0o100000)
}

/// `MADV_*` of madvise(2).
public struct Advice: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let normal = Advice(rawValue: 0)
    public static let random = Advice(rawValue: 1)
    public static let sequential = Advice(rawValue: 2)
    public static let willNeed = Advice(rawValue: 3)
    public static let dontNeed = Advice(rawValue: 4)
    public static let free = Advice(rawValue: 8)
    public static let remove = Advice(rawValue: 9)
    public static let dontFork = Advice(rawValue: 10)
    public static let doFork = Advice(rawValue: 11)
    public static let mergeable = Advice(rawValue: 12)
    public static let unmergeable = Advice(rawValue: 13)
    public static let hugePage = Advice(rawValue: 14)
    public static let noHugePage = Advice(rawValue: 15)
    public static let dontDump = Advice(rawValue: 16)
    public static let doDump = Advice(rawValue: 17)
    public static let wipeOnFork = Advice(rawValue: 18)
    public static let keepOnFork = Advice(rawValue: 19)
    public static let cold = Advice(rawValue: 20)
    public static let pageOut = Advice(rawValue: 21)
    public static let populateRead = Advice(rawValue: 22)
    public static let populateWrite = Advice(rawValue: 23)
    public static let dontNeedLocked = Advice(rawValue: 24)
    public static let collapse = Advice(rawValue: 25)
    public static let guardInstall = Advice(rawValue: 102)
    public static let guardRemove = Advice(rawValue: 103)
}

/// A resource limit of setrlimit(2) that memory calls look at.
public enum Resource: UInt8, Hashable, Sendable, CaseIterable {
    /// `RLIMIT_AS`: bytes of address space.
    case addressSpace
    /// `RLIMIT_DATA`: bytes of private writable memory.
    case data
    /// `RLIMIT_MEMLOCK`: bytes locked.
    case memlock
    /// `RLIMIT_STACK`: bytes the stack may grow to.
    case stack
}

/// What an instruction does with memory.
public enum AccessKind: UInt8, Hashable, Sendable, CaseIterable {
    case read
    case write
    case execute
}

/// A signal that a memory access can end in, with the code that says why.
public enum Signal: UInt8, Hashable, Sendable, CaseIterable {
    /// SIGSEGV, `SEGV_MAPERR`: nothing is mapped there.
    case segmentationUnmapped
    /// SIGSEGV, `SEGV_ACCERR`: the mapping forbids it.
    case segmentationProtected
    /// SIGBUS, `BUS_ADRERR`: past the end of the mapped file.
    case busPastEnd
    /// SIGBUS, `BUS_ADRERR`, because no frame was left for a shared file's page.
    case busNoMemory
    /// SIGKILL: the machine is out of memory and this process was chosen.
    case outOfMemory
}
