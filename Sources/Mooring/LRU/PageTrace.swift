// SPDX-License-Identifier: Apache-2.0

/// What a page index or a swap slot keeps of a page that is not in memory: 32 bits that are no
/// frame's number.
///
/// Bit 31 is set. Bit 30 says which of two kinds it is. A shadow says when the page was evicted:
/// bit 29 whether it was used by then, bits 25 to 28 the node, the rest the node's age. A swap slot
/// is where the page of a file in memory has gone: the rest is its number.
struct PageTrace: Equatable {
    let rawValue: UInt32

    private static let mark: UInt32 = 1 << 31
    private static let swapMark: UInt32 = 1 << 30
    private static let usedMark: UInt32 = 1 << 29
    private static let nodeShift: UInt32 = 25

    /// Bits of age that a shadow has room for.
    static let ageBits: UInt64 = 25
    /// Numbers of swap slots are below this.
    static let slotLimit: UInt32 = 1 << 30 - 1

    /// What a slot of an index holds; nil for a frame or nothing.
    @inline(__always)
    init?(slot: PFN) {
        guard !slot.isFrame, slot != .none else { return nil }
        rawValue = slot.rawValue
    }

    /// A shadow.
    @inline(__always)
    init(age: UInt64, node: Int, wasUsed: Bool) {
        rawValue =
            PageTrace.mark | (wasUsed ? PageTrace.usedMark : 0)
            | UInt32(truncatingIfNeeded: node) << PageTrace.nodeShift
            | UInt32(truncatingIfNeeded: age & (1 << PageTrace.ageBits - 1))
    }

    /// The swap slot that the page is in.
    @inline(__always)
    init(swapSlot: UInt32) { rawValue = PageTrace.mark | PageTrace.swapMark | swapSlot }

    /// How an index stores it.
    @inline(__always)
    var slot: PFN { PFN(rawValue: rawValue) }

    /// The swap slot; nil for a shadow.
    @inline(__always)
    var swapSlot: UInt32? {
        rawValue & PageTrace.swapMark == 0
            ? nil : rawValue & ~(PageTrace.mark | PageTrace.swapMark)
    }

    /// Whether it was on an active list before it was evicted.
    @inline(__always)
    var wasUsed: Bool { rawValue & PageTrace.usedMark != 0 }
    @inline(__always)
    var node: Int { Int(rawValue >> PageTrace.nodeShift & 15) }
    @inline(__always)
    var age: UInt64 { UInt64(rawValue) & (1 << PageTrace.ageBits - 1) }
}
