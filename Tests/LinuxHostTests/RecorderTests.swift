// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import Workloads

@testable import LinuxHost

/// Whether this host lets a test record.
private let canRecord = (try? Recorder.shortcomings()) != nil

@Suite(.serialized) struct RecorderTests {
    /// Where a test's trace goes; nothing is left of it.
    private func withPath(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "/mooring-test-\(UUID().uuidString).mooring"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test(.enabled(if: canRecord, "recording needs perf and root"), .timeLimit(.minutes(2)))
    func `a program is recorded with its child and its exit status`() throws {
        try withPath { path in
            var seen: [Recorder.Progress] = []
            let result = try Recorder.record(
                command: ["/bin/sh", "-c", "/bin/true; exit 3"], to: path
            ) { seen.append($0) }
            #expect(seen == [.recording, .reading, .importing, .writing])
            #expect(result.exitStatus == 3)
            #expect(!result.reachedTimeLimit)
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(bytes.count == result.lengthInBytes)
            #expect(try Recording(traceBytes: bytes) == result.recording)
            let names = result.recording.processes.map(\.name)
            #expect(names.contains("sh") && names.contains("true"))
            #expect(result.recording.command == "/bin/sh -c /bin/true; exit 3")
            if result.shortcomings.isEmpty {
                #expect(result.recording.processes.allSatisfy { $0.peakResident ?? 0 > 100_000 })
            }
        }
    }

    @Test(.enabled(if: canRecord, "recording needs perf and root"), .timeLimit(.minutes(2)))
    func `a program that does not end is ended at the time limit`() throws {
        try withPath { path in
            var options = Recorder.Options()
            // Opening the events alone takes seconds on a busy host.
            options.timeLimit = .seconds(12)
            let note = path + ".pid"
            defer { unlink(note) }
            let program = ["sh", "-c", "sleep 100 & echo $! > '\(note)'; wait"]
            let result = try Recorder.record(command: program, to: path, options: options)
            #expect(result.reachedTimeLimit)
            #expect(result.recording.processes.map(\.name).contains("sleep"))
            let text = try String(contentsOfFile: note, encoding: .utf8)
            let child = try #require(pid_t(text.filter(\.isNumber)))
            // Reaped by the init of this host, or about to be.
            let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
            #expect(state == nil || state?.contains(") Z") == true, "\(state ?? "")")
        }
    }

    @Test(.enabled(if: canRecord, "recording needs perf and root"))
    func `a program that does not exist is named`() throws {
        try withPath { path in
            let error = #expect(throws: RecorderError.self) {
                try Recorder.record(command: ["/nonexistent/program"], to: path)
            }
            #expect(error?.problem.contains("/nonexistent/program") == true)
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test(.enabled(if: canRecord, "recording needs perf and root"))
    func `a trace that could not be written is refused before the program runs`() {
        let error = #expect(throws: FileFailure.self) {
            try Recorder.record(command: ["/bin/true"], to: "/nonexistent/trace.mooring")
        }
        #expect(error?.description.contains("/nonexistent/trace.mooring") == true)
    }
}
