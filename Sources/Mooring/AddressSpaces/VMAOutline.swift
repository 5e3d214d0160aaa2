// SPDX-License-Identifier: Apache-2.0
//
// What a leaf of a VMA tree says of a VMA, in the word that points at it.
//
// A VMA of one among many is in no cache, and neither is the leaf that leads to it. A fault that
// only needs to know whether it is allowed reads the leaf and leaves the VMA alone: one miss
// instead of two.
//
// STATE      Bits 0 to 47 are the VMA's address. Bits 48 to 50 are its rights, bit 51 says that it
//            has a file, and bit 52 that it starts where the VMA before it ends.
// INVARIANT  It agrees with the VMA whenever the address space's lock is free: whoever changes
//            bounds or rights tells the tree (`VMATree.setBounds`, `VMATree.refresh`).

/// A VMA and what faults ask of it first.
struct VMAOutline: Equatable {
    let bits: UInt64

    private static let addressBits: UInt64 = 48
    private static let fileBit: UInt64 = 1 << 51
    private static let touchingBit: UInt64 = 1 << 52

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    /// The outline of a VMA; the one before it ends at `previousEnd`.
    @inline(__always)
    init(of vma: VMARef, after previousEnd: UInt64) {
        let address = UInt64(UInt(bitPattern: vma.pointer)) & (1 << VMAOutline.addressBits - 1)
        bits =
            address
            | vma.flags.intersection(.rights).rawValue << VMAOutline.addressBits
            | (vma.pointer.pointee.file == nil ? 0 : VMAOutline.fileBit)
            | (vma.start == previousEnd ? VMAOutline.touchingBit : 0)
    }

    @inline(__always)
    var vma: VMARef {
        // The upper bits of an address repeat bit 47.
        let address =
            Int(truncatingIfNeeded: bits << (64 - VMAOutline.addressBits))
            >> Int(64 - VMAOutline.addressBits)
        // SAFETY: made of a pointer to a VMA, which is never null.
        return VMARef(pointer: UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped)
    }

    /// Its rights: read, write, execute, and nothing else of its flags.
    @inline(__always)
    var rights: VMAFlags {
        VMAFlags(rawValue: bits >> VMAOutline.addressBits).intersection(.rights)
    }

    @inline(__always)
    var hasFile: Bool { bits & VMAOutline.fileBit != 0 }

    /// Whether it starts where the VMA before it ends.
    @inline(__always)
    var touchesPrevious: Bool { bits & VMAOutline.touchingBit != 0 }
}

/// What a search for an address came upon.
struct VMAPlace {
    let outline: VMAOutline
    /// The VMA has all addresses from here to ``end``; above the address that was asked for if it
    /// has not that one.
    let start: UInt64
    let end: UInt64

    @inline(__always)
    init(outline: VMAOutline, start: UInt64, end: UInt64) {
        self.outline = outline
        self.start = start
        self.end = end
    }

    /// Where a VMA is that is at hand.
    @inline(__always)
    init(of vma: VMARef) {
        self.init(
            outline: VMAOutline(of: vma, after: vma.previous?.end ?? 0), start: vma.start,
            end: vma.end)
    }
}
