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
        let deadline = ContinuousClock.now + time
        var left = attempts
        var piece = operations.count
        while left > 0, .now < deadline {
            var end = self.operations.count
            var isShorter = false
            // From the end: what is done last is what matters least often.
            while end > 0, left > 0, .now < deadline {
                let start = max(0, end - piece)
                var shorter = self.operations
                // The first attempt leaves out nothing: the disagreement may have come earlier
                // than it was looked for.
                if piece < operations.count { shorter.removeSubrange(start..<end) }
                left -= 1
                // Another kind of disagreement would be about something else.
                if let found = try? disagrees(shorter), found.kind == disagreement.kind {
                    self.operations = Array(shorter.prefix(found.step + 1))
                    self.disagreement = found
                    isShorter = shorter.count < operations.count
                }
                end = min(start, self.operations.count)
            }
            if piece == 1, !isShorter { break }
            piece = max(1, piece / 2)
        }
    }
}
