// SPDX-License-Identifier: Apache-2.0

/// The number of a physical frame of 4 KiB.
///
/// 32 bits reach 16 TiB.
package struct PFN: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    @inline(__always)
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    @inline(__always)
    init(_ number: Int) { rawValue = UInt32(truncatingIfNeeded: number) }

    /// No frame: what ends a list and what an empty slot holds.
    static let none = PFN(rawValue: .max)

    @inline(__always)
    var index: Int { Int(rawValue) }

    package static func < (one: PFN, other: PFN) -> Bool { one.rawValue < other.rawValue }
}
