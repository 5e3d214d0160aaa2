// SPDX-License-Identifier: Apache-2.0

import Foundation
import Workloads

package typealias SeededRandom = Workloads.SeededRandom

extension SeededRandom {
    /// The seed that the environment's `MOORING_SEED` asks for, or a fresh one.
    ///
    /// - Parameter seed: What to start from unless the environment says; random if `nil`.
    /// - Returns: A generator that can be made again from its ``seed``.
    package static func fromEnvironment(otherwise seed: UInt64? = nil) -> SeededRandom {
        let asked = ProcessInfo.processInfo.environment["MOORING_SEED"].flatMap(UInt64.init)
        return SeededRandom(seed: asked ?? seed ?? .random(in: 0...UInt64(UInt32.max)))
    }
}
