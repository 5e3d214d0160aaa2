// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Random numbers that a seed decides, for tests that must be run again as they failed.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    /// What the numbers started from; print it where a test fails.
    package let seed: UInt64
    private var state: UInt64

    package init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// The seed that the environment's `MOORING_SEED` asks for, or a fresh one.
    ///
    /// - Parameter seed: What to start from unless the environment says; random if `nil`.
    /// - Returns: A generator that can be made again from its ``seed``.
    package static func fromEnvironment(otherwise seed: UInt64? = nil) -> SeededRandom {
        let asked = ProcessInfo.processInfo.environment["MOORING_SEED"].flatMap(UInt64.init)
        return SeededRandom(seed: asked ?? seed ?? .random(in: 0...UInt64(UInt32.max)))
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
