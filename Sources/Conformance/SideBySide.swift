// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Something that two systems do not agree about.
package struct Disagreement: CustomStringConvertible {
    /// The operation after which they do not, counted from 0.
    package var step: Int
    package var operation: String
    /// What they disagree about: the outcome, or something that a process shows.
    package var subject: String
    /// The kind of thing it is: disagreements of one kind are likely to have one cause.
    package var kind: String
    /// What each system says, the first system's first.
    package var values: [String]

    package var description: String {
        "step \(step), \(operation)\n  \(subject): " + values.joined(separator: " / ")
    }
}

/// Carries out the same operations on two systems, address by address, and compares everything
/// that can be seen.
///
/// Unlike ``SystemComparison`` it lets no system place anything as it likes.
package struct SideBySide {
    private let systems: [any MemorySystem]
    private let printer = ScenarioPrinter()
    private var living: [ProcessID] = []
    private var step = 0

    /// How many operations lie between two comparisons of all that processes show; outcomes are
    /// compared after each.
    package var checkInterval = 1
    /// Called before each comparison of what processes show.
    package var audit: (() throws -> Void)?
    /// How many operations have been compared.
    package private(set) var compared = 0

    package init(_ one: any MemorySystem, _ other: any MemorySystem) {
        systems = [one, other]
    }

    /// Carries out one operation on both; one of a process that does not live is passed over.
    ///
    /// - Returns: What they disagree about; `nil` if they agree.
    package mutating func perform(_ operation: Operation) throws -> Disagreement? {
        defer { step += 1 }
        guard isPossible(operation) else { return nil }
        let outcomes = try systems.map { try $0.perform(operation) }
        compared += 1
        guard outcomes[0] == outcomes[1] else {
            return disagreement(
                operation, "outcome", kind: "\(operation.call.kind)", outcomes.map(Self.text))
        }
        follow(operation, outcomes[0])
        return step % checkInterval == 0 ? try compareStates(after: operation) : nil
    }

    private func isPossible(_ operation: Operation) -> Bool {
        switch operation.call {
        case .spawn: return !living.contains(operation.process)
        case .createFile: return true
        case .fork(let child, _):
            return living.contains(operation.process) && !living.contains(child)
        default: return living.contains(operation.process)
        }
    }

    private mutating func follow(_ operation: Operation, _ outcome: Outcome) {
        if case .signal(.outOfMemory, _) = outcome {
            for system in systems { system.kill(operation.process) }
            living.removeAll { $0 == operation.process }
        }
        guard case .value = outcome else { return }
        switch operation.call {
        case .spawn: living.append(operation.process)
        case .fork(let child, _): living.append(child)
        case .exit: living.removeAll { $0 == operation.process }
        default: break
        }
    }

    /// Compares all that living processes show.
    package func compareStates(after operation: Operation) throws -> Disagreement? {
        do { try audit?() } catch {
            return disagreement(operation, "audit", kind: "audit", ["\(error)"])
        }
        for process in living {
            let states = try systems.map { try ProcessState(of: process, on: $0) }
            guard let mismatch = states[0].firstMismatch(with: states[1]) else { continue }
            return disagreement(
                operation, "process \(process.rawValue), \(mismatch.subject)",
                kind: mismatch.kind, mismatch.values)
        }
        return nil
    }

    private func disagreement(
        _ operation: Operation, _ subject: String, kind: String, _ values: [String]
    ) -> Disagreement {
        Disagreement(
            step: step, operation: printer.text(operation), subject: subject, kind: kind,
            values: values)
    }

    private static func text(_ outcome: Outcome) -> String {
        guard case .pages(let pages) = outcome else { return outcome.description }
        return pages.map { String($0, radix: 16) }.joined(separator: ",")
    }

    /// Carries out a list of operations up to the first disagreement.
    package mutating func run(_ operations: [Operation]) throws -> Disagreement? {
        for operation in operations {
            if let found = try perform(operation) { return found }
        }
        guard let last = operations.last else { return nil }
        return try compareStates(after: last)
    }
}
