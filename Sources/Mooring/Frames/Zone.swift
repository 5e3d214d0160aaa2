// SPDX-License-Identifier: Apache-2.0
//
// A zone: a range of frames with free lists, watermarks and a lock of its own.
//
// STATE      Flat: constants, the lock, counters and list heads in 1024 bytes. A free block is its
//            first frame: `.buddy` set, order and type in `detail`, linked through next and prev.
// INVARIANT  A free block is on the list of its order and of the type that all its pageblocks
//            have. Frames inside a block carry no flag and a zero `detail`.
// LOCKS      zone, for lists and pageblock types. Counters are written under the lock and read
//            by anybody.
// LAZY       Descriptors at and above `nextUninitialised` do not exist yet. They are counted as
//            free movable blocks (of order 10, and the tail by its bits) but are on no list;
//            `BuddyAllocator.initialiseNextBlock` gives them descriptors when a list runs dry.

/// A mark that the free frames of a zone are compared with.
package enum Watermark: Int, Sendable {
    /// Half of min: for allocations that cannot wait.
    case emergency
    /// Ordinary allocations stop here and somebody has to reclaim.
    case min
    /// Below this the reclaim daemon should wake.
    case low
    /// The reclaim daemon stops here.
    case high

    /// The number of free frames that it stands for in a zone that must keep `min`.
    func frames(keeping min: Int) -> Int {
        switch self {
        case .emergency: min / 2
        case .min: min
        case .low: min + min / 4
        case .high: min + min / 2
        }
    }
}

/// What about a zone never changes once it is made.
struct ZoneConstants {
    let index: Int
    let node: Int
    let type: ZoneType
    let start: Int
    let end: Int
    let frames: FrameTable
    /// One byte a pageblock of the whole machine.
    let pageblocks: PageblockTypes
}

/// The migrate types of all pageblocks: written under the lock of the block's zone, read by
/// anybody who frees a frame.
struct PageblockTypes {
    let base: UnsafeMutableRawPointer

    @inline(__always)
    subscript(pfn: PFN) -> MigrateType {
        get { MigrateType.stored(AtomicField8(at: base + (pfn.index >> pageblockOrder)).load()) }
        nonmutating set {
            AtomicField8(at: base + (pfn.index >> pageblockOrder)).store(newValue.rawValue)
        }
    }
}

/// A zone.
struct ZoneRef {
    let raw: UnsafeMutableRawPointer

    /// Bytes that a zone's state takes.
    static let stride = 1024
    private static let lockOffset = 128
    private static let counterOffset = 192
    private static let maskOffset = 320
    private static let headOffset = 352
    private static let blockCountOffset = 576

    /// The numbers that a zone keeps.
    enum Counter: Int {
        /// Frames in free blocks, those without descriptors included.
        case free
        /// Those of them that ordinary allocations cannot have: high-atomic and isolated.
        case withheld
        /// The first frame without a descriptor.
        case nextUninitialised
        case min
        case low
        case high
        /// What requests that could have used the Normal zone leave here.
        case protectionFromNormal
        /// What requests that could have used the Movable zone leave here.
        case protectionFromMovable
        /// Pageblocks of type high-atomic.
        case highAtomicBlocks
    }

    /// Makes a zone whose frames are all free and without descriptors.
    func initialise(_ constants: ZoneConstants) {
        precondition(MemoryLayout<ZoneConstants>.size <= ZoneRef.lockOffset, "zone layout")
        raw.initializeMemory(as: UInt8.self, repeating: 0, count: ZoneRef.stride)
        raw.initializeMemory(as: ZoneConstants.self, to: constants)
        for slot in 0..<orderCount * MigrateType.count {
            (raw + ZoneRef.headOffset + slot * 4).storeBytes(
                of: PFN.none.rawValue, as: UInt32.self)
        }
        let frames = constants.end - constants.start
        counter(.nextUninitialised).store(Int64(constants.start))
        counter(.free).store(Int64(frames))
        blockCount(order: maximumOrder, type: .movable).store(Int64(frames >> maximumOrder))
        for order in 0..<maximumOrder where frames >> order & 1 == 1 {
            blockCount(order: order, type: .movable).store(1)
        }
    }

    // MARK: Constants

    @inline(__always)
    private var constants: UnsafeMutablePointer<ZoneConstants> {
        raw.assumingMemoryBound(to: ZoneConstants.self)
    }

    /// Node × 3 + type.
    @inline(__always)
    var index: Int { constants.pointee.index }
    @inline(__always)
    var node: Int { constants.pointee.node }
    @inline(__always)
    var type: ZoneType { constants.pointee.type }
    /// The first frame; a multiple of the largest block, or equal to `end` in an empty zone.
    @inline(__always)
    var start: Int { constants.pointee.start }
    /// One past the last frame.
    @inline(__always)
    var end: Int { constants.pointee.end }
    @inline(__always)
    var frames: FrameTable { constants.pointee.frames }
    @inline(__always)
    var pageblocks: PageblockTypes { constants.pointee.pageblocks }

    /// All frames of the zone; none is reserved and there are no holes, so that spanned, present
    /// and managed are the same number.
    @inline(__always)
    var managed: Int { end - start }

    /// The event that counts allocations from here.
    @inline(__always)
    var allocationEvent: Event {
        switch type {
        case .dma32: .pgallocDMA32
        case .normal: .pgallocNormal
        case .movable: .pgallocMovable
        }
    }

    // MARK: Lock, counters, heads

    @inline(__always)
    var lock: SpinLock { SpinLock(at: raw + ZoneRef.lockOffset) }

    @inline(__always)
    func counter(_ counter: Counter) -> CounterWord {
        CounterWord(at: raw + (ZoneRef.counterOffset &+ counter.rawValue &* 8))
    }

    /// How many free blocks of an order and type there are.
    @inline(__always)
    func blockCount(order: Int, type: MigrateType) -> CounterWord {
        CounterWord(
            at: raw + (ZoneRef.blockCountOffset &+ (type.index &* orderCount &+ order) &* 8))
    }

    /// The first block of a free list.
    @inline(__always)
    func head(order: Int, type: MigrateType) -> UnsafeMutablePointer<UInt32> {
        precondition(order >= 0 && order < orderCount, "an order beyond the largest")
        return (raw + (ZoneRef.headOffset &+ (type.index &* orderCount &+ order) &* 4))
            .assumingMemoryBound(to: UInt32.self)
    }

    /// One bit an order: whether the list of that order is not empty.
    @inline(__always)
    func mask(_ type: MigrateType) -> UnsafeMutablePointer<UInt32> {
        (raw + (ZoneRef.maskOffset &+ type.index &* 4)).assumingMemoryBound(to: UInt32.self)
    }

    /// Frames in free blocks; another CPU may be changing it.
    @inline(__always)
    var freeFrames: Int { Int(counter(.free).load()) }

    /// The first frame without a descriptor: nobody may look at it or beyond.
    @inline(__always)
    var nextUninitialised: Int { Int(counter(.nextUninitialised).load()) }

    // MARK: Watermarks

    /// The number of free frames that a mark stands for.
    @inline(__always)
    func frames(at mark: Watermark) -> Int {
        switch mark {
        case .emergency: Int(counter(.min).load()) / 2
        case .min: Int(counter(.min).load())
        case .low: Int(counter(.low).load())
        case .high: Int(counter(.high).load())
        }
    }

    /// How many frames a request whose best zone is of type `best` must leave here untouched.
    @inline(__always)
    func protection(from best: ZoneType) -> Int {
        guard best.rawValue > type.rawValue else { return 0 }
        return Int(
            counter(best == .normal ? .protectionFromNormal : .protectionFromMovable).load())
    }

    /// How many frames an ordinary request may take before the mark is reached; may be negative.
    @inline(__always)
    func available(above mark: Watermark, best: ZoneType) -> Int {
        freeFrames - Int(counter(.withheld).load()) - frames(at: mark) - protection(from: best)
    }

    /// Sets the three marks from what the zone must keep.
    func setWatermarks(min: Int) {
        counter(.min).store(Int64(min))
        counter(.low).store(Int64(Watermark.low.frames(keeping: min)))
        counter(.high).store(Int64(Watermark.high.frames(keeping: min)))
    }
}
