// SPDX-License-Identifier: Apache-2.0
//
// Finds the few operations that matter for a disagreement: pieces of the list are left out, large
// ones first, as long as what remains still disagrees.

import Mooring
import Workloads

/// A list of operations after which two systems disagree, as short as it could be made.
package struct Reduction {
    package private(set) var operations: [Operation]
    package private(set) var disagreement: Disagreement

    /// Shortens a list.
    ///
    /// - Parameters:
    ///   - operations: A list that ends in a disagreement.
    ///   - disagreement: Which.
    ///   - attempts: How often the work is done again at most.
    ///   - time: How long to go on at most.
    ///   - disagrees: Does a list on two fresh systems and says what they disagree about. What it
    ///     throws is taken for agreement: a part of the list may be work that cannot be done.
    package init(
        _ operations: [Operation], _ disagreement: Disagreement, attempts: Int = 600,
        time: Duration = .seconds(20),
        disagrees: ([Operation]) throws -> Disagreement?
    ) {
        self.operations = operations
        self.disagreement = disagreement
        var search = Search(attempts: attempts, deadline: .now + time)
        repeat { leaveOutPieces(&search, disagrees) } while replaceForks(&search, disagrees)
    }

    /// How long to go on.
    private struct Search {
        var attempts: Int
        let deadline: ContinuousClock.Instant

        var goesOn: Bool { attempts > 0 && .now < deadline }
    }

    private typealias Question = ([Operation]) throws -> Disagreement?

    /// Takes another list if it disagrees about the same kind of thing, as far as it then has to go.
    private mutating func take(
        _ other: [Operation], _ search: inout Search, _ disagrees: Question
    ) -> Bool {
        search.attempts -= 1
        // Another kind of disagreement would be about something else.
        guard let found = try? disagrees(other), found.kind == disagreement.kind else {
            return false
        }
        operations = Array(other.prefix(found.step + 1))
        disagreement = found
        return true
    }

    private mutating func leaveOutPieces(_ search: inout Search, _ disagrees: Question) {
        // Leaves out nothing: the disagreement may have come earlier than it was looked for.
        _ = take(operations, &search, disagrees)
        var piece = max(1, operations.count / 2)
        while search.goesOn {
            var end = operations.count
            var isShorter = false
            // From the end: what is done last is what matters least often.
            while end > 0, search.goesOn {
                let start = max(0, end - piece)
                var shorter = operations
                shorter.removeSubrange(start..<end)
                if take(shorter, &search, disagrees) { isShorter = true }
                end = min(start, operations.count)
            }
            if piece == 1, !isShorter { return }
            piece = max(1, piece / 2)
        }
    }

    /// Starts processes afresh that were forked; `true` if that was possible once at least.
    private mutating func replaceForks(
        _ search: inout Search, _ disagrees: Question
    ) -> Bool {
        var isSimpler = false
        for index in operations.indices where index < operations.count && search.goesOn {
            guard case .fork(let child, _) = operations[index].call else { continue }
            var simpler = operations
            simpler[index] = Operation(child, .spawn)
            if take(simpler, &search, disagrees) { isSimpler = true }
        }
        return isSimpler
    }
}
