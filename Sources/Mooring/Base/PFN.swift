// SPDX-License-Identifier: Apache-2.0

/// The number of a physical frame of 4 KiB.
///
/// 31 bits reach 8 TiB. Numbers beyond are no frames: a page index keeps there what it remembers of
/// pages that are not in memory.
package struct PFN: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    @inline(__always)
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    @inline(__always)
    init(_ number: Int) { rawValue = UInt32(truncatingIfNeeded: number) }

    /// No frame: what ends a list and what an empty slot holds.
    static let none = PFN(rawValue: .max)

    /// Numbers from here on are no frames.
    static let limit: UInt32 = 1 << 31

    /// Whether it is a frame's number.
    @inline(__always)
    var isFrame: Bool { rawValue < PFN.limit }

    @inline(__always)
    var index: Int { Int(rawValue) }

    package static func < (one: PFN, other: PFN) -> Bool { one.rawValue < other.rawValue }
}
