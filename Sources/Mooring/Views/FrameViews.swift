// SPDX-License-Identifier: Apache-2.0
//
// /proc/kpageflags and /proc/kpagecount: a word a frame, admin-guide/mm/pagemap.

/// Bits of kpageflags.
package struct KernelPageFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    private init(bit: UInt64) { rawValue = 1 << bit }

    package static let locked = KernelPageFlags(bit: 0)
    package static let referenced = KernelPageFlags(bit: 2)
    package static let upToDate = KernelPageFlags(bit: 3)
    package static let dirty = KernelPageFlags(bit: 4)
    package static let lru = KernelPageFlags(bit: 5)
    package static let active = KernelPageFlags(bit: 6)
    package static let writeback = KernelPageFlags(bit: 8)
    /// Being written because reclaim wants it.
    package static let reclaim = KernelPageFlags(bit: 9)
    /// In a free block of the buddy allocator; every frame of the block has it.
    package static let buddy = KernelPageFlags(bit: 10)
    package static let mapped = KernelPageFlags(bit: 11)
    package static let anonymous = KernelPageFlags(bit: 12)
    package static let swapCache = KernelPageFlags(bit: 13)
    package static let swapBacked = KernelPageFlags(bit: 14)
    package static let unevictable = KernelPageFlags(bit: 18)
    package static let zeroPage = KernelPageFlags(bit: 24)
    package static let pageTable = KernelPageFlags(bit: 26)
    // Beyond those that the page documents: what tools/mm/page-types shows besides.
    package static let reserved = KernelPageFlags(bit: 32)
    package static let mlocked = KernelPageFlags(bit: 33)
    /// Of an anonymous page: one address space alone may write it.
    ///
    /// Of a file's page the kernel has "mapped to disk" here, which the engine does not keep.
    package static let exclusive = KernelPageFlags(bit: 34)

    /// What each flag of a frame is there.
    private static let table: [(FrameFlags, KernelPageFlags)] = [
        (.locked, .locked), (.referenced, .referenced), (.upToDate, .upToDate),
        (.dirty, .dirty), (.onLRU, .lru), (.active, .active), (.writeback, .writeback),
        (.anonymous, .anonymous), (.swapBacked, .swapBacked), (.unevictable, .unevictable),
        (.pageTable, .pageTable), (.reserved, .reserved), (.mlocked, .mlocked),
        (.exclusive, .exclusive), (.reclaim, .reclaim), (.swapCached, .swapCache),
    ]

    /// The bits of a frame in use.
    init(of frame: FrameRef) {
        let flags = frame.flags
        self = []
        for (flag, bit) in KernelPageFlags.table where flags.contains(flag) { insert(bit) }
        if frame.mapCount > 0 { insert(.mapped) }
    }
}

extension Machine {
    /// What /proc/kpageflags shows of some frames, of all unless told.
    package func kpageflags(_ range: Range<Int>? = nil) -> [KernelPageFlags] {
        let range = (range ?? 0..<frames.count).clamped(to: 0..<frames.count)
        var words = [KernelPageFlags](repeating: .buddy, count: range.count)
        inspect { cpu in
            allocator.visit(range, on: cpu) { part, frame in
                guard let frame else { return }
                words[part.lowerBound - range.lowerBound] = KernelPageFlags(of: frame)
            }
        }
        let zero = zeroFrame.index
        if range.contains(zero) { words[zero - range.lowerBound].insert(.zeroPage) }
        return words
    }

    /// What /proc/kpagecount shows of some frames, of all unless told: how many entries map each.
    package func kpagecount(_ range: Range<Int>? = nil) -> [UInt64] {
        let range = (range ?? 0..<frames.count).clamped(to: 0..<frames.count)
        var counts = [UInt64](repeating: 0, count: range.count)
        inspect { cpu in
            allocator.visit(range, on: cpu) { part, frame in
                guard let frame else { return }
                counts[part.lowerBound - range.lowerBound] = UInt64(frame.mapCount)
            }
        }
        return counts
    }
}
