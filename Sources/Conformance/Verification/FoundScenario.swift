// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

extension Finding {
    /// The work as a scenario that claims what the referee does: it holds there and fails on the
    /// engine, until the engine is mended.
    package var scenario: Scenario {
        var scenario = Scenario()
        scenario.machine.contents = .bytes
        var items: [Scenario.Action] = operations.enumerated().map { index, operation in
            let isLast = index == operations.count - 1 && disagreement.look == nil
            return switch operation.call {
            // What sets the stage succeeds, or there is no play.
            case .spawn, .createFile: .operation(operation, expected: .success)
            default:
                .operation(
                    operation, expected: isLast ? Self.expected(disagreement.truth) : .anything)
            }
        }
        if let look = disagreement.look {
            items.append(.operation(look, expected: Self.expected(disagreement.truth)))
        }
        if let claim = disagreement.claim { items.append(.expect(claim)) }
        scenario.items = items.enumerated().map { Scenario.Item(line: $0 + 1, $1) }
        return scenario
    }

    /// The scenario as text, with what was found above it.
    package func text(referee: String) -> String {
        """
        # Found by mooring verify against \(referee), session seed \(seed).
        # \(disagreement.subject)
        #   mooring: \(disagreement.values.first ?? "")
        #   kernel:  \(disagreement.values.dropFirst().first ?? "")

        """ + scenario.text
    }

    /// A name for a file.
    package var fileName: String {
        let kind = disagreement.kind.lowercased().filter { $0.isLetter || $0.isNumber }
        return "found_\(kind)_\(String(seed, radix: 16)).scenario"
    }

    private static func expected(_ truth: Outcome?) -> ExpectedOutcome {
        switch truth {
        case nil: .anything
        case .nodes(let nodes): .nodes(nodes)
        case .value(let value): .value(value)
        case .failed(let error): .failed(error)
        case .signal(let signal, let address): .signal([signal], at: .absolute(address))
        case .pages(let pages): .pages(pages.map { $0 & 1 == 1 })
        }
    }
}
