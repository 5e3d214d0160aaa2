// SPDX-License-Identifier: Apache-2.0
//
// What coverage counts by: a call, its flags, and what it meets.

import Mooring
import Workloads

/// The kinds of areas and of arguments that a call meets.
package struct AreaKinds: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    static let hole = AreaKinds(rawValue: 1 << 0)
    static let privateAnonymous = AreaKinds(rawValue: 1 << 1)
    static let sharedMemory = AreaKinds(rawValue: 1 << 2)
    static let privateMemory = AreaKinds(rawValue: 1 << 3)
    static let sharedDisk = AreaKinds(rawValue: 1 << 4)
    static let privateDisk = AreaKinds(rawValue: 1 << 5)
    static let locked = AreaKinds(rawValue: 1 << 6)
    static let lockedOnFault = AreaKinds(rawValue: 1 << 7)
    static let inaccessible = AreaKinds(rawValue: 1 << 8)
    static let readOnly = AreaKinds(rawValue: 1 << 9)
    static let growsDown = AreaKinds(rawValue: 1 << 10)
    static let guarded = AreaKinds(rawValue: 1 << 11)
    static let droppable = AreaKinds(rawValue: 1 << 12)
    static let advised = AreaKinds(rawValue: 1 << 13)
    static let several = AreaKinds(rawValue: 1 << 14)
    static let unaligned = AreaKinds(rawValue: 1 << 15)
    static let empty = AreaKinds(rawValue: 1 << 16)
    static let wrapping = AreaKinds(rawValue: 1 << 17)
    static let beyond = AreaKinds(rawValue: 1 << 18)

    static let all = AreaKinds(rawValue: 1 << 19 - 1)
    /// Those that pages can meet: none is no access.
    static let ofAccesses = all.subtracting(.empty)
    /// Those that an address without a length can meet.
    static let ofAddresses = all.subtracting([.several, .empty, .wrapping])

    /// What reports call each, the lowest bit first.
    static let names: [String] = [
        "hole", "private anonymous", "shared memory", "private memory file", "shared disk file",
        "private disk file", "locked", "locked on fault", "inaccessible", "read-only",
        "grows down", "guarded", "droppable", "advised", "several areas", "unaligned", "empty",
        "wrapping", "beyond the address space",
    ]

    /// The kinds of a span's arguments, and of what lies in it.
    init(of span: Span, in areas: [AreaState]) {
        self = []
        guard case .absolute(let address, let length) = span else { return }
        if !address.isPageAligned { insert(.unaligned) }
        if length == 0 { insert(.empty) }
        let (end, wraps) = address.addingReportingOverflow(length)
        if wraps {
            insert(.wrapping)
            return
        }
        if end > Self.spaceEnd { insert(.beyond) }
        let met = areas.overlapping(address, max(end, address &+ 1))
        var reached = address
        for area in met {
            if area.start > reached { insert(.hole) }
            reached = area.end
            formUnion(AreaKinds(of: area))
        }
        if reached < end || met.isEmpty { insert(.hole) }
        if met.count > 1 { insert(.several) }
    }

    private init(of area: AreaState) {
        let isShared = area.rightsText.hasSuffix("s")
        self =
            switch area.backing {
            case .anonymous: .privateAnonymous
            case .memory: isShared ? .sharedMemory : .privateMemory
            case .disk: isShared ? .sharedDisk : .privateDisk
            }
        let byCode: [(String, AreaKinds)] = [
            ("lo", .locked), ("lf", .lockedOnFault), ("gd", .growsDown), ("gu", .guarded),
            ("dp", .droppable), ("rr", .advised), ("sr", .advised), ("dc", .advised),
            ("wf", .advised), ("mg", .advised), ("hg", .advised), ("nh", .advised),
        ]
        for (code, kind) in byCode where area.has(code) { insert(kind) }
        if !area.has("wr") { insert(area.has("rd") || area.has("ex") ? .readOnly : .inaccessible) }
    }

    private static let spaceEnd: UInt64 = 0x7FFF_FFFF_F000
}

/// A call with its flags, and the kinds of what it meets.
package struct Situation: Hashable, Sendable {
    package let call: CallKind
    /// The bits of its flags, or the number of its advice.
    package let flags: UInt64
    package let kinds: AreaKinds

    /// The situation in which a process is that shows these areas and makes this call.
    package init(_ call: Call, in areas: [AreaState]) {
        self.call = call.kind
        flags = call.flagBits
        kinds = call.target.map { AreaKinds(of: $0, in: areas) } ?? []
    }
}

extension Call {
    /// The span whose areas matter: what it works on, or where it puts something.
    fileprivate var target: Span? {
        switch self {
        case .mmap(let address, let length, _, _, _, _) where address != .absolute(0):
            guard case .absolute(let start) = address else { return nil }
            return .absolute(address: start, length: length)
        case .shmat(_, .absolute(let start), _) where start != 0,
            .shmdt(.absolute(let start)):
            return .absolute(address: start, length: pageSize)
        default: return span
        }
    }

    /// The bits that `CallCatalog` has words for.
    fileprivate var flagBits: UInt64 {
        switch self {
        case .mmap(_, _, let protection, let flags, _, _):
            UInt64(protection.rawValue) << 32 | UInt64(flags.rawValue)
        case .mprotect(_, let protection): UInt64(protection.rawValue)
        case .mremap(_, _, let flags, _): UInt64(flags.rawValue)
        case .madvise(_, let advice): UInt64(UInt32(bitPattern: advice.rawValue))
        case .msync(_, let flags): UInt64(flags.rawValue)
        case .mlock2(_, let flags): UInt64(flags.rawValue)
        case .mlockall(let flags): UInt64(flags.rawValue)
        case .shmat(_, _, let flags): UInt64(flags.rawValue)
        case .shmLock(_, let isLocked): isLocked ? 1 : 0
        case .access(_, let kind): UInt64(kind.rawValue)
        case .setLimit(let resource, _, _): UInt64(resource.rawValue)
        case .setLockPrivilege(let isHeld), .setAdministrator(let isHeld): isHeld ? 1 : 0
        case .seal(_, let seals): UInt64(seals.rawValue)
        case .mbind(_, let mode, _, _): UInt64(UInt32(bitPattern: mode))
        case .movePages(_, _, let flags): UInt64(flags)
        default: 0
        }
    }
}

/// What became of a call, as far as coverage tells it apart.
package enum OutcomeClass: Hashable, Sendable, CustomStringConvertible {
    case success
    case failed(Errno)
    case signal(Signal)

    init(_ outcome: Outcome) {
        self =
            switch outcome {
            case .value, .pages, .nodes: .success
            case .failed(let error): .failed(error)
            case .signal(let signal, _): .signal(signal)
            }
    }

    package var description: String {
        switch self {
        case .success: "ok"
        case .failed(let error): "\(error)"
        case .signal(let signal): signal.word
        }
    }
}
