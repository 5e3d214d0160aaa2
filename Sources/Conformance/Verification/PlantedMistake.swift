// SPDX-License-Identifier: Apache-2.0
//
// Mistakes planted in the engine: what a verification must find to be worth something.

import CExplorer
import Mooring

/// A mistake that an engine makes while it carries out an operation, and another engine beside it
/// on the same thread of the host does not.
struct PlantedMistake {
    /// The mistake; `nil` makes none.
    let mutation: Mutation?

    /// Whether this build can make mistakes in the engine.
    static var isPossible: Bool { SchedulingPoint.isInstrumented }

    init(_ mutation: Mutation?) {
        self.mutation = mutation
        if mutation != nil { Self.installHooks }
    }

    /// Does something with the mistake.
    func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        guard let mutation else { return try body() }
        explorer_plant(mutation.rawValue + 2)
        defer { explorer_plant(0) }
        return try body()
    }

    private static let installHooks: Void = SchedulingPoint.install(
        SchedulingPoint.Controller(
            reach: explorer_reach, fail: { _ in }, control: explorer_control))
}
