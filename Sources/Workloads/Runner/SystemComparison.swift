// SPDX-License-Identifier: Apache-2.0

import Mooring

/// An operation of which two systems made different things.
package struct SystemDifference: Hashable, Sendable, CustomStringConvertible {
    /// Which item of the work, from 0, and its line in a scenario.
    package var step: Int
    package var line: Int?
    /// The operation as a scenario would write it.
    package var operation: String
    /// What each system made of it, with addresses as the work writes them.
    package var outcomes: [String]

    package var description: String {
        "\(line.map { "line \($0)" } ?? "step \(step)"): \(operation) => "
            + outcomes.joined(separator: " / ")
    }
}

/// The same work on two systems, step by step.
package struct SystemComparison: Sendable {
    /// What became of the run on each.
    package var summaries: [RunSummary]
    /// Where their outcomes differ: the first ones.
    package var differences: [SystemDifference] = []
    package var differenceCount = 0

    /// Carries out `workload` on both systems in turn, item by item.
    ///
    /// - Parameters:
    ///   - workload: What is done.
    ///   - systems: Two systems, or more: each is held against the first.
    ///   - options: How the runs are followed. The audit and the progress are called once an
    ///     item, with the first system.
    /// - Returns: What became of each run, and where they differ.
    /// - Throws: A failure as soon as any of the systems cannot go on.
    package static func run(
        _ workload: Workload, on systems: [any MemorySystem], options: RunOptions = .init()
    ) throws(RunFailure) -> SystemComparison {
        var quiet = options
        quiet.audit = nil
        quiet.progress = nil
        let sessions = systems.enumerated().map { index, system in
            RunSession(workload, on: system, options: index == 0 ? options : quiet)
        }
        let printer = ScenarioPrinter(names: workload.names)
        var comparison = SystemComparison(summaries: [])
        for index in 0..<workload.count {
            var outcomes: [Outcome] = []
            for session in sessions {
                if let outcome = try session.perform(index) { outcomes.append(outcome) }
            }
            let item = workload.item(index)
            // Where one system has lost the process, there is nothing to compare.
            guard case .perform(let operation, _) = item.action, let first = outcomes.first,
                outcomes.count == sessions.count, outcomes.contains(where: { $0 != first })
            else { continue }
            let portable = zip(sessions, outcomes).map { $0.portable($1, of: operation) }
            guard Set(portable).count > 1, !arePlacements(portable, of: operation) else {
                continue
            }
            comparison.differenceCount += 1
            guard comparison.differences.count < options.findingLimit else { continue }
            comparison.differences.append(
                SystemDifference(
                    step: index, line: item.line, operation: printer.text(operation),
                    outcomes: portable.map { printer.text($0) }))
        }
        comparison.summaries = sessions.map { $0.finish() }
        return comparison
    }

    /// Whether the outcomes are addresses that nobody named, which systems are free to choose.
    private static func arePlacements(
        _ outcomes: [PortableOutcome], of operation: Operation
    ) -> Bool {
        guard operation.call.returnsAddress, operation.binds == nil else { return false }
        return outcomes.allSatisfy { outcome in
            guard case .address(.absolute(let address)) = outcome else { return false }
            return address.isPageAligned || operation.call.kind == .brk
        }
    }
}
