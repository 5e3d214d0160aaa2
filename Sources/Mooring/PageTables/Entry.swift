// SPDX-License-Identifier: Apache-2.0
//
// x86-64 page-table entries, as the processor reads them (Intel SDM volume 3, 4.5): present,
// writable, user, accessed, dirty, page size, execute-disable; bits 9 to 11 are the system's own.
//
// An entry that is not present to the processor may still mean something, and is then not empty:
//
// forbidden      maps a frame of a VMA without any right (PROT_NONE). The frame stays mapped and
//                counted like any other; every walk that counts asks `isMapped`, not `isPresent`.
// guardMarker    no frame: an access is an error although a VMA lies there (MADV_GUARD_INSTALL).
// swapped        no frame: the page is in a swap slot, the number of which is where a frame's was.
//
// Entries of other kinds (migrations) keep the bits of all three clear.

/// One 64-bit entry of a page table of any level.
struct Entry: Equatable {
    var bits: UInt64

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    static let empty = Entry(bits: 0)
    /// What MADV_GUARD_INSTALL leaves: a page that nobody may touch.
    static let guardMarker = Entry(bits: 1 << 10)

    static let present: UInt64 = 1 << 0
    static let writable: UInt64 = 1 << 1
    static let user: UInt64 = 1 << 2
    static let accessed: UInt64 = 1 << 5
    static let dirty: UInt64 = 1 << 6
    static let huge: UInt64 = 1 << 7
    /// Software bit: the frame is not counted (the zero page).
    static let uncounted: UInt64 = 1 << 9
    /// Software bit of an entry that is not present: it maps a frame all the same.
    ///
    /// The processor's global bit, which means nothing where the present bit is clear.
    static let forbidden: UInt64 = 1 << 8
    /// Software bit of an entry that is not present: it names a swap slot.
    static let swapped: UInt64 = 1 << 11
    /// Software bit of a swapped entry: no other entry names the slot, nor did one map the frame.
    static let swapExclusive: UInt64 = 1 << 9
    static let executeDisable: UInt64 = 1 << 63
    static let frameMask: UInt64 = 0x000F_FFFF_FFFF_F000

    /// A present user entry for a frame.
    @inline(__always)
    init(frame: PFN, bits: UInt64) {
        self.bits = UInt64(frame.rawValue) << pageShift | bits | Entry.present | Entry.user
    }

    /// An entry for a page that is in a swap slot.
    @inline(__always)
    init(swapSlot: UInt32, isExclusive: Bool) {
        bits =
            UInt64(swapSlot) << pageShift | Entry.swapped | (isExclusive ? Entry.swapExclusive : 0)
    }

    @inline(__always)
    var isEmpty: Bool { bits == 0 }
    @inline(__always)
    var isPresent: Bool { bits & Entry.present != 0 }
    /// Whether it maps a frame, be it out of the processor's reach.
    @inline(__always)
    var isMapped: Bool { bits & (Entry.present | Entry.forbidden) != 0 }
    @inline(__always)
    var isGuard: Bool { bits == Entry.guardMarker.bits }
    @inline(__always)
    var isSwapped: Bool {
        bits & (Entry.present | Entry.forbidden | Entry.swapped) == Entry.swapped
    }
    @inline(__always)
    var isSwapExclusive: Bool { bits & Entry.swapExclusive != 0 }
    /// The slot that a swapped entry names.
    @inline(__always)
    var swapSlot: UInt32 { UInt32(truncatingIfNeeded: (bits & Entry.frameMask) >> pageShift) }
    @inline(__always)
    var isWritable: Bool { bits & Entry.writable != 0 }
    @inline(__always)
    var isDirty: Bool { bits & Entry.dirty != 0 }
    @inline(__always)
    var isAccessed: Bool { bits & Entry.accessed != 0 }
    /// Whether it maps a frame that keeps no count of its mappings.
    @inline(__always)
    var isUncounted: Bool { bits & Entry.uncounted != 0 }
    @inline(__always)
    var isExecutable: Bool { bits & Entry.executeDisable == 0 }

    @inline(__always)
    var frame: PFN {
        PFN(rawValue: UInt32(truncatingIfNeeded: (bits & Entry.frameMask) >> pageShift))
    }

    /// The entry with some bits set.
    @inline(__always)
    func with(_ more: UInt64) -> Entry { Entry(bits: bits | more) }

    /// The entry with some bits cleared.
    @inline(__always)
    func without(_ fewer: UInt64) -> Entry { Entry(bits: bits & ~fewer) }
}

/// Levels of the tree of tables; the raw value is log2 of the bytes that one entry covers.
enum TableLevel: UInt64 {
    case pte = 12
    case pmd = 21
    case pud = 30
    case pgd = 39

    /// The index of an address's entry in a table of this level.
    @inline(__always)
    func index(of address: UInt64) -> Int { Int((address >> rawValue) & 511) }

    /// Where the next entry of this level begins.
    @inline(__always)
    func next(after address: UInt64) -> UInt64 { (address >> rawValue &+ 1) << rawValue }
}

/// One page-table page: its 512 entries and the descriptor of the frame they are in.
struct TableRef {
    let entries: UnsafeMutablePointer<UInt64>
    let frame: FrameRef

    /// The entry at an index, as one atomic word.
    @inline(__always)
    func word(_ index: Int) -> AtomicField64 {
        AtomicField64(at: UnsafeMutableRawPointer(entries + index))
    }

    @inline(__always)
    subscript(index: Int) -> Entry {
        Entry(bits: word(index).load())
    }

    /// Writes an entry; under the table's lock.
    @inline(__always)
    func set(_ index: Int, _ entry: Entry) { word(index).store(entry.bits) }

    /// Takes an entry out; under the table's lock.
    ///
    /// Atomic because the processor may be setting its accessed or dirty bit at this moment.
    @inline(__always)
    func take(_ index: Int) -> Entry { Entry(bits: word(index).exchange(0)) }

    /// The part of the entries of `start..<end` that begins and ends with one that is not empty.
    @inline(__always)
    func occupied(from start: UInt64, to end: UInt64) -> ClosedRange<Int>? {
        var first = TableLevel.pte.index(of: start)
        var last = TableLevel.pte.index(of: end - 1)
        while self[first].isEmpty {
            if first == last { return nil }
            first += 1
        }
        while self[last].isEmpty { last -= 1 }
        return first...last
    }

    /// The addresses that entries map, in the same PTE table as `address`.
    @inline(__always)
    static func addresses(of entries: ClosedRange<Int>, near address: UInt64) -> FlushRange {
        let base = address & ~(1 << TableLevel.pmd.rawValue - 1)
        let start = base + UInt64(entries.lowerBound) << pageShift
        let end = base + UInt64(entries.upperBound + 1) << pageShift
        return FlushRange(start..<end)
    }

    /// Takes the table's lock.
    @inline(__always)
    func lock(on cpu: CPU, nests: Bool = false) {
        frame.tableLock.lock(.pageTable, on: cpu, nests: nests)
    }

    /// Gives the table's lock back.
    @inline(__always)
    func unlock(on cpu: CPU) { frame.tableLock.unlock(.pageTable, on: cpu) }
}
