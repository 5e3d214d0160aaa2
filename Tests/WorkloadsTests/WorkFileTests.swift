// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import Workloads

@Suite struct WorkFileTests {
    @Test func `work is read from a file by what the file is`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("mooring-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let trace = folder.appendingPathComponent("a").path
        let recording = Recording(command: "x", source: "y")
        try WorkFile.write(recording.traceBytes(), to: trace)
        guard case .recording(let loaded) = try WorkFile.load(trace).work else {
            Issue.record("not a recording")
            return
        }
        #expect(loaded == recording)

        let scenario = folder.appendingPathComponent("b").path
        try WorkFile.write(Array(Scenario.guide.utf8), to: scenario)
        guard case .scenario(let read) = try WorkFile.load(scenario).work else {
            Issue.record("not a scenario")
            return
        }
        #expect(read == (try Scenario(parsing: Scenario.guide)))
    }

    @Test func `a scenario is text, with or without a mark of byte order`() throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("mooring-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try WorkFile.write(Array("\u{FEFF}process a\n".utf8), to: path)
        #expect(try WorkFile.load(path).work.count == 1)
        for bytes: [UInt8] in [[0x7F, 0x45, 0x4C, 0x46, 0, 1], [0x70, 0xFF, 0xFE]] {
            try WorkFile.write(bytes, to: path)
            let failure = #expect(throws: FileFailure.self) { try WorkFile.load(path) }
            #expect(failure?.description.contains("neither a trace nor text") == true)
        }
    }

    @Test(arguments: [
        ("/", "/ is a directory. Name a file in it"), ("/nowhere/a", "no directory /nowhere"),
        ("", "without a name"),
    ]) func `a path that cannot be written is refused with a remedy`(path: String, says: String) {
        let refusal = #expect(throws: FileFailure.self) { try WorkFile.requireWritable(path) }
        let failure = #expect(throws: FileFailure.self) { try WorkFile.write([1], to: path) }
        #expect(refusal?.description.contains(says) == true)
        #expect(failure == refusal)
    }

    @Test func `a file that is not there is told by its name`() {
        let error = #expect(throws: FileFailure.self) { try WorkFile.kind(of: "/nowhere/at/all") }
        #expect(error?.description.contains("/nowhere/at/all cannot be opened") == true)
    }
}
