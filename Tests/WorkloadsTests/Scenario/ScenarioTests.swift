// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct ScenarioTests {
    private func operations(_ text: String) throws -> [Operation] {
        try Scenario(parsing: text).operations
    }

    @Test func `the guide is a scenario and prints as one`() throws {
        let scenario = try Scenario(parsing: Scenario.guide)
        let again = try Scenario(parsing: scenario.text)
        #expect(again.items.map(\.action) == scenario.items.map(\.action))
        #expect(again.machine == scenario.machine)
        #expect(again.names == scenario.names)
        #expect(again.text == scenario.text)
    }

    @Test(arguments: [
        ("p: x = mmap 4K rw private anonymous\np: store x seed 1", MachineSettings.Contents.bytes),
        ("p: x = mmap 4K rw private anonymous\np: touch x write", .none),
        ("machine contents none\np: x = mmap 4K rw private anonymous\np: load x => seed 1", .none),
    ]) func `frames hold data where any is stored or loaded, unless it is said otherwise`(
        text: String, contents: MachineSettings.Contents
    ) throws {
        let scenario = try Scenario(
            parsing: text.hasPrefix("machine")
                ? text.replacing("\np: x", with: "\nprocess p\np: x") : "process p\n" + text)
        #expect(scenario.contents == contents)
    }

    @Test func `the guide uses every call`() throws {
        let guide = try Scenario(parsing: Scenario.guide).operations.map(\.call.name)
        let missing = ScenarioParser.calls.filter { !guide.contains($0) }
        #expect(missing.isEmpty)
    }

    @Test func `the lines of the first example mean what they say`() throws {
        let scenario = try Scenario(
            parsing: """
                machine memory 4G
                process db
                db: heap = mmap 64M rw private anonymous
                db: mlock2 heap onfault
                db: touch heap[0..<10] write
                db: heap = mremap heap 128M maymove
                expect db VmLck == 128M
                child = db: fork
                child: munlock heap[0..<4] => ok
                db: mlock 0x1000 4K => ENOMEM
                """)
        let (db, child) = (ProcessID(rawValue: 1), ProcessID(rawValue: 2))
        let heap = RegionID(rawValue: 1)
        #expect(scenario.machine.memory == 4 << 30)
        #expect(
            scenario.operations == [
                Operation(db, .spawn),
                Operation(
                    db,
                    .mmap(
                        address: .absolute(0), length: 64 << 20, protection: [.read, .write],
                        flags: [.private, .anonymous], file: nil, offset: 0), binds: heap),
                Operation(db, .mlock2(.region(heap), .onFault)),
                Operation(db, .access(.part(heap, offset: 0, length: 40960), .write)),
                Operation(
                    db,
                    .mremap(
                        .region(heap), newLength: 128 << 20, flags: .mayMove,
                        newAddress: .absolute(0)), binds: heap),
                Operation(db, .fork(child: child, sharesMemory: false)),
                Operation(child, .munlock(.part(heap, offset: 0, length: 16384))),
                Operation(db, .mlock(.absolute(address: 0x1000, length: 4096))),
            ])
        #expect(
            scenario.items[5]
                == .init(
                    line: 7,
                    .expect(
                        Expectation(
                            .status(db, field: "VmLck"), .equal, .number(128 << 20)))))
    }

    @Test(arguments: [
        ("heap", Span.region(RegionID(rawValue: 1))),
        ("heap[3]", .part(RegionID(rawValue: 1), offset: 12288, length: 4096)),
        ("heap[2..<2]", .part(RegionID(rawValue: 1), offset: 8192, length: 0)),
        ("heap[-1...1]", .part(RegionID(rawValue: 1), offset: -4096, length: 12288)),
        ("heap+1 4K", .part(RegionID(rawValue: 1), offset: 1, length: 4096)),
        ("heap-8K 1", .part(RegionID(rawValue: 1), offset: -8192, length: 1)),
        (
            "0xffff_ffff_ffff_f000 0xffffffffffffffff",
            .absolute(address: 0xFFFF_FFFF_FFFF_F000, length: .max)
        ),
    ]) func `a span is read as written`(text: String, span: Span) throws {
        let scenario = "process p\np: heap = mmap 64K rw private anonymous\np: munlock \(text)\n"
        let parsed = try operations(scenario)
        #expect(parsed.last?.call == .munlock(span))
        let printed = try Scenario(parsing: Scenario(parsing: scenario).text).operations
        #expect(printed == parsed)
    }

    @Test(arguments: [
        (" => ok", ExpectedOutcome.success), ("", .success), (" => any", .anything),
        (" => fails", .failure), (" => EFAULT", .failed(.EFAULT)),
        (" => errno 99", .failed(Errno(rawValue: 99))), (" => 0x10", .value(16)),
        (" => SEGV_ACCERR", .signal([.segmentationProtected], at: nil)),
        (
            " => SIGBUS at heap[2]",
            .signal(
                [.busPastEnd, .busNoMemory], at: .region(RegionID(rawValue: 1), offset: 8192))
        ),
        (" => heap+4K", .address(.region(RegionID(rawValue: 1), offset: 4096))),
        (" => seed 4", .pattern(seed: 4)),
    ]) func `an outcome is read as written`(text: String, expected: ExpectedOutcome) throws {
        let scenario = try Scenario(
            parsing: "process p\np: heap = mmap 64K rw private anonymous\np: load heap\(text)")
        guard case .operation(_, let outcome) = try #require(scenario.items.last).action else {
            Issue.record("no operation")
            return
        }
        #expect(outcome == expected)
        #expect(
            try Scenario(parsing: scenario.text).items.last?.action == scenario.items.last?.action)
    }

    @Test func `a line may say which CPU it is carried out on`() throws {
        let text = """
            process db on cpu 2
            db: heap = mmap 64K rw private anonymous on cpu 0
            db: touch heap write on cpu 1
            db: privilege on on cpu 3 => ok
            child = db: fork on cpu 1023
            db: munlock heap
            """
        let scenario = try Scenario(parsing: text)
        #expect(scenario.operations.map(\.cpu) == [2, 0, 1, 3, 1023, nil])
        let again = try Scenario(parsing: scenario.text)
        #expect(again.items.map(\.action) == scenario.items.map(\.action))
    }

    @Test(arguments: [
        (PageSizes.four, "4K"), (0, "0"), (1, "1"), (1 << 40, "1T"), (3 << 30, "3G"),
        (4097, "4097"), (.max, "18446744073709551615"),
    ]) func `a quantity is written in the largest unit that is exact`(
        bytes: UInt64, text: String
    ) {
        #expect(Quantity.text(bytes) == text)
        #expect(Quantity.parse(text) == bytes)
    }

    @Test(arguments: ["", "K", "4k", "0x", "0x-1", "-1", "+1", "16777216T", "1.5G", "4KiB"])
    func `a word that is no quantity is refused`(text: String) {
        #expect(Quantity.parse(text) == nil)
    }

    private enum PageSizes { static let four: UInt64 = 4096 }
}
