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
    @Test func `is found`() { #expect(Lesson.all.count >= 20) }

    @Test(arguments: Lesson.all)
    func `holds on the engine, which audits itself after each operation`(lesson: Lesson) throws {
        let scenario = try lesson.scenario()
        let engine = try Host.engine(scenario.machine)
        var options = RunOptions()
        options.audit = { try engine.machine.audit() }
        let summary = try Runner(system: engine, options: options).run(scenario)
        report(summary, of: lesson)
        #expect(summary.skipped == 0)
    }

    @Test(
        .enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"),
        arguments: Lesson.all)
    func `holds on the host's kernel`(lesson: Lesson) throws {
        let summary = try Runner(system: KernelSystem()).run(lesson.scenario())
        report(summary, of: lesson)
    }

    @Test(
        .enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"),
        arguments: Lesson.all)
    func `has the same outcomes on both`(lesson: Lesson) throws {
        let scenario = try lesson.scenario()
        let systems: [any MemorySystem] = [try Host.engine(scenario.machine), try KernelSystem()]
        let comparison = try SystemComparison.run(.scenario(scenario), on: systems)
        for difference in comparison.differences {
            Issue.record("\(lesson.testDescription).scenario, engine / kernel: \(difference)")
        }
    }

    private func report(_ summary: RunSummary, of lesson: Lesson) {
        for failure in summary.failures {
            Issue.record("\(lesson.testDescription).scenario on \(summary.system): \(failure)")
        }
    }
}
