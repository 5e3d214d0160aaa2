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
    ///   - disagrees: Does a list on two fresh systems and says what they disagree about.
    package init(
        _ operations: [Operation], _ disagreement: Disagreement, attempts: Int = 150,
        disagrees: ([Operation]) throws -> Disagreement?
    ) rethrows {
        self.operations = operations
        self.disagreement = disagreement
        var left = attempts
        var piece = max(1, operations.count / 2)
        while left > 0 {
            var start = 0
            var isShorter = false
            while start < self.operations.count, left > 0 {
                var shorter = self.operations
                shorter.removeSubrange(start..<min(start + piece, shorter.count))
                left -= 1
                // Another kind of disagreement would be about something else.
                if let found = try disagrees(shorter), found.kind == disagreement.kind {
                    self.operations = Array(shorter.prefix(found.step + 1))
                    self.disagreement = found
                    isShorter = true
                } else {
                    start += piece
                }
            }
            if piece == 1, !isShorter { break }
            piece = max(1, piece / 2)
        }
    }

    /// The list as a scenario, which ends where the systems disagree.
    package var scenario: String {
        var scenario = Scenario()
        scenario.items = operations.enumerated().map { index, operation in
            Scenario.Item(line: index + 1, .operation(operation, expected: .anything))
        }
        let found = "\(disagreement.subject): " + disagreement.values.joined(separator: " / ")
        return scenario.text + "# " + found + "\n"
    }
}
