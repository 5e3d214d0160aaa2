// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Whether a verification finds a mistake in the engine, and how soon.
package struct MistakeHunt: Sendable, Codable {
    package let mistake: String
    package let isFound: Bool
    /// How many operations were compared, and how long that and the reduction took.
    package let compared: Int
    package let seconds: Double
    /// How many operations show it, and what they show.
    package let operations: Int
    package let subject: String

    /// Makes the mistake and verifies up to the first disagreement.
    ///
    /// - Throws: What keeps systems from being made.
    package init(
        _ mutation: Mutation, _ options: VerificationOptions, on systems: VerificationSystems
    ) throws {
        var options = options
        options.mutation = mutation
        options.continues = false
        let clock = ContinuousClock()
        let start = clock.now
        let result = try Verification(options, on: systems).run()
        mistake = "\(mutation)"
        isFound = result.disagreements > 0
        compared = result.compared
        seconds = (clock.now - start) / .seconds(1)
        let finding = result.findings.first
        operations = finding?.operations.count ?? 0
        subject = finding?.disagreement.subject ?? ""
    }

    /// The mistakes of a name, or all that a single process shows; `nil` if there is no such.
    package static func mistakes(named name: String) -> [Mutation]? {
        if name == "all" { return Mutation.ofCalls }
        return Mutation.ofCalls.first { "\($0)" == name }.map { [$0] }
    }

    /// Whether this build can make mistakes in the engine.
    package static var isPossible: Bool { PlantedMistake.isPossible }

    /// What to say of it on one line.
    package var line: String {
        let outcome =
            isFound ? "found, \(operations) operations show it: \(subject)" : "NOT FOUND"
        let rounded = Double(Int(seconds * 10)) / 10
        return "\(mistake): \(compared) operations, \(rounded) s, \(outcome)"
    }
}
