// SPDX-License-Identifier: Apache-2.0

import Mooring

/// An operation of which two systems made different things, or one something else than recorded.
package struct SystemDifference: Hashable, Sendable, CustomStringConvertible {
    /// Which item of the work, from 0, and its line in a scenario.
    package var step: Int
    package var line: Int?
    /// The operation as a scenario would write it.
    package var operation: String
    /// What each system made of it, with addresses as the work writes them; as the system gave
    /// them, where something else was recorded.
    package var outcomes: [String]
    /// What was recorded; `nil` in a scenario.
    package var recorded: String?

    package var description: String {
        "\(line.map { "line \($0)" } ?? "step \(step)"): \(operation) => "
            + outcomes.joined(separator: " / ")
    }
}

/// The same work on two systems, step by step.
package struct SystemComparison: Sendable {
    /// What became of the run on each.
    package var summaries: [RunSummary]
    /// Where their outcomes differ, from each other or from the recording: the first ones.
    package var differences: [SystemDifference] = []
    /// How many there are in all.
    package var findingCount = 0
    /// At how many of them the systems differ from each other.
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
        var elapsed = systems.map { _ in Duration.zero }
        for index in 0..<workload.count {
            let before = sessions.map(\.differenceCount)
            var outcomes: [Outcome?] = []
            for (number, session) in sessions.enumerated() {
                let start = ContinuousClock.now
                outcomes.append(try session.perform(index))
                elapsed[number] += ContinuousClock.now - start
            }
            let item = workload.item(index)
            guard case .perform(let operation, let judgement) = item.action else { continue }
            let deviates = zip(before, sessions).contains { $0 != $1.differenceCount }
            guard deviates || outcomes.contains(where: { $0 != outcomes[0] }) else { continue }
            let portable = zip(sessions, outcomes).map { session, outcome in
                outcome.map { session.portable($0, of: operation) }
            }
            // Where one system has lost the process, or left an operation of it out, there is nothing
            // to compare: its summary says so.
            let isComparable =
                !outcomes.contains(nil) && !sessions.contains { $0.isIncomplete(operation.process) }
            let differs =
                isComparable && Set(portable).count > 1 && !arePlacements(portable, of: operation)
            guard differs || deviates else { continue }
            if differs { comparison.differenceCount += 1 }
            comparison.findingCount += 1
            guard comparison.differences.count < options.findingLimit else { continue }
            var difference = SystemDifference(
                step: index, line: item.line, operation: printer.text(operation),
                outcomes: portable.map { $0.map { printer.text($0) } ?? "–" })
            if case .recorded(let recorded?) = judgement {
                difference.recorded = recorded.description
                difference.outcomes = outcomes.map { $0?.description ?? "–" }
            }
            comparison.differences.append(difference)
        }
        comparison.summaries = zip(sessions, elapsed).map { session, elapsed in
            var summary = session.finish()
            summary.elapsed = elapsed
            return summary
        }
        return comparison
    }

    /// Whether the outcomes are addresses that nobody named, which systems are free to choose.
    private static func arePlacements(
        _ outcomes: [PortableOutcome?], of operation: Operation
    ) -> Bool {
        guard operation.call.returnsAddress, operation.binds == nil else { return false }
        return outcomes.allSatisfy { outcome in
            guard case .address(.absolute(let address))? = outcome else { return false }
            return address.isPageAligned || operation.call.kind == .brk
        }
    }
}
