// SPDX-License-Identifier: Apache-2.0
//
// One descriptor of 32 bytes a frame, in one flat array.
//
// STATE   The array is reserved when the machine is made but initialised block by block, when
//         the buddy allocator first hands a block out (`Zone.nextUninitialised`): a machine costs
//         what it uses. Nobody may look at a descriptor at or above that mark.
//
// Field   Bytes  What                                                     Changed under
// flags   0–3    FrameFlags and the zone's number                         its row in FrameFlags
// detail  4–7    order and migrate type of a free block's first frame;    zone
//                the lock word of a page table                            —
//                of any other frame in use its mlock debt                 lru
// counts  8–15   references (low half) and mappings (high half)           atomic
// next    16–19  list link; the mlock count on the unevictable list       lru, zone
// prev    20–23  list link; live entries of a page table                  lru, zone, page table
// owner   24–31  owner's number (28 bits), page offset in it (36 bits);   frame or page cache
//                an atomic word, as scans look at it without a lock

/// The 32 bytes that describe a frame.
struct FrameDescriptor {
    var flags: UInt32
    var detail: UInt32
    var counts: UInt64
    var next: UInt32
    var prev: UInt32
    var owner: UInt64
}

/// A frame's descriptor.
struct FrameRef {
    let pointer: UnsafeMutablePointer<FrameDescriptor>

    @inline(__always)
    private var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }

    // MARK: Flags

    @inline(__always)
    var flagsWord: AtomicField32 { AtomicField32(at: raw) }

    @inline(__always)
    var flags: FrameFlags { FrameFlags(rawValue: flagsWord.load()) }

    /// Whether all of `flags` are set.
    @inline(__always)
    func has(_ flags: FrameFlags) -> Bool {
        flagsWord.load() & flags.rawValue == flags.rawValue
    }

    @inline(__always)
    func set(_ flags: FrameFlags) { flagsWord.testAndSet(flags.rawValue) }

    @inline(__always)
    func clear(_ flags: FrameFlags) { flagsWord.testAndClear(flags.rawValue) }

    /// Sets a flag; returns whether it was set before.
    @inline(__always)
    func testAndSet(_ flag: FrameFlags) -> Bool { flagsWord.testAndSet(flag.rawValue) }

    /// Clears a flag; returns whether it was set before.
    @inline(__always)
    func testAndClear(_ flag: FrameFlags) -> Bool { flagsWord.testAndClear(flag.rawValue) }

    /// Clears flags; returns those of all flags that were set before.
    @inline(__always)
    func take(_ flags: FrameFlags) -> FrameFlags {
        FrameFlags(rawValue: flagsWord.fetchAndClear(flags.rawValue))
    }

    /// Replaces all flags of a frame that nobody else can reach yet.
    @inline(__always)
    func resetFlags(_ flags: FrameFlags) {
        flagsWord.store((flagsWord.load() & FrameFlags.zoneMask) | flags.rawValue)
    }

    /// The number of the zone it belongs to.
    @inline(__always)
    var zoneIndex: Int { Int(flagsWord.load() >> FrameFlags.zoneShift) }

    /// Takes the frame's own lock (rank frame); waits while another has it.
    func lock(on cpu: CPU) {
        var turn = 0
        while testAndSet(.locked) {
            SchedulingPoint.wait(raw, turn: turn)
            turn += 1
        }
        cpu.noteAcquired(.frame)
    }

    /// Gives the frame's own lock back.
    func unlock(on cpu: CPU) {
        cpu.noteReleased(.frame)
        clear(.locked)
    }

    // MARK: Counts

    /// References and mappings in one word, so that mapping and unmapping are one locked
    /// operation and both counts can be judged at one moment.
    @inline(__always)
    var counts: AtomicField64 { AtomicField64(at: raw + 8) }

    /// One reference.
    static let oneReference: UInt64 = 1
    /// One mapping, and the reference that it holds.
    static let oneMapping: UInt64 = 1 << 32 | 1

    /// Who may reach the frame: mappings, the page cache, batches, callers in the middle of work.
    @inline(__always)
    var referenceCount: UInt32 { UInt32(truncatingIfNeeded: counts.load()) }

    /// Takes a reference unless the last one is gone, and the frame about to be freed.
    @inline(__always)
    func retainUnlessUnreachable() -> Bool { counts.addUnlessZero(FrameRef.oneReference) }

    /// How many page-table entries map it.
    @inline(__always)
    var mapCount: UInt32 { UInt32(truncatingIfNeeded: counts.load() >> 32) }

    // MARK: Links

    @inline(__always)
    var next: PFN {
        get {
            SchedulingPoint.reach(.read, raw + 16)
            return PFN(rawValue: pointer.pointee.next)
        }
        nonmutating set {
            SchedulingPoint.reach(.write, raw + 16)
            (raw + 16).storeBytes(of: newValue.rawValue, as: UInt32.self)
        }
    }

    @inline(__always)
    var prev: PFN {
        get {
            SchedulingPoint.reach(.read, raw + 20)
            return PFN(rawValue: pointer.pointee.prev)
        }
        nonmutating set {
            SchedulingPoint.reach(.write, raw + 20)
            (raw + 20).storeBytes(of: newValue.rawValue, as: UInt32.self)
        }
    }

    /// How many locked VMAs map it, while it is on the unevictable list; may err low, never high.
    @inline(__always)
    var mlockCount: UInt32 {
        get {
            SchedulingPoint.reach(.read, raw + 16)
            return pointer.pointee.next
        }
        nonmutating set {
            SchedulingPoint.reach(.write, raw + 16)
            (raw + 16).storeBytes(of: newValue, as: UInt32.self)
        }
    }

    /// How many munlock requests were carried out before the mlock requests that they take back;
    /// freeing clears it.
    @inline(__always)
    var mlockDebt: UInt32 {
        get {
            SchedulingPoint.reach(.read, raw + 4)
            return (raw + 4).load(as: UInt32.self)
        }
        nonmutating set {
            SchedulingPoint.reach(.write, raw + 4)
            (raw + 4).storeBytes(of: newValue, as: UInt32.self)
        }
    }

    // MARK: Free blocks

    /// The order of the free block it heads.
    @inline(__always)
    var order: Int {
        get { Int((raw + 4).load(as: UInt8.self)) }
        nonmutating set {
            (raw + 4).storeBytes(of: UInt8(truncatingIfNeeded: newValue), as: UInt8.self)
        }
    }

    /// The raw migrate type of the free list it is on.
    @inline(__always)
    var freeListType: UInt8 {
        get { (raw + 5).load(as: UInt8.self) }
        nonmutating set { (raw + 5).storeBytes(of: newValue, as: UInt8.self) }
    }

    // MARK: Page tables

    /// The lock of the entries of the page table it holds.
    @inline(__always)
    var tableLock: SpinLock { SpinLock(at: raw + 4) }

    /// How many of the table's entries are not empty.
    ///
    /// Changes under the table's lock; without it a hint, exact for who keeps all others out.
    @inline(__always)
    var liveEntries: Int {
        get { Int(AtomicField32(at: raw + 20).load()) }
        nonmutating set {
            AtomicField32(at: raw + 20).store(UInt32(truncatingIfNeeded: newValue))
        }
    }

    // MARK: Owner

    /// Bits of ``FrameDescriptor/owner`` that the page offset takes.
    static let offsetBits: UInt64 = 36

    @inline(__always)
    private var owner: AtomicField64 { AtomicField64(at: raw + 24) }

    /// The number of the anonymous group or file that owns it.
    @inline(__always)
    var ownerNumber: UInt32 {
        if Mutation.ownerIsUnordered.isActive { SchedulingPoint.reach(.read, raw + 24) }
        return UInt32(truncatingIfNeeded: owner.load() >> FrameRef.offsetBits)
    }

    /// Which page of its owner it holds.
    @inline(__always)
    var pageOffset: UInt64 { owner.load() & (1 << FrameRef.offsetBits - 1) }

    /// Sets the owner and the page offset in it.
    @inline(__always)
    func setOwner(_ number: UInt32, pageOffset: UInt64) {
        if Mutation.ownerIsUnordered.isActive { SchedulingPoint.reach(.write, raw + 24) }
        owner.store(
            UInt64(number) << FrameRef.offsetBits
                | (pageOffset & (1 << FrameRef.offsetBits - 1)))
    }
}

/// All descriptors of a machine.
struct FrameTable {
    private let base: UnsafeMutablePointer<FrameDescriptor>
    /// How many frames the machine has.
    let count: Int

    /// Reserves descriptors for `count` frames; none is initialised.
    init(count: Int) {
        precondition(MemoryLayout<FrameDescriptor>.stride == 32, "a descriptor takes 32 bytes")
        self.count = count
        // Aligned so that no descriptor lies in two cache lines.
        base = UnsafeMutableRawPointer.allocate(
            byteCount: count * MemoryLayout<FrameDescriptor>.stride, alignment: 64
        ).bindMemory(to: FrameDescriptor.self, capacity: count)
    }

    /// The frame whose descriptor an address lies in, and which byte of it.
    func locate(_ address: UInt) -> (pfn: PFN, byte: Int)? {
        let offset = address &- UInt(bitPattern: base)
        guard offset < UInt(count) * 32 else { return nil }
        return (PFN(Int(offset / 32)), Int(offset % 32))
    }

    /// Gives the memory back.
    func deallocate() { UnsafeMutableRawPointer(base).deallocate() }

    @inline(__always)
    subscript(pfn: PFN) -> FrameRef {
        precondition(pfn.index < count, "frame beyond the end of memory")
        return FrameRef(pointer: base + pfn.index)
    }

    /// Gives frames their first descriptors: free, in a zone, owned by nobody.
    func initialise(_ range: Range<Int>, zone: Int) {
        (base + range.lowerBound).initialize(
            repeating: FrameDescriptor(
                flags: UInt32(zone) << FrameFlags.zoneShift, detail: 0, counts: 0,
                next: PFN.none.rawValue, prev: PFN.none.rawValue, owner: 0),
            count: range.count)
    }
}
