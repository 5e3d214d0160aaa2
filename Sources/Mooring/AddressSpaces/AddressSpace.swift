// SPDX-License-Identifier: Apache-2.0
//
// An address space: a tree of VMAs, a tree of page tables, and what is counted of both.
//
// STATE   One flat record, and one slot of 128 bytes for each virtual CPU: that CPU's word of the
//         lock, its share of the resident sizes and what it remembers of its last fault. Faults
//         on different CPUs so touch no common cache line.
// LOCKS   `lock` (rank addressSpace): shared for faults, exclusive for everything that changes
//         VMAs. `upperLock` (rank pageTable): adding tables, setting a VMA's anonymous group.

/// Which resident size a frame counts in.
enum ResidentKind: Int {
    case anonymous = 0
    case file = 1
    case sharedMemory = 2
}

/// The flat state behind ``AddressSpace``.
///
/// The atomic words come first, at the offsets that the accessors below name.
struct AddressSpaceState {
    /// What mlockall's future flag adds to new VMAs.
    // First, since only calls that change VMAs touch it: the thread sanitizer logs a change of any
    // field at the record's address.
    var futureLock: VMAFlags = []
    var writer: UInt32 = 0
    var upperLock: UInt32 = 0
    var tableCount: UInt64 = 0
    /// Changes whenever VMAs or tables may have gone: what slots remember is then void.
    var generation: UInt64 = 1
    /// How many changes of entries under way are still to be flushed; see ``TLB``.
    var withdrawals: UInt64 = 0
    var users: UInt64 = 1
    /// An atomic word; ``AddressSpace/root``.
    var root: PFN
    var cpuCount: UInt32
    var tree: VMATree
    var slots: UnsafeMutableRawPointer
    var mapTop: UInt64
    var breakStart: UInt64 = 0
    var breakEnd: UInt64 = 0
    /// Whether mmap was ever asked for an area that grows downwards.
    var hasMappedStack = false
    /// Pages of the program's own code, as exec(2) loaded it: what VmExe shows, and VmLib does not.
    var codePages = 0
    var stackStart: UInt64 = 0
    /// Pages of all VMAs, of locked ones, of private writable ones, of executable ones, of stacks.
    var totalPages = 0
    var lockedPages = 0
    /// Pages among the locked ones that no VMA accounts for: what MREMAP_DONTUNMAP left behind.
    var strandedLockedPages = 0
    var dataPages = 0
    var executablePages = 0
    var stackPages = 0
    /// Pages charged against the machine's commitment.
    var committedPages = 0
    /// Atomic words; ``AddressSpace/peakResident``, ``AddressSpace/lockChanges``.
    var peakResident: UInt64 = 0
    var lockChanges: UInt64 = 0
    var peakTotal = 0
    /// Whether its process was killed for want of memory, an atomic word, and what it held then.
    var reaped: UInt64 = 0
    var held: HeldMemory?
    var number: UInt32
}

/// What an address space held, and what the machine had free, in pages, when its process was killed
/// for want of memory.
package struct HeldMemory: Equatable, Sendable {
    package let anonymous: Int
    package let file: Int
    package let sharedMemory: Int
    package let free: Int
}

/// An address space.
struct AddressSpace: Equatable {
    let pointer: UnsafeMutablePointer<AddressSpaceState>

    static let slotStride = 128

    @inline(__always)
    private var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }

    /// The lock of the VMAs.
    @inline(__always)
    var lock: SharedLock {
        SharedLock(
            writer: (raw + 8).assumingMemoryBound(to: SharedLock.Word.self),
            readers: pointer.pointee.slots, stride: AddressSpace.slotStride,
            count: Int(pointer.pointee.cpuCount))
    }

    /// The lock of the upper tables.
    @inline(__always)
    var upperLock: SpinLock { SpinLock(at: raw + 12) }

    /// How many page-table pages there are below the root.
    @inline(__always)
    var tableCount: AtomicField64 { AtomicField64(at: raw + 16) }

    /// How many processes run in it.
    @inline(__always)
    var users: AtomicField64 { AtomicField64(at: raw + 40) }

    /// How many changes of entries under way are still to be flushed; counted only on machines that
    /// keep account of translations.
    @inline(__always)
    var withdrawals: AtomicField64 { AtomicField64(at: raw + 32) }

    @inline(__always)
    var number: UInt32 { pointer.pointee.number }
    /// The root of the page tables; the frame of zeroes, which is as good as an empty table, until
    /// the first one is made below it.
    @inline(__always)
    var root: PFN { PFN(rawValue: rootWord.loadAcquiring()) }

    /// Hangs up the first root; under the lock of the upper tables.
    @inline(__always)
    func setRoot(_ root: PFN) { rootWord.storeReleasing(root.rawValue) }

    @inline(__always)
    private var rootWord: AtomicField32 { AtomicField32(at: raw + 48) }

    @inline(__always)
    var tree: VMATree { pointer.pointee.tree }

    /// One virtual CPU's part.
    @inline(__always)
    func slot(of cpu: CPU) -> AddressSpaceSlot {
        AddressSpaceSlot(raw: pointer.pointee.slots + cpu.index &* AddressSpace.slotStride)
    }

    /// Whether its process was killed for want of memory, and its pages were taken: accesses end.
    ///
    /// Changes once, under the lock held exclusively; who looks for a victim reads it without.
    @inline(__always)
    var isReaped: Bool { reaped.load() != 0 }
    @inline(__always)
    private var reaped: AtomicField64 {
        AtomicField64(
            at: raw + MemoryLayout<AddressSpaceState>.offset(of: \.reaped).unsafelyUnwrapped)
    }

    /// Says so, and keeps what it holds and what the machine has free.
    func markReaped(free: Int) {
        pointer.pointee.held = HeldMemory(
            anonymous: resident(.anonymous), file: resident(.file),
            sharedMemory: resident(.sharedMemory), free: free)
        reaped.store(1)
    }

    /// Makes what slots remember void; the lock is held exclusively.
    @inline(__always)
    func noteTablesChanged() { pointer.pointee.generation &+= 1 }

    // MARK: Resident sizes

    /// Pages resident of one kind: the sum over CPUs.
    func resident(_ kind: ResidentKind) -> Int {
        var sum: Int64 = 0
        for index in 0..<Int(pointer.pointee.cpuCount) {
            let slot = AddressSpaceSlot(
                raw: pointer.pointee.slots + index * AddressSpace.slotStride)
            sum &+= slot.resident(kind).load()
        }
        return Int(sum)
    }

    /// Pages that are in swap slots: the sum over CPUs.
    var swappedPages: Int {
        var sum: Int64 = 0
        for index in 0..<Int(pointer.pointee.cpuCount) {
            sum &+= AddressSpaceSlot(
                raw: pointer.pointee.slots + index * AddressSpace.slotStride
            ).swapped.load()
        }
        return Int(sum)
    }

    /// Pages resident of all kinds.
    var residentPages: Int {
        resident(.anonymous) + resident(.file) + resident(.sharedMemory)
    }

    /// Remembers the peak of resident pages; to be called before pages are taken away.
    ///
    /// RACE: several CPUs may call it at once (MADV_DONTNEED, truncation), while others fault: the
    /// peak only rises, and misses at most what comes and goes while the sum is taken.
    func notePeak() { peakResident.raise(to: UInt64(max(0, residentPages))) }

    @inline(__always)
    var peakResident: AtomicField64 {
        AtomicField64(
            at: raw
                + MemoryLayout<AddressSpaceState>.offset(of: \.peakResident).unsafelyUnwrapped)
    }

    /// 1 while mlock or munlock goes through the pages of a VMA: what the VMA's flags say of them is
    /// not settled then.
    @inline(__always)
    var lockChanges: AtomicField64 {
        AtomicField64(
            at: raw
                + MemoryLayout<AddressSpaceState>.offset(of: \.lockChanges).unsafelyUnwrapped)
    }

    /// Faults of this address space: all, and those that waited for a device.
    var faultCounts: (all: Int, major: Int) {
        var all: Int64 = 0
        var major: Int64 = 0
        for index in 0..<Int(pointer.pointee.cpuCount) {
            let slot = AddressSpaceSlot(
                raw: pointer.pointee.slots + index * AddressSpace.slotStride)
            all &+= slot.faults.load()
            major &+= slot.majorFaults.load()
        }
        return (Int(all), Int(major))
    }
}

/// One virtual CPU's part of an address space.
///
/// Offsets: 0 the reader's word of the lock; 8 to 31 resident sizes; 32 faults; 40 major faults;
/// 48 the generation that what follows belongs to; 56 the 2 MiB region last walked to; 64 its
/// entries; 72 its table's descriptor; 80 to 103 where the VMA last found is; 104 whether the CPU
/// ever ran here; 112 swapped entries.
struct AddressSpaceSlot {
    let raw: UnsafeMutableRawPointer

    @inline(__always)
    func resident(_ kind: ResidentKind) -> CounterWord {
        CounterWord(at: raw + 8 + kind.rawValue &* 8)
    }
    @inline(__always)
    var faults: CounterWord { CounterWord(at: raw + 32) }
    @inline(__always)
    var majorFaults: CounterWord { CounterWord(at: raw + 40) }

    @inline(__always)
    var generation: UInt64 {
        get { raw.load(fromByteOffset: 48, as: UInt64.self) }
        nonmutating set { raw.storeBytes(of: newValue, toByteOffset: 48, as: UInt64.self) }
    }

    /// The number of the 2 MiB region that ``table`` covers; all ones when it covers none.
    @inline(__always)
    var region: UInt64 {
        get { raw.load(fromByteOffset: 56, as: UInt64.self) }
        nonmutating set { raw.storeBytes(of: newValue, toByteOffset: 56, as: UInt64.self) }
    }

    @inline(__always)
    var table: TableRef {
        get { raw.load(fromByteOffset: 64, as: TableRef.self) }
        nonmutating set { raw.storeBytes(of: newValue, toByteOffset: 64, as: TableRef.self) }
    }

    /// The VMA last found; one that ends at 0 if none was.
    @inline(__always)
    var place: VMAPlace {
        get { raw.load(fromByteOffset: 80, as: VMAPlace.self) }
        nonmutating set { raw.storeBytes(of: newValue, toByteOffset: 80, as: VMAPlace.self) }
    }

    /// Whether this CPU ever ran in the address space and may hold translations of it.
    @inline(__always)
    var hasRun: Bool { ranWord.load() != 0 }

    /// Notes that this CPU runs in the address space.
    @inline(__always)
    func noteRuns() {
        if hasRun { return }
        ranWord.store(1)
        // ORDER: noted before any entry is read, see TLB.shootDown.
        MemoryFence.full()
    }

    @inline(__always)
    private var ranWord: AtomicField64 { AtomicField64(at: raw + 104) }

    /// Entries that name a swap slot: made less gone on this CPU.
    @inline(__always)
    var swapped: CounterWord { CounterWord(at: raw + 112) }

    /// Forgets what belongs to another generation.
    @inline(__always)
    func validate(against space: AddressSpace) {
        let current = space.pointer.pointee.generation
        if generation != current {
            generation = current
            region = .max
            place = VMAPlace(outline: VMAOutline(bits: 0), start: 0, end: 0)
        }
    }
}
