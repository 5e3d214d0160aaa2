// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Something that two systems do not agree about.
package struct Disagreement: Sendable, CustomStringConvertible {
    /// The operation after which they do not, counted from 0.
    package var step: Int
    package var operation: Operation
    /// What they disagree about: the outcome, or something that a process shows.
    package var subject: String
    /// The kind of thing it is: disagreements of one kind are likely to have one cause.
    package var kind: String
    /// What each system says, the first system's first.
    package var values: [String]
    /// The outcome on the second system, where the outcomes differ.
    package var truth: Outcome?
    /// What is true on the second system and not on the first, where states differ.
    package var claim: Expectation?
    /// What has to be done besides to see it; `truth` is its outcome on the second system.
    package var look: Operation?

    package var description: String {
        "step \(step), \(ScenarioPrinter().text(operation))\n  \(subject): "
            + values.joined(separator: " / ")
    }
}

/// Carries out the same operations on two systems and compares everything that can be seen.
///
/// The second system is the one that is right. Unlike ``SystemComparison`` it lets no system place anything as it likes.
package struct SideBySide {
    private let system: any MemorySystem
    private let referee: any MemorySystem
    private var living: [ProcessID] = []
    private var step = 0
    /// Whether both tell what they keep of a frame.
    package let showsFrames: Bool

    /// How many operations lie between two looks at each page of each process; outcomes, areas and
    /// figures of the process that acted are compared after each.
    package var checkInterval = 1
    /// Whether outcomes alone are compared until everything is at last: much faster.
    package var comparesOutcomesOnly = false
    /// Whether pages hold data, which is compared now and then.
    package var comparesData = false
    /// How many operations lie between two looks at data at least: it takes long.
    private static let dataInterval = 16
    /// The mistake that the first system makes.
    var mistake = PlantedMistake(nil)
    /// Called after each look at every process.
    package var audit: (() throws -> Void)?
    /// How many operations have been compared.
    package private(set) var compared = 0
    /// How many operations the referee's host could not carry out, by the reason.
    package private(set) var skipped: [String: Int] = [:]
    /// What each living process shows, as far as it was looked at.
    package private(set) var states: [ProcessID: ProcessState] = [:]
    /// What became of the last operation that both carried out.
    package private(set) var lastOutcome: Outcome?

    package init(_ system: any MemorySystem, referee: any MemorySystem) throws {
        self.system = system
        self.referee = referee
        showsFrames = try system.frames([]) != nil && referee.frames([]) != nil
    }

    /// Carries out one operation on both; one of a process that does not live is passed over.
    ///
    /// - Returns: What they disagree about; `nil` if they agree.
    package mutating func perform(_ operation: Operation) throws -> Disagreement? {
        defer { step += 1 }
        lastOutcome = nil
        guard isPossible(operation) else { return nil }
        let truth: Outcome
        do {
            truth = try referee.perform(operation)
            if truth == .failed(.EAGAIN), [.spawn, .fork].contains(operation.call.kind) {
                throw HostRefusal("no more processes may be made there (ulimit -u).")
            }
        } catch let refusal as HostRefusal {
            skipped[refusal.reason, default: 0] += 1
            return nil
        } catch let failure as SystemFailure {
            skipped[failure.description, default: 0] += 1
            return nil
        }
        let outcome = try mistake.during { try system.perform(operation) }
        compared += 1
        guard outcome == truth else {
            return Disagreement(
                step: step, operation: operation, subject: "outcome",
                kind: "\(operation.call.kind)", values: [outcome, truth].map(Self.text),
                truth: truth)
        }
        lastOutcome = outcome
        follow(operation, outcome)
        if comparesOutcomesOnly { return nil }
        if step % checkInterval == checkInterval - 1 {
            return try compareAll(
                after: operation, withData: step % Self.dataInterval == Self.dataInterval - 1)
        }
        guard living.contains(operation.process) else { return nil }
        return try compare(operation.process, .areas, after: operation)
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
            for each in [system, referee] { each.kill(operation.process) }
            living.removeAll { $0 == operation.process }
            states[operation.process] = nil
        }
        guard case .value = outcome else { return }
        switch operation.call {
        case .spawn: living.append(operation.process)
        case .fork(let child, _):
            living.append(child)
            states[child] = states[operation.process]
        case .exit:
            living.removeAll { $0 == operation.process }
            states[operation.process] = nil
        default: break
        }
    }

    /// Compares all that every living process shows; what its pages hold unless told not to.
    package mutating func compareAll(
        after operation: Operation, withData: Bool = true
    ) throws -> Disagreement? {
        let depth: ProcessState.Depth = showsFrames ? .frames : .pages
        for process in living {
            if let found = try compare(process, depth, after: operation) { return found }
        }
        if comparesData, withData {
            for process in living {
                if let found = try compareData(of: process, after: operation) { return found }
            }
        }
        // ORDER: last. What a process shows says more of a mistake than a sum that is wrong, and is
        // of the same kind at whichever step it is looked for.
        do { try audit?() } catch {
            return Disagreement(
                step: step, operation: operation, subject: "audit", kind: "audit",
                values: ["\(error)"])
        }
        return nil
    }

    /// Compares what the pages that are present hold, as far as the process may read them.
    private func compareData(
        of process: ProcessID, after operation: Operation
    ) throws -> Disagreement? {
        for span in states[process]?.readablePages ?? [] {
            let look = Operation(process, .load(span))
            let truth = try referee.perform(look)
            let outcome = try system.perform(look)
            guard outcome != truth else { continue }
            return Disagreement(
                step: step, operation: operation,
                subject: "process \(process.rawValue), \(ScenarioPrinter().text(look))",
                kind: "data", values: [outcome, truth].map(Self.text), truth: truth, look: look)
        }
        return nil
    }

    private mutating func compare(
        _ process: ProcessID, _ depth: ProcessState.Depth, after operation: Operation
    ) throws -> Disagreement? {
        let state = try ProcessState(of: process, on: system, depth)
        let truth = try ProcessState(of: process, on: referee, depth)
        states[process] = state
        guard let mismatch = state.firstMismatch(with: truth, of: process) else { return nil }
        return Disagreement(
            step: step, operation: operation,
            subject: "process \(process.rawValue), \(mismatch.subject), \(mismatch.field)",
            kind: mismatch.field, values: mismatch.values, claim: mismatch.claim)
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
        return try compareAll(after: last)
    }
}
