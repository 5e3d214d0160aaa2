// SPDX-License-Identifier: Apache-2.0

import class Foundation.ProcessInfo
import LinuxHost
import Mooring
import Synchronization
import TestSupport
import Testing
import Workloads

@testable import Conformance

@Suite(.serialized) struct `Verifying` {
    private static func engine() throws -> EngineSystem {
        var configuration = MachineConfiguration(memory: .mebibytes(256))
        configuration.contents = .bytes
        return try EngineSystem(configuration)
    }

    /// A fixed seed by default: a new disagreement with some kernel is a finding to look into, not
    /// a reason for an unrelated change to fail.
    private static func options(operations: Int) -> VerificationOptions {
        var options = VerificationOptions()
        options.operations =
            ProcessInfo.processInfo.environment["MOORING_STRESS"].flatMap(Int.init) ?? operations
        options.seed = SeededRandom.fromEnvironment(otherwise: 1).seed
        return options
    }

    @Test(.enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"))
    func `finds the engine and the host's kernel in agreement`() throws {
        var options = Self.options(operations: 4000)
        options.continues = true
        options.permissions = try KernelSystem().permissions()
        print("Random work: MOORING_SEED=\(options.seed), \(options.operations) operations")
        let systems = VerificationSystems(
            engine: { try Self.engine() }, referee: { try KernelSystem() })
        let result = try Verification(options, on: systems).run()
        #expect(result.compared >= options.operations)
        for finding in result.findings {
            Issue.record("\(finding.text(referee: "the host's kernel"))")
        }
    }

    @Test func `finds nothing between two engines, and what both jobs did`() throws {
        var options = Self.options(operations: 2000)
        options.jobs = 2
        let systems = VerificationSystems(
            engine: { try Self.engine() }, referee: { try Self.engine() })
        let result = try Verification(options, on: systems).run()
        #expect(result.disagreements == 0)
        #expect(result.compared >= 2000)
        #expect(result.coverage.combinationCount > 800)
    }

    @Test func `reduces a wrong answer to the operations that show it, as a scenario`() throws {
        let options = Self.options(operations: 4000)
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(try Self.engine()) { operation, engine in
                    let outcome = try engine.perform(operation)
                    return outcome == .failed(.EEXIST) ? .value(0) : outcome
                }
            })
        let result = try Verification(options, on: systems).run()
        let finding = try #require(result.findings.first)
        // A process, what leads to the mapping in the way, and what may not replace it.
        #expect(finding.operations.count <= 8, "\(finding.text(referee: ""))")
        #expect(finding.disagreement.truth == .value(0))
        let scenario = try Scenario(parsing: finding.text(referee: "a wrong system"))
        let summary = try Runner(system: Self.engine()).run(scenario)
        #expect(summary.failureCount == 1)
    }

    @Test func `shows a state that is wrong by a claim that fails`() throws {
        let options = Self.options(operations: 4000)
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(
                    try Self.engine(),
                    text: { $0.replacing("VmLck:\t       8 kB", with: "VmLck:\t      12 kB") })
            })
        let result = try Verification(options, on: systems).run()
        let finding = try #require(result.findings.first)
        #expect(finding.disagreement.kind == "VmLck")
        #expect(finding.operations.count <= 8)
        let text = finding.text(referee: "a wrong system")
        #expect(text.contains("VmLck == 12K"))
        let summary = try Runner(system: Self.engine()).run(Scenario(parsing: text))
        #expect(summary.failureCount == 1)
    }

    /// What comes of it that a figure of status is wrong once in a while.
    private static func result(withWrong figure: String) throws -> VerificationResult {
        let texts = Atomic<Int>(0)
        let systems = VerificationSystems(
            engine: { try engine() },
            referee: {
                WrongSystem(
                    try engine(),
                    text: {
                        // Few enough that the work is done anew without one.
                        texts.add(1, ordering: .relaxed).newValue % 2500 == 0
                            ? $0.replacing("\(figure):\t  ", with: "\(figure):\t 1") : $0
                    })
            })
        return try Verification(options(operations: 4000), on: systems).run()
    }

    @Test func `passes over pages that the same work does not show again, and counts it`() throws {
        let result = try Self.result(withWrong: "VmRSS")
        #expect(result.disagreements == 0, "\(result.findings.map(\.disagreement))")
        let row = try #require(KnownDifferences.chance(for: "VmRSS"))
        #expect(result.excused[row] > 0)
    }

    @Test func `finds what is no page's state even if it does not show again`() throws {
        let result = try Self.result(withWrong: "VmLck")
        #expect(result.disagreements == 1)
        #expect(result.findings.first?.disagreement.kind == "VmLck")
    }

    @Test func `waits while the host writes every dirty page back`() throws {
        // Once when it is found, and twice when it is looked for anew.
        let times = Atomic<Int>(0)
        let dirty = "Pss_Dirty:             4 kB"
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(
                    try Self.engine(),
                    text: { text in
                        guard text.contains(dirty), times.add(1, ordering: .relaxed).newValue <= 3
                        else { return text }
                        return text.replacing(dirty, with: "Pss_Dirty:             0 kB")
                    })
            })
        let result = try Verification(Self.options(operations: 1500), on: systems).run()
        #expect(result.disagreements == 0, "\(result.findings.map(\.disagreement))")
        let row = try #require(KnownDifferences.chance(for: "Pss_Dirty"))
        #expect(result.excused[row] > 0)
    }

    @Test func `finds a page that holds other data`() throws {
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(try Self.engine()) { operation, engine in
                    // Loses every byte of what is stored.
                    if case .store(let span, _) = operation.call {
                        return try engine.perform(
                            Operation(operation.process, .access(span, .write)))
                    }
                    return try engine.perform(operation)
                }
            })
        let result = try Verification(Self.options(operations: 4000), on: systems).run()
        let finding = try #require(result.findings.first)
        #expect(finding.disagreement.kind == "data")
        #expect(finding.operations.count <= 6)
        let scenario = try Scenario(parsing: finding.text(referee: "a wrong system"))
        let summary = try Runner(system: Self.engine()).run(scenario)
        #expect(summary.failureCount == 1)
    }

    @Test(
        .enabled(if: MistakeHunt.isPossible, "a build for explorations makes mistakes"),
        arguments: Mutation.ofCalls)
    func `finds a mistake in the engine within a minute`(_ mistake: Mutation) throws {
        let systems = VerificationSystems(
            engine: { try Self.engine() }, referee: { try Self.engine() })
        let hunt = try MistakeHunt(
            mistake, Self.options(operations: 30_000), on: systems)
        #expect(hunt.isFound)
        #expect(hunt.seconds < 60)
        #expect(hunt.operations <= 12, "\(hunt.line)")
    }

    @Test func `raises no privileges where the host gives none`() throws {
        var options = Self.options(operations: 2000)
        options.permissions.lockPrivilege = false
        options.permissions.administrator = false
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(try Self.engine()) { operation, engine in
                    switch operation.call {
                    case .setLockPrivilege(true), .setAdministrator(true):
                        throw HostRefusal("privileges are not given here")
                    default: try engine.perform(operation)
                    }
                }
            })
        let result = try Verification(options, on: systems).run()
        #expect(result.disagreements == 0)
        #expect(result.skipped == [:])
    }

    @Test func `begins processes with the limits of the host`() throws {
        var options = Self.options(operations: 3000)
        options.permissions.lockPrivilege = false
        options.permissions.administrator = false
        options.permissions.higherLimits = false
        options.permissions.hardLimits = [
            .memlock: 64 << 10, .addressSpace: 1 << 30, .data: 1 << 28, .stack: 512 << 10,
        ]
        let limits = options.permissions.hardLimits
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(try Self.engine()) { operation, engine in
                    let outcome = try engine.perform(operation)
                    guard case .spawn = operation.call else { return outcome }
                    let task = try engine.task(of: operation.process)
                    for (resource, limit) in limits {
                        try task.setLimit(resource, soft: limit, hard: limit)
                    }
                    task.setLockPrivilege(false)
                    task.setAdministrator(false)
                    return outcome
                }
            })
        let result = try Verification(options, on: systems).run()
        #expect(result.disagreements == 0, "\(result.findings.map(\.disagreement))")
        #expect(result.skipped == [:])
    }

    @Test func `counts processes that a host does not make`() throws {
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(try Self.engine()) { operation, engine in
                    operation.call.kind == .fork
                        ? .failed(.EAGAIN) : try engine.perform(operation)
                }
            })
        let result = try Verification(Self.options(operations: 1000), on: systems).run()
        #expect(result.disagreements == 0)
        #expect(result.skipped.values.reduce(0, +) > 0)
    }

    @Test func `compares no more than it is asked to`() throws {
        let systems = VerificationSystems(
            engine: { try Self.engine() }, referee: { try Self.engine() })
        for count in [1, 7, 501] {
            let result = try Verification(Self.options(operations: count), on: systems).run()
            #expect(result.compared == count)
        }
    }

    @Test func `counts what a host cannot do, and goes on`() throws {
        let options = Self.options(operations: 1000)
        let systems = VerificationSystems(
            engine: { try Self.engine() },
            referee: {
                WrongSystem(try Self.engine()) { operation, engine in
                    guard operation.call.kind != .mlockall else {
                        throw HostRefusal("mlockall is forbidden here")
                    }
                    return try engine.perform(operation)
                }
            })
        let result = try Verification(options, on: systems).run()
        #expect(result.disagreements == 0)
        #expect(result.skipped["mlockall is forbidden here", default: 0] > 0)
    }
}
