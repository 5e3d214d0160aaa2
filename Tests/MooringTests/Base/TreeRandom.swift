// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Random numbers that a seed repeats (SplitMix64).
struct TreeRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: UInt64) -> UInt64 { next() % bound }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// The seeds of a random test: some fixed ones and a new one, or only `MOORING_SEED`.
    static let seeds: [UInt64] = {
        if let text = ProcessInfo.processInfo.environment["MOORING_SEED"],
            let seed = UInt64(text)
        {
            return [seed]
        }
        return [1, 2, .random(in: 3 ... .max)]
    }()
}
