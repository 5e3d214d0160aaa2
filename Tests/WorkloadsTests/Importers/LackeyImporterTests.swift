// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct LackeyImporterTests {
    @Test func `real output becomes mappings and folded accesses`() throws {
        let path = Fixture.path("lackey-tiny.txt")
        guard case .text(.lackey) = try WorkFile.kind(of: path) else {
            Issue.record("not recognised")
            return
        }
        let imported = try WorkFile.importText(path, as: .lackey)
        #expect(imported.notes == [])
        #expect(imported.recording.command == "./tiny")
        // Each page is written once and read from its predecessor's last bytes, and the code lies
        // in one page.
        #expect(
            imported.lines == [
                "process p1", "p1: mmap 24K rwx private fixed anonymous at 0x401000",
                "p1: mmap 4K rw private fixed anonymous at 0x1fff000000",
                "p1: touch 0x401000 1 execute",
                "p1: touch 0x402000 1 write", "p1: touch 0x402000 1 read",
                "p1: touch 0x403000 1 read",
                "p1: touch 0x403000 1 write", "p1: touch 0x404000 1 read",
                "p1: touch 0x404000 1 write", "p1: touch 0x405000 1 read",
                "p1: touch 0x405000 1 write", "p1: touch 0x406000 1 read",
                "p1: touch 0x1fff000000 1 write",
                "p1: exit",
            ])
        let summary = try Runner(system: FakeSystem()).run(imported.recording)
        #expect(summary.isClean)
        #expect(summary.accesses.allSatisfy { $0.signals.isEmpty })
    }

    @Test func `kinds are folded each for itself`() throws {
        let imported = try Imported(
            """
            I  00001000,3
             L 00005000,8
            I  00001003,3
             L 00005008,8
             S 00005010,8
             L 00005018,8
             M 00006ffc,8
            """, as: .lackey)
        #expect(
            imported.lines.dropFirst(3) == [
                "p1: touch 0x1000 1 execute", "p1: touch 0x5000 1 read",
                "p1: touch 0x5000 1 write", "p1: touch 0x6000 1 write",
                "p1: touch 0x7000 1 write", "p1: exit",
            ])
    }

    @Test func `the program's own lines are counted, and addresses no program has left out`() throws
    {
        let imported = try Imported(
            "hello\n L 00005000,8\n L ffffffffff600000,8\n L fffffffffffffffc,8\n", as: .lackey)
        #expect(
            imported.notes.map(\.description) == [
                "lines that lackey did not write: 1, the first in line 1",
                "accesses outside of what a program can map, left out: 2, the first in line 3",
            ])
        #expect(imported.recording.steps.count == 4)
    }

    @Test(arguments: [" L 00005000", " L ,8", " S 5000,x", "I  500g,1", " M 5000,"])
    func `an access that cannot be read is an error with its line`(line: String) throws {
        let error = #expect(throws: ImportError.self) {
            try Imported(" L 00005000,8\n\(line)\n", as: .lackey)
        }
        #expect(try #require(error).line == 2)
        #expect(try #require(error).text == line)
    }

    @Test func `a text without an access is refused`() {
        #expect(throws: ImportError.self) { try Imported("==1== Lackey\n", as: .lackey) }
        #expect(throws: ImportError.self) { try Imported("", as: .lackey) }
    }

    @Test func `lines may be cut anywhere between chunks`() throws {
        let bytes = try Fixture.bytes("lackey-tiny.txt")
        var whole = ImportStream(ImportFormat.lackey.makeImporter())
        try whole.feed(bytes)
        let expected = try whole.finish().recording
        for length in [1, 7, 64] {
            var pieces = ImportStream(ImportFormat.lackey.makeImporter())
            for start in stride(from: 0, to: bytes.count, by: length) {
                try pieces.feed(Array(bytes[start..<min(bytes.count, start + length)]))
            }
            #expect(try pieces.finish().recording == expected)
        }
    }
}
