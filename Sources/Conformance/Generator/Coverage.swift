// SPDX-License-Identifier: Apache-2.0
//
// Which combinations of call, flags, kinds of areas and outcome were had, and how often: what
// random work is steered by, and what is said of it in the end.

import Mooring
import Workloads

/// What random work has come across.
package struct Coverage: Sendable {
    private struct Combination: Hashable {
        let situation: Situation
        let outcome: OutcomeClass
    }

    private var situations: [Situation: Int] = [:]
    private var combinations: [Combination: Int] = [:]

    package init() {}

    /// How often a situation was had: what was not is worth trying.
    func count(of situation: Situation) -> Int { situations[situation] ?? 0 }

    /// Takes note of a call that was made.
    mutating func record(_ situation: Situation, _ outcome: Outcome) {
        situations[situation, default: 0] += 1
        combinations[
            Combination(situation: situation, outcome: OutcomeClass(outcome)), default: 0] += 1
    }

    /// Takes in what another came across.
    mutating func merge(_ other: Coverage) {
        situations.merge(other.situations, uniquingKeysWith: +)
        combinations.merge(other.combinations, uniquingKeysWith: +)
    }

    // MARK: What is said of it

    /// What was had of one call.
    package struct CallSummary: Sendable, Codable {
        /// The name of the call.
        package let call: String
        /// How often it was made.
        package let count: Int
        /// How many combinations of flags, kinds of areas and outcome there were.
        package let combinations: Int
        /// How often it ended how.
        package let outcomes: [String: Int]
        /// Flags, kinds of areas and outcomes that were never had.
        package let neverReached: [String]
    }

    /// How many combinations were had in all.
    package var combinationCount: Int { combinations.count }

    /// A summary of each of some calls, in the order of the vocabulary.
    package func summaries(of calls: Set<CallKind>) -> [CallSummary] {
        let byCall = Dictionary(grouping: combinations) { $0.key.situation.call }
        return CallCatalog.calls.filter(calls.contains).compactMap { call in
            guard let catalog = CallCatalog[call] else { return nil }
            let had = byCall[call] ?? []
            var outcomes: [String: Int] = [:]
            for (combination, count) in had {
                outcomes["\(combination.outcome)", default: 0] += count
            }
            let kinds = had.reduce(AreaKinds()) { $0.union($1.key.situation.kinds) }
            var never = catalog.flags.filter { flag in
                !had.contains { $0.key.situation.flags & flag.mask == flag.bits }
            }.map(\.name)
            let missed = catalog.kinds.subtracting(kinds)
            never += AreaKinds.names.enumerated()
                .filter { missed.contains(AreaKinds(rawValue: 1 << UInt32($0.offset))) }
                .map(\.element)
            never += catalog.outcomes.map(\.description).filter { outcomes[$0] == nil }
            return CallSummary(
                call: call.rawValue, count: had.reduce(0) { $0 + $1.value },
                combinations: had.count, outcomes: outcomes, neverReached: never)
        }
    }
}
