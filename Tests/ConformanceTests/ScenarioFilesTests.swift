// SPDX-License-Identifier: Apache-2.0

import Foundation
import LinuxHost
import Mooring
import Testing
import Workloads

/// A lesson in Tests/Scenarios.
struct Lesson: CustomTestStringConvertible, Sendable {
    let file: URL
    var testDescription: String { file.deletingPathExtension().lastPathComponent }

    func scenario() throws -> Scenario {
        try Scenario(parsing: String(contentsOf: file, encoding: .utf8))
    }

    static let all: [Lesson] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Scenarios").standardized
        let files = try? FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: nil)
        return (files ?? []).filter { $0.pathExtension == "scenario" }
            .sorted { $0.path < $1.path }.map(Lesson.init)
    }()
}

@Suite(.serialized) struct `Every scenario` {
    @Test func `is found`() { #expect(Lesson.all.count >= 50) }

    @Test(arguments: Lesson.all)
    func `begins with what it teaches`(lesson: Lesson) throws {
        let lines = try String(contentsOf: lesson.file, encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first?.hasPrefix("# ") == true)
        #expect(lines.allSatisfy { $0.hasPrefix("file ") || $0.count <= 100 })
    }

    @Test(arguments: Lesson.all)
    func `holds on the engine, which audits itself after each operation`(lesson: Lesson) throws {
        let scenario = try lesson.scenario()
        let engine = try Host.engine(scenario.machine)
        var options = RunOptions()
        options.audit = { try engine.machine.audit() }
        // An address space of tens of thousands of areas is not looked through at every step.
        options.auditInterval = scenario.machine.maxMapCount == nil ? 1 : 20
        let summary = try Runner(system: engine, options: options).run(scenario)
        report(summary, of: lesson)
        #expect(summary.skipped == 0)
    }

    @Test(
        .enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"),
        arguments: Lesson.all)
    func `holds on the host's kernel`(lesson: Lesson) throws {
        let scenario = try lesson.scenario()
        try Self.cancelIfRefused(scenario, lesson)
        let summary = try Runner(system: KernelSystem()).run(scenario)
        report(summary, of: lesson)
        // Without an operation, what follows is excused: no lesson may pass in that way.
        for leftOut in summary.leftOut where leftOut.operations > 0 {
            print("\(lesson.testDescription) is not asked whole: \(leftOut.reason)")
        }
    }

    @Test(
        .enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"),
        arguments: Lesson.all)
    func `has the same outcomes on both`(lesson: Lesson) throws {
        let scenario = try lesson.scenario()
        try Self.cancelIfRefused(scenario, lesson)
        let systems: [any MemorySystem] = [try Host.engine(scenario.machine), try KernelSystem()]
        let comparison = try SystemComparison.run(.scenario(scenario), on: systems)
        for difference in comparison.differences {
            Issue.record("\(lesson.testDescription).scenario, engine / kernel: \(difference)")
        }
    }

    @Test(.enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"))
    func `of the guide holds on both, but for what this host forbids`() throws {
        let guide = try Scenario(parsing: Scenario.guide)
        let engine = try Host.engine(guide.machine)
        let comparison = try SystemComparison.run(
            .scenario(guide), on: [engine, KernelSystem()])
        for summary in comparison.summaries {
            for failure in summary.failures {
                Issue.record("the guide on \(summary.system): \(failure)")
            }
        }
        #expect(comparison.differences == [])
        #expect(comparison.summaries[0].leftOut == [])
        #expect(comparison.summaries[1].checked > 50)
    }

    /// Skips a lesson about a kernel that is set up otherwise than the host's.
    private static func cancelIfRefused(_ scenario: Scenario, _ lesson: Lesson) throws {
        guard let reason = KernelSystem.refusal(of: scenario.machine) else { return }
        print("\(lesson.testDescription) is not asked of the kernel: \(reason)")
        try Test.cancel("\(reason)")
    }

    private func report(_ summary: RunSummary, of lesson: Lesson) {
        for failure in summary.failures {
            Issue.record("\(lesson.testDescription).scenario on \(summary.system): \(failure)")
        }
    }
}
