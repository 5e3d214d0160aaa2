// SPDX-License-Identifier: Apache-2.0

import Foundation
import Mooring
import Testing

@testable import Workloads

/// The recordings in Traces/, which `mooring record` made by way of the importer.
@Suite struct PerfScriptBundledTests {
    private static let names = ["gcc", "redis", "memcached", "python"]

    private static func recording(_ name: String) throws -> Recording {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        let path = folder.appendingPathComponent("Traces/\(name).mooring")
        let bytes = Array(try Data(contentsOf: path))
        #expect(bytes.count < 2 << 20)
        return try Recording(traceBytes: bytes)
    }

    @Test(arguments: names)
    func `a bundled trace is whole`(_ name: String) throws {
        let recording = try Self.recording(name)
        #expect(recording.source.hasPrefix("Linux "))
        #expect(recording.command.contains(name))
        #expect(recording.processes.allSatisfy { $0.peakResident ?? 0 > 1 << 20 })
        let exits = recording.steps.filter { $0.operation.call == .exit }
        let living = Set(recording.processes.map(\.process))
        #expect(Set(exits.map(\.operation.process)) == living)
        #expect(RecordedLayout(recording).atExit.count == living.count)
    }

    @Test(arguments: names)
    func `a bundled trace names files by ordinary paths`(_ name: String) throws {
        for step in try Self.recording(name).steps {
            guard case .createFile(_, let file) = step.operation.call else { continue }
            #expect(file.name.hasPrefix("/usr/") || file.name.hasPrefix("/etc/"))
            #expect(file.length > 0)
        }
    }

    @Test func `each has what it was chosen for`() throws {
        func calls(_ name: String) throws -> [Call] {
            try Self.recording(name).steps.map(\.operation.call)
        }
        let shares = try calls("gcc").filter {
            if case .fork(_, sharesMemory: true) = $0 { true } else { false }
        }
        #expect(shares.count >= 4)
        let copies = try calls("redis").filter {
            if case .fork(_, sharesMemory: false) = $0 { true } else { false }
        }
        #expect(copies.count == 1)
        #expect(try calls("memcached").contains(.mlockall([.current, .future])))
        let files = try calls("python").filter {
            if case .createFile = $0 { true } else { false }
        }
        #expect(files.count > 20)
    }
}
