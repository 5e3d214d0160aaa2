// SPDX-License-Identifier: Apache-2.0

/// The Castagnoli checksum, as iSCSI and ext4 compute it.
enum CRC32C {
    /// What each value of a byte contributes (reflected polynomial 0x82F63B78).
    private static let table: [UInt32] = (0..<256).map { (index: UInt32) in
        var value = index
        for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
        return value
    }

    /// The checksum of `bytes`, or of what `before` is the checksum of with `bytes` appended.
    static func checksum(_ bytes: some Sequence<UInt8>, after before: UInt32 = 0) -> UInt32 {
        let table = table
        var checksum = ~before
        for byte in bytes {
            checksum = (checksum >> 8) ^ table[Int(UInt8(truncatingIfNeeded: checksum) ^ byte)]
        }
        return ~checksum
    }
}
