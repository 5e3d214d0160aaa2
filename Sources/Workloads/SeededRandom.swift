// SPDX-License-Identifier: Apache-2.0

/// Random numbers that a seed decides, for work that must be done again as it was: splitmix64.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    /// What the numbers started from; print it where something fails.
    package let seed: UInt64
    private var index: UInt64 = 0

    package init(seed: UInt64) { self.seed = seed }

    package mutating func next() -> UInt64 {
        defer { index &+= 0x9E37_79B9_7F4A_7C15 }
        return StorePattern.word(seed: seed, index: index)
    }
}
