// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Testing

@testable import MooringCLI

/// `mooring explore` with what it cannot use: one line, which `main` ends with exit code 1, or 2
/// where it is about the words of the command.
@Suite struct ExploreTests {
    @Test(arguments: [
        [], ["two-faults", "--all"], ["--pairs", "--mutate", "all"], ["two-faults", "--bound=-1"],
        ["two-faults", "--bound", "x"], ["two-faults", "--bound", "1001"],
        ["two-faults", "--schedules", "0"], ["two-faults", "--seconds", "nan"],
        ["two-faults", "--seconds", "1e300"], ["two-faults", "--method", "magic"],
        ["two-faults", "--seed=-1"], ["--all", "--mutate", "remapForgetsOnFault"],
    ])
    func `words that make no sense are wrong usage`(_ words: [String]) {
        let error = #expect(throws: (any Error).self) { try ExploreRun.parse(words) }
        #expect(error.map { ExploreRun.exitCode(for: $0) } == .validationFailure)
    }

    @Test(arguments: [
        (["no-such-race"], "there is no race 'no-such-race'"),
        (["two-faults", "--mutate", "nothing"], "there is no mistake 'nothing'"),
        (["two-faults", "--save", "/nowhere"], "there is no directory /nowhere"),
        (["two-faults", "--schedules", "3"], "not finished after 3 schedules"),
        (
            ["drain-filling", "--mutate", "marksLate"],
            "the mistake was not found; it belongs to mark-after-munlock"
        ),
    ])
    func `what cannot be explored is refused in a line`(_ words: [String], _ why: String) throws {
        let command = try ExploreRun.parse(words)
        let failure = #expect(throws: CommandFailure.self) { try command.run() }
        #expect(failure?.description.contains(why) == true)
        #expect(failure?.description.contains("\n") == false)
    }

    /// The text of a saved failure with some of it replaced.
    private static func saved(_ old: String = "", _ new: String = "") -> String {
        let text = """
            {"version":1,"subject":"two-faults","build":"instrumented","schedule":"0x1","digest":"1",
            "finding":{"kind":"trap","message":"it stopped"}}
            """
        return old.isEmpty ? text : text.replacingOccurrences(of: old, with: new)
    }

    @Test(arguments: [
        ("", "no saved failure"), ("\u{0}\u{1}", "no saved failure"), ("[]", "no saved failure"),
        (saved("\"version\":1,", ""), "no 'version'"), (saved("\"0x1\"", "7"), "'schedule'"),
        (saved("0x1", "0x99999999999"), "is no schedule"), (saved("0x1", "99x1"), "is no schedule"),
        (saved(":1,", ":2,"), "version 2"), (saved("two-faults", "none"), "no race 'none'"),
        (saved("instrumented", "plain"), "of another kind"), (saved(), "does not repeat"),
    ])
    func `a file that is no failure, or none of this engine, is refused in a line`(
        _ text: String, _ why: String
    ) throws {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("explore-\(UUID().uuidString).json")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let command = try ExploreReplay.parse([file.path])
        let failure = #expect(throws: CommandFailure.self) { try command.run() }
        #expect(failure?.description.contains(why) == true, "\(failure?.description ?? "")")
        #expect(failure?.description.contains("\n") == false)
    }

    @Test func `a failure that was saved is replayed`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("explore-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try ExploreRun.parse([
            "drain-filling", "--mutate", "drainsWithoutEntering", "--save", folder.path,
        ])
        .run()
        let name = "drain-filling-drainsWithoutEntering.schedule.json"
        try ExploreReplay.parse([folder.appendingPathComponent(name).path]).run()
    }
}
