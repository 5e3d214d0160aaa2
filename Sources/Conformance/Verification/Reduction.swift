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
    ///   - disagrees: Does a list on two fresh systems and says what they disagree about; quickly if
    ///     it is enough to see it in the end, else as early as it shows. What it throws is taken for
    ///     agreement: a part of the list may be work that cannot be done.
    package init(
        _ operations: [Operation], _ disagreement: Disagreement, attempts: Int = 2000,
        time: Duration = .seconds(20),
        disagrees: (_ list: [Operation], _ isQuick: Bool) throws -> Disagreement?
    ) {
        self.operations = operations
        self.disagreement = disagreement
        var search = Search(attempts: attempts, deadline: .now + time)
        // Leaves out nothing: the disagreement may have come earlier than it was looked for.
        take(operations, &search, isQuick: false, disagrees)
        repeat {
            repeat { leaveOutPieces(&search, disagrees) } while replaceForks(&search, disagrees)
        } while take(self.operations, &search, isQuick: false, disagrees)
            && simplify(&search, disagrees)
    }

    /// How long to go on.
    private struct Search {
        var attempts: Int
        let deadline: ContinuousClock.Instant

        var goesOn: Bool { attempts > 0 && .now < deadline }
    }

    private typealias Question = (_ list: [Operation], _ isQuick: Bool) throws -> Disagreement?

    /// Takes another list if it disagrees about the same kind of thing, as far as it then has to go.
    @discardableResult private mutating func take(
        _ other: [Operation], _ search: inout Search, isQuick: Bool = true,
        _ disagrees: Question
    ) -> Bool {
        search.attempts -= 1
        // Another kind of disagreement would be about something else.
        guard let found = try? disagrees(other, isQuick), found.kind == disagreement.kind else {
            return false
        }
        operations = Array(other.prefix(found.step + 1))
        disagreement = found
        return true
    }

    private mutating func leaveOutPieces(_ search: inout Search, _ disagrees: Question) {
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

    /// Leaves flags and offsets of mappings out; `true` if that was possible once at least.
    private mutating func simplify(_ search: inout Search, _ disagrees: Question) -> Bool {
        var isSimpler = false
        for index in operations.indices where index < operations.count {
            for call in operations[index].call.simpler
            where index < operations.count && search.goesOn {
                var simpler = operations
                simpler[index] = Operation(operations[index].process, call)
                if take(simpler, &search, disagrees) {
                    isSimpler = true
                    break
                }
            }
        }
        return isSimpler
    }
}

extension Call {
    /// Calls that do less of the same.
    fileprivate var simpler: [Call] {
        guard
            case .mmap(let address, let length, let protection, let flags, let file, let offset) =
                self
        else { return [] }
        let extras: [MapFlags] = [
            .locked, .populate, .noReserve, .stack, .nonBlock, .denyWrite, .growsDown,
        ]
        typealias Choice = (MapFlags, Protection, UInt64)
        var others: [Choice] = extras.filter { flags.contains($0) }.map {
            (flags.subtracting($0), protection, offset)
        }
        let plain: Protection = [.read, .write]
        others += [(flags, plain, offset), (flags, protection, 0)]
        return
            others.filter { $0.0 != flags || $0.1 != protection || $0.2 != offset }
            .map {
                .mmap(
                    address: address, length: length, protection: $0.1, flags: $0.0, file: file,
                    offset: $0.2)
            }
    }
}
