// SPDX-License-Identifier: Apache-2.0

/// What a store writes and a load returns, on every system.
package enum StorePattern {
    /// The eight bytes at offset `8 * index` of a span, the lowest first: splitmix64.
    package static func word(seed: UInt64, index: UInt64) -> UInt64 {
        var mixed = seed &+ index &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The byte at an offset of a span.
    package static func byte(seed: UInt64, offset: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: word(seed: seed, index: offset / 8) >> (offset % 8 * 8))
    }

    /// What ``checksum(_:)`` starts from, for those who feed it bytes in pieces.
    package static let emptyChecksum: UInt64 = 0xCBF2_9CE4_8422_2325

    /// A checksum with one more byte: 64-bit FNV-1a.
    package static func checksum(_ checksum: UInt64, adding byte: UInt8) -> UInt64 {
        (checksum ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// What a load of these bytes returns.
    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(emptyChecksum) { checksum($0, adding: $1) }
    }

    /// What a load returns after a store of the same span.
    package static func checksum(seed: UInt64, length: UInt64) -> UInt64 {
        var sum = emptyChecksum
        for offset in 0..<length { sum = checksum(sum, adding: byte(seed: seed, offset: offset)) }
        return sum
    }
}
