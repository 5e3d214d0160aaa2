// SPDX-License-Identifier: Apache-2.0
//
// Every flag of a frame, in one place: `mooring flags` prints this table and the audit reads it.

/// The flags of a frame: one 32-bit word, changed by locked operations.
package struct FrameFlags: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    @inline(__always)
    init(bit: UInt32) { rawValue = 1 << bit }

    static let locked = FrameFlags(bit: 0)
    static let upToDate = FrameFlags(bit: 1)
    static let dirty = FrameFlags(bit: 2)
    static let writeback = FrameFlags(bit: 3)
    static let referenced = FrameFlags(bit: 4)
    static let active = FrameFlags(bit: 5)
    static let onLRU = FrameFlags(bit: 6)
    static let unevictable = FrameFlags(bit: 7)
    static let mlocked = FrameFlags(bit: 8)
    static let swapBacked = FrameFlags(bit: 9)
    static let anonymous = FrameFlags(bit: 10)
    static let fileCached = FrameFlags(bit: 11)
    static let pageTable = FrameFlags(bit: 12)
    static let buddy = FrameFlags(bit: 13)
    static let reserved = FrameFlags(bit: 14)
    static let exclusive = FrameFlags(bit: 15)
    static let workingset = FrameFlags(bit: 16)
    static let swapCached = FrameFlags(bit: 17)
    static let reclaim = FrameFlags(bit: 18)

    /// The zone's number (node × 3 + zone type) is kept in the top bits of the same word, set
    /// once when the frame's descriptor is initialised.
    static let zoneShift: UInt32 = 26
    static let zoneMask: UInt32 = 0x3F << zoneShift

    /// One row of the table of flags.
    package struct Row: Sendable {
        package let flag: FrameFlags
        package let name: String
        package let meaning: String
        package let setBy: String
        package let clearedBy: String
        package let lock: String
        /// What it says about the LRU list that the frame is on.
        package let list: String
        /// Whether a frame may be freed while it is set (it is cleared then).
        package let allowedAtFree: Bool

        /// The bit's number.
        package var bit: Int { flag.rawValue.trailingZeroBitCount }
    }

    /// The table.
    package static let table: [Row] = [
        Row(
            flag: .locked, name: "locked",
            meaning: "somebody works on the frame's owner or contents",
            setBy: "FrameRef.lock", clearedBy: "FrameRef.unlock",
            lock: "is itself one (rank frame)",
            list: "any", allowedAtFree: false),
        Row(
            flag: .upToDate, name: "up-to-date", meaning: "contents are valid",
            setBy: "PageCache.ensure, anonymous faults, copy on write", clearedBy: "freeing",
            lock: "none before it is mapped",
            list: "any", allowedAtFree: true),
        Row(
            flag: .dirty, name: "dirty", meaning: "contents are newer than the device's",
            setBy: "write faults, unmapping a dirty entry, write(2)",
            clearedBy: "writing back, truncation, freeing", lock: "page table or page cache",
            list: "any", allowedAtFree: true),
        Row(
            flag: .writeback, name: "writeback", meaning: "being written to the device",
            setBy: "write-back, swapping out", clearedBy: "the device",
            lock: "page cache or swap to set; none to clear",
            list: "any", allowedAtFree: false),
        Row(
            flag: .referenced, name: "referenced", meaning: "used since reclaim last looked",
            setBy: "read(2) and write(2), unmapping, second chance",
            clearedBy: "reclaim, freeing", lock: "none (a hint)",
            list: "any", allowedAtFree: true),
        Row(
            flag: .active, name: "active", meaning: "belongs on an active list",
            setBy: "activation, refaults", clearedBy: "deactivation, freeing", lock: "lru",
            list: "active anon or active file", allowedAtFree: true),
        Row(
            flag: .onLRU, name: "lru", meaning: "counted on one of the five lists",
            setBy: "LRULists.add", clearedBy: "isolation, freeing", lock: "lru",
            list: "the one the other flags name", allowedAtFree: false),
        Row(
            flag: .unevictable, name: "unevictable",
            meaning: "belongs to the unevictable list, which has no links",
            setBy: "mlock batches, PageCache.ensure for a locked segment",
            clearedBy: "munlock batches, SHM_UNLOCK, freeing",
            lock: "lru",
            list: "unevictable", allowedAtFree: true),
        Row(
            flag: .mlocked, name: "mlocked", meaning: "mapped by a locked VMA, as far as is known",
            setBy: "mapping into a locked VMA, mlock", clearedBy: "munlock batches, freeing",
            lock: "none to set (atomic); lru to clear",
            list: "unevictable, once a batch is drained",
            allowedAtFree: true),
        Row(
            flag: .swapBacked, name: "swap-backed", meaning: "goes to swap, not to a file",
            setBy: "anonymous and shared-memory faults", clearedBy: "MADV_FREE, freeing",
            lock: "none before it is mapped; lru to clear", list: "anonymous lists",
            allowedAtFree: true),
        Row(
            flag: .anonymous, name: "anon", meaning: "owner is an anonymous group",
            setBy: "anonymous faults, copy on write", clearedBy: "freeing",
            lock: "none before it is mapped", list: "anonymous lists", allowedAtFree: true),
        Row(
            flag: .fileCached, name: "file",
            meaning: "owner is a file, and its page cache holds it",
            setBy: "PageCache.insert", clearedBy: "PageCache.remove", lock: "page cache",
            list: "file lists, or anonymous ones when swap-backed", allowedAtFree: false),
        Row(
            flag: .pageTable, name: "pgtable", meaning: "holds page-table entries",
            setBy: "PageTables.makeTable", clearedBy: "PageTables.freeTable", lock: "page table",
            list: "none", allowedAtFree: false),
        Row(
            flag: .buddy, name: "buddy", meaning: "first frame of a free block",
            setBy: "BuddyAllocator", clearedBy: "BuddyAllocator", lock: "zone",
            list: "none (a free list)", allowedAtFree: false),
        Row(
            flag: .reserved, name: "reserved",
            meaning: "never freed: the zero page, the machine's own",
            setBy: "Machine at start", clearedBy: "nobody", lock: "none",
            list: "none", allowedAtFree: false),
        Row(
            flag: .exclusive, name: "anon-exclusive",
            meaning: "an anonymous frame that one address space alone may write without a copy",
            setBy: "anonymous faults, copy on write", clearedBy: "fork, freeing",
            lock: "page table", list: "any", allowedAtFree: true),
        Row(
            flag: .workingset, name: "workingset",
            meaning: "was on an active list before, so that its refault is one of something used",
            setBy: "deactivation, refaults", clearedBy: "freeing", lock: "none (a hint)",
            list: "any", allowedAtFree: true),
        Row(
            flag: .swapCached, name: "swap-cached", meaning: "the swap cache holds it",
            setBy: "SwapCache.insert", clearedBy: "SwapCache.remove", lock: "swap",
            list: "anonymous lists", allowedAtFree: false),
        Row(
            flag: .reclaim, name: "reclaim",
            meaning: "reclaim wants it as soon as it is written to its device",
            setBy: "reclaim", clearedBy: "the end of writing back, freeing",
            lock: "none (a hint)", list: "any", allowedAtFree: true),
    ]

    /// How many of the word's bits no flag and no zone number uses.
    package static var bitsLeft: Int {
        32 - table.count - zoneMask.nonzeroBitCount
    }

    /// What must be clear when a frame is freed.
    static let forbiddenAtFree = FrameFlags(
        table.filter { !$0.allowedAtFree }.map(\.flag))
}
