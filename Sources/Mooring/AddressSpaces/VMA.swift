// SPDX-License-Identifier: Apache-2.0
//
// A VMA: a range of an address space with one set of rights, one owner and one policy.
//
// STATE   Flat records in a slab; an address space's tree and its neighbours point at them.
// LOCKS   Everything but `anonGroup` changes under the address space's lock held exclusively.
//         `anonGroup` is set once by a first fault, which holds that lock shared: under the
//         upper tables' lock, see `AnonGroups.prepare`. Walks over a file's mappings read bounds
//         and page offset under the file's lock, under which they change too.

/// What a VMA allows and how it behaves.
package struct VMAFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    @inline(__always)
    private init(bit: UInt64) { rawValue = 1 << bit }

    static let read = VMAFlags(bit: 0)
    static let write = VMAFlags(bit: 1)
    static let execute = VMAFlags(bit: 2)
    static let shared = VMAFlags(bit: 3)
    static let mayRead = VMAFlags(bit: 4)
    static let mayWrite = VMAFlags(bit: 5)
    static let mayExecute = VMAFlags(bit: 6)
    /// The mapping may become shared writable (it was made MAP_SHARED on a writable descriptor).
    static let mayShare = VMAFlags(bit: 7)
    static let growsDown = VMAFlags(bit: 8)
    static let pfnMapped = VMAFlags(bit: 9)
    static let io = VMAFlags(bit: 10)
    static let sequentialRead = VMAFlags(bit: 11)
    static let randomRead = VMAFlags(bit: 12)
    static let dontCopy = VMAFlags(bit: 13)
    static let dontExpand = VMAFlags(bit: 14)
    /// Counted against the machine's commitment (`ac`).
    static let accounted = VMAFlags(bit: 15)
    static let noReserve = VMAFlags(bit: 16)
    static let hugeTLB = VMAFlags(bit: 17)
    static let dontDump = VMAFlags(bit: 18)
    /// Made with MAP_SYNC (`sf`), which memory passes over.
    static let synchronous = VMAFlags(bit: 19)
    static let hugePage = VMAFlags(bit: 20)
    static let noHugePage = VMAFlags(bit: 21)
    static let mergeable = VMAFlags(bit: 22)
    static let wipeOnFork = VMAFlags(bit: 23)
    static let locked = VMAFlags(bit: 24)
    static let lockOnFault = VMAFlags(bit: 25)
    static let droppable = VMAFlags(bit: 26)
    static let sealed = VMAFlags(bit: 27)
    static let softDirty = VMAFlags(bit: 28)
    /// Guard markers may be among its entries; stays when they go, and keeps no VMAs apart.
    static let guarded = VMAFlags(bit: 29)

    /// The three rights.
    static let rights: VMAFlags = [.read, .write, .execute]
    /// What mprotect may change later, and what keeps no two VMAs from sharing a group.
    ///
    /// LINUX: being accounted does, though mprotect changes that too.
    static let changedByProtection: VMAFlags = [.read, .write, .execute, .guarded]
    /// Both marks of a locked VMA.
    static let lockMask: VMAFlags = [.locked, .lockOnFault]
    /// Whether VMAs with these flags may be one.
    @inline(__always)
    func isAlike(_ other: VMAFlags) -> Bool {
        symmetricDifference(other).isSubset(of: .guarded)
    }

    /// Never marked locked nor counted, nor merged.
    ///
    /// Devices' mixed mappings would belong here too, but a machine has no devices to map.
    static let special: VMAFlags = [.io, .pfnMapped, .dontExpand]
}

/// The flat state behind ``VMARef``: one cache line, which is all that a fault reads.
struct VMAState {
    var start: UInt64
    var end: UInt64
    /// An atomic word at the offset that ``VMARef/flags`` names.
    var flags: VMAFlags
    /// Page offset of `start` in the file, or for anonymous memory of the address that it was
    /// first mapped at.
    var pageOffset: UInt64
    var file: UnsafeMutableRawPointer?
    var anonGroup: UnsafeMutableRawPointer?
    /// The first of the links to the anonymous groups that its pages may belong to.
    var groupLinks: UnsafeMutableRawPointer?
    /// What faults do not look at.
    let rest: UnsafeMutablePointer<VMARest>
}

/// What calls look at in a VMA and faults do not.
struct VMARest {
    /// The address space that it is in.
    var addressSpace: AddressSpace?
    /// Neighbours in the address space, kept by the tree.
    var previous: VMARef?
    var next: VMARef?
    /// Its place among the mappings of its file; valid while it has one.
    var fileNode = IntervalNode(first: 0, last: 0, owner: nil)
    /// Its number in the slab.
    var number: UInt32
    var attributes: VMAAttributes
}

/// What keeps VMAs apart besides flags, file and groups.
struct VMAAttributes: Equatable {
    /// What maps calls it when it has no file.
    var name: VMAName = .none
    /// Which nodes its pages are to come from: mbind(2).
    var policy = NodePolicy.default
    /// The number of the shmat(2) that mapped it, or 0.
    ///
    /// LINUX: each attachment of a segment is as good as a file of its own.
    var attachment: UInt32 = 0
}

/// What maps calls a VMA that has no file.
enum VMAName: UInt8 {
    case none
    case stack
    case vdso
    case vvar
    case vvarClock

    /// The text in brackets, if any.
    var text: String {
        switch self {
        case .none: ""
        case .stack: "[stack]"
        case .vdso: "[vdso]"
        case .vvar: "[vvar]"
        case .vvarClock: "[vvar_vclock]"
        }
    }
}

/// A VMA.
struct VMARef: Equatable {
    let pointer: UnsafeMutablePointer<VMAState>

    @inline(__always)
    var start: UInt64 {
        get {
            SchedulingPoint.reach(.read, UnsafeRawPointer(pointer))
            return pointer.pointee.start
        }
        nonmutating set {
            SchedulingPoint.reach(.write, UnsafeRawPointer(pointer))
            pointer.pointee.start = newValue
        }
    }
    @inline(__always)
    var end: UInt64 {
        get {
            SchedulingPoint.reach(.read, UnsafeRawPointer(pointer) + 8)
            return pointer.pointee.end
        }
        nonmutating set {
            SchedulingPoint.reach(.write, UnsafeRawPointer(pointer) + 8)
            pointer.pointee.end = newValue
        }
    }
    /// Changes under the address space's lock held exclusively.
    ///
    /// RACE: walks over a file's mappings read it with the file's lock only; the bits that they ask
    /// for are each true of some moment, and their places say why that is enough.
    @inline(__always)
    var flags: VMAFlags {
        get { VMAFlags(rawValue: flagsWord.load()) }
        nonmutating set { flagsWord.store(newValue.rawValue) }
    }
    @inline(__always)
    private var flagsWord: AtomicField64 {
        AtomicField64(at: UnsafeMutableRawPointer(pointer) + 16)
    }
    @inline(__always)
    var pageOffset: UInt64 {
        get {
            SchedulingPoint.reach(.read, UnsafeRawPointer(pointer) + 24)
            return pointer.pointee.pageOffset
        }
        nonmutating set {
            SchedulingPoint.reach(.write, UnsafeRawPointer(pointer) + 24)
            pointer.pointee.pageOffset = newValue
        }
    }
    @inline(__always)
    var previous: VMARef? {
        get { rest.pointee.previous }
        nonmutating set { rest.pointee.previous = newValue }
    }
    @inline(__always)
    var next: VMARef? {
        get { rest.pointee.next }
        nonmutating set { rest.pointee.next = newValue }
    }

    /// What faults do not look at.
    @inline(__always)
    var rest: UnsafeMutablePointer<VMARest> { pointer.pointee.rest }

    /// The address space that it is in; a VMA in a tree has one.
    var addressSpace: AddressSpace { rest.pointee.addressSpace.unsafelyUnwrapped }

    /// What keeps it apart from others besides flags, file and groups.
    @inline(__always)
    var attributes: VMAAttributes {
        get { rest.pointee.attributes }
        nonmutating set { rest.pointee.attributes = newValue }
    }

    /// Its length in bytes.
    @inline(__always)
    var length: UInt64 { end - start }

    /// Its length in pages.
    @inline(__always)
    var pageCount: Int { Int((end - start) >> pageShift) }

    /// Whether an aligned huge page fits.
    ///
    /// LINUX: the highest that could is looked at, which for what ends below the first huge page's
    /// end is taken for one that does.
    var hasRoomForHugePage: Bool {
        let size = UInt64(1) << TableLevel.pmd.rawValue
        let last = (end &- size) & ~(size - 1)
        return last >= start && last &+ size <= end
    }

    /// The lowest address that nothing else may be placed at: a stack keeps a gap of
    /// ``stackGuardGap`` below it.
    @inline(__always)
    var guardedStart: UInt64 {
        flags.contains(.growsDown)
            ? start - min(start, VMARef.stackGuardGap) : start
    }

    /// 256 pages, as the kernel's `stack_guard_gap` has it unless told otherwise.
    static let stackGuardGap: UInt64 = 256 * pageSize

    /// The page offset that belongs to an address in it.
    @inline(__always)
    func pageOffset(of address: UInt64) -> UInt64 {
        pageOffset + (address - start) >> pageShift
    }
}
