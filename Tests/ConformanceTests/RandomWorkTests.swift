// SPDX-License-Identifier: Apache-2.0

import class Foundation.ProcessInfo
import LinuxHost
import Mooring
import TestSupport
import Testing
import Workloads

@testable import Conformance

@Suite(.serialized, .enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"))
struct `Random work` {
    /// How many operations are done in all, and on one pair of systems.
    private static let total =
        ProcessInfo.processInfo.environment["MOORING_STRESS"].flatMap(Int.init) ?? 4000
    private static let length = 500
    private static let findingLimit = 3

    @Test func `ends the same on the engine and on the host's kernel`() throws {
        // A fixed seed by default: a new disagreement with some kernel is a finding to look into,
        // not a reason for an unrelated change to fail.
        var random = SeededRandom.fromEnvironment(otherwise: 1)
        print("Random work: MOORING_SEED=\(random.seed), \(Self.total) operations")
        var compared = 0
        var kinds: Set<String> = []
        while compared < Self.total {
            var work = RandomWork()
            work.locks = !random.next().isMultiple(of: 3)
            var sides = try Self.sides()
            sides.checkInterval = 20
            var operations: [Operation] = []
            var found: Disagreement?
            while operations.count < Self.length, found == nil {
                for operation in work.next(using: &random) {
                    operations.append(operation)
                    found = try sides.perform(operation)
                }
            }
            compared += sides.compared
            // One example of each kind of disagreement, and not too many.
            guard let found, kinds.insert(found.kind).inserted else { continue }
            let reduction = try Reduction(operations, found) { try Self.disagreement($0) }
            Issue.record(
                """
                \(found)
                after \(compared) operations, seed \(random.seed); the engine's first. Shortest:
                \(reduction.scenario)
                """)
            if kinds.count == Self.findingLimit { return }
        }
        print("Random work: \(compared) operations compared, \(kinds.count) kinds of difference")
    }

    private static func sides() throws -> SideBySide {
        let engine = try Host.engine()
        var sides = SideBySide(engine, try KernelSystem())
        sides.audit = { try engine.machine.audit() }
        return sides
    }

    private static func disagreement(_ operations: [Operation]) throws -> Disagreement? {
        var sides = try sides()
        do {
            return try sides.run(operations)
        } catch {
            // A part of the list may be work that a system cannot do at all.
            return nil
        }
    }
}
