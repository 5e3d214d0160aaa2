// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct RunnerTests {
    private func run(
        _ text: String, on system: FakeSystem = FakeSystem(), options: RunOptions = .init()
    ) throws -> RunSummary {
        try Runner(system: system, options: options).run(Scenario(parsing: text))
    }

    private static let heap = """
        process db
        db: heap = mmap 64K rw private anonymous

        """

    // MARK: Regions

    @Test func `regions reach the system as addresses`() throws {
        let system = FakeSystem()
        _ = try run(Self.heap + "db: munlock heap[1..<3]\ndb: touch heap+5 1 read", on: system)
        let start: UInt64 = 0x7FFF_0000_0000 - 65536
        #expect(
            system.log[2].call == .munlock(.absolute(address: start + 4096, length: 8192)))
        #expect(
            system.log[3].call == .access(.absolute(address: start + 5, length: 1), .read))
    }

    @Test func `a child knows its parent's regions and moves its own`() throws {
        let summary = try run(
            Self.heap + """
                db: store heap[0] seed 3
                child = db: fork
                child: heap = mremap heap 128K maymove
                child: load heap[0] => seed 3
                child: mincore heap[0..<2] => 10
                db: load heap[0] => seed 3
                db: munmap heap
                db: touch heap[0] read => SEGV_MAPERR at heap[0]
                child: touch heap[0] read
                """)
        #expect(summary.failures.isEmpty)
        #expect(summary.checked == 11)
    }

    @Test func `mremap without a name moves the region it names`() throws {
        let summary = try run(
            Self.heap + "db: mremap heap 128K maymove\ndb: touch heap[31] write")
        #expect(summary.isClean)
    }

    @Test func `a region that was never made stops the run with its name`() throws {
        let system = FakeSystem()
        system.answers[1] = .failed(.ENOMEM)
        let failure = #expect(throws: RunFailure.self) {
            try run(Self.heap + "db: mlock heap", on: system)
        }
        let found = try #require(failure)
        #expect(found.line == 3)
        #expect(found.reason.contains("\"heap\""))
        #expect(found.summary.failureCount == 1)
    }

    // MARK: Claims

    @Test func `claims that hold leave nothing to say`() throws {
        let summary = try run(
            Self.heap + """
                db: touch heap[0..<3] write
                db: mlock heap
                db: mlock 0x1000 4K => ENOMEM
                expect db VmLck == 64K
                expect db Name == fake
                expect db maps == 1
                expect db maps heap >= 1
                expect db smaps heap Rss == 12K
                expect db flags heap has lo
                expect db perms heap == rw-p
                expect db present heap == 3
                expect db swapped heap < 1
                expect machine MemTotal == 1M
                expect vmstat pgfault == 3
                expect vmstat nr_free_pages == 100
                """)
        #expect(summary.failures == [])
        #expect(summary.checked == 17)
    }

    @Test(arguments: [
        ("db: mlock 0x1000 4K", "ENOMEM"), ("db: mlock heap => ENOMEM", "ok"),
        ("db: touch heap[99] read => SIGBUS", "SEGV_MAPERR at heap[99]"),
        ("db: touch heap[14..<20] read => SIGSEGV at heap[15]", "SEGV_MAPERR at heap[16]"),
        ("db: mincore heap[0..<3] => 010", "000"),
        ("db: load heap[0] => seed 3", "0x"),
        ("expect db VmLck == 64K", "0"),
        ("expect db maps > 1", "1"), ("expect db flags heap has lo rd", "rd wr"),
        ("expect db perms heap == r--p", "rw-p"), ("expect db present heap > 0", "0"),
        ("expect db smaps 0x1000 4K Rss == 0", "nothing is mapped there"),
    ]) func `a claim that does not hold is reported with its line and what is`(
        line: String, got: String
    ) throws {
        let summary = try run(Self.heap + line)
        #expect(summary.failureCount == 1)
        let failure = try #require(summary.failures.first)
        #expect(failure.line == 3)
        #expect(failure.text == line)
        #expect(failure.got.contains(got), "\(failure)")
    }

    @Test func `claims about a machine that the system shares are passed over`() throws {
        let system = FakeSystem()
        system.ownsMachine = false
        let summary = try run("expect machine MemTotal == 7", on: system)
        #expect(summary.skipped == 1)
        #expect(summary.isClean)
    }

    // MARK: Recordings

    private static func recording(mmapAt address: UInt64) -> Recording {
        let process = ProcessID(rawValue: 9)
        func step(_ call: Call, _ recorded: Outcome?) -> Step {
            Step(time: 10, Operation(process, call), recorded: recorded)
        }
        let mmap = Call.mmap(
            address: .absolute(0), length: 8192, protection: [.read, .write],
            flags: [.private, .anonymous], file: nil, offset: 0)
        return Recording(
            command: "test", source: "test",
            steps: [
                step(.spawn, .value(0)), step(mmap, .value(address)),
                step(.access(.absolute(address: address + 4096, length: 1), .write), .value(0)),
                step(
                    .access(.absolute(address: address + 8192, length: 1), .write),
                    .signal(.segmentationUnmapped, address: address + 8192)),
                step(.mlock(.absolute(address: address, length: 8192)), .failed(.EPERM)),
                step(.mincore(.absolute(address: address, length: 8192)), .pages([0, 0x81])),
                step(.exit, nil),
            ],
            processes: [
                RecordedProcess(process: process, image: 0, name: "a b", peakResident: 8192)
            ])
    }

    @Test func `a recording is held against what was recorded`() throws {
        let summary = try Runner(system: FakeSystem()).run(
            Self.recording(mmapAt: 0x7FFF_0000_0000 - 8192))
        #expect(summary.compared == 6)
        #expect(summary.differenceCounts == [.outcome: 1])
        #expect(
            summary.differences == [
                Difference(
                    kind: .outcome, step: 4, operation: "a_b_9: mlock 0x7ffeffffe000 8K",
                    recorded: .failed(.EPERM), got: .value(0))
            ])
        let process = try #require(summary.processes.first)
        #expect(process.name == "a b")
        #expect(process.lastStep == 6)
        #expect(process.finalPeakResident == 4096)
        #expect(process.deviation == -0.5)
        #expect(process.peak.locked == 8192)
        #expect(process.minorFaults == 1)
    }

    @Test func `a mapping that lies elsewhere is one difference and not many`() throws {
        let summary = try Runner(system: FakeSystem()).run(Self.recording(mmapAt: 0x4000_0000))
        #expect(summary.differenceCounts == [.placement: 1, .outcome: 1])
    }

    @Test func `what follows a mapping that lies elsewhere is no difference of its own`() throws {
        var recording = Self.recording(mmapAt: 0x4000_0000)
        let process = ProcessID(rawValue: 9)
        recording.steps.insert(
            Step(
                Operation(
                    process,
                    .mmap(
                        address: .absolute(0x4000_1000), length: 4096, protection: .read,
                        flags: [.private, .anonymous, .fixed], file: nil, offset: 0)),
                recorded: .value(0x4000_1000)), at: 2)
        let summary = try Runner(system: FakeSystem()).run(recording)
        #expect(summary.differenceCounts == [.placement: 1, .outcome: 1])
    }

    @Test func `each program that a process executed is held against its own record`() throws {
        let process = ProcessID(rawValue: 9)
        func step(_ call: Call) -> Step { Step(Operation(process, call)) }
        let page = Call.mmap(
            address: .absolute(0x10000), length: 8192, protection: [.read, .write],
            flags: [.private, .anonymous, .fixed], file: nil, offset: 0)
        let touch = Call.access(.absolute(address: 0x10000, length: 8192), .write)
        let image = ExecImage(name: "second", areas: [], mapTop: 0, breakStart: 0)
        let summary = try Runner(system: FakeSystem()).run(
            Recording(
                command: "", source: "",
                steps: [.spawn, page, touch, .exec(image), page, .exit].map(step),
                processes: [
                    RecordedProcess(process: process, image: 0, name: "a", peakResident: 4096),
                    RecordedProcess(process: process, image: 1, name: "b", peakResident: 4096),
                ]))
        let found = try #require(summary.processes.first)
        #expect(found.images.map(\.name) == ["a", "b"])
        #expect(found.images.map(\.deviation) == [1, -1])
        #expect(found.images.map(\.lastResident.anonymous) == [8192, 0])
        #expect(found.deviation == -1)
    }

    // MARK: What a run tells

    @Test func `calls, errors, accesses and faults are counted`() throws {
        let summary = try run(
            Self.heap + """
                db: touch heap[0..<4] write
                db: touch heap[0..<4] write
                db: touch heap[20] read => SIGSEGV
                db: mlock 0x1000 4K => ENOMEM
                db: mlock heap
                child = db: fork
                child: exit
                """)
        #expect(summary.operations == 9)
        #expect(
            summary.calls == [
                CallTally(kind: .mlock, count: 2, errors: [.ENOMEM: 1]),
                CallTally(kind: .exit, count: 1), CallTally(kind: .fork, count: 1),
                CallTally(kind: .mmap, count: 1),
            ])
        #expect(
            summary.accesses == [
                AccessTally(kind: .read, count: 1, pages: 1, signals: [.segmentationUnmapped: 1]),
                AccessTally(kind: .write, count: 2, pages: 8),
            ])
        #expect(summary.faults.first { $0.kind == "minor" }?.count == 8)
        #expect(summary.processes.map(\.name) == ["db", "child"])
        #expect(summary.processes[1].parent == ProcessID(rawValue: 1))
        #expect(summary.processes[0].lastStep == nil)
        #expect(summary.processes[0].peak.locked == 65536)
    }

    @Test func `the timeline is even and bounded`() throws {
        var options = RunOptions()
        options.timelineLimit = 10
        var text = Self.heap
        for page in 0..<95 { text += "db: touch heap[\(page % 16)] write\n" }
        let summary = try run(text, options: options)
        #expect(summary.timeline.count <= 10)
        #expect(summary.timeline.count >= 8)
        #expect(summary.timeline.last?.step == 96)
        #expect(summary.timeline.last?.total.resident == 65536)
        #expect(summary.peak.resident == 65536)
    }

    @Test func `an audit that throws ends the run where it was`() throws {
        struct Leak: Error {}
        var options = RunOptions()
        var audits = 0
        options.auditInterval = 2
        options.audit = {
            audits += 1
            if audits == 2 { throw Leak() }
        }
        let failure = #expect(throws: RunFailure.self) {
            try run(Self.heap + "db: mlock heap\ndb: munlock heap\ndb: exit", options: options)
        }
        #expect(try #require(failure).line == 4)
    }

    @Test func `progress reaches its end`() throws {
        var options = RunOptions()
        var seen: [Int] = []
        options.progress = { done, _ in seen.append(done) }
        _ = try run(Self.heap, options: options)
        #expect(seen == [1, 2])
    }

    // MARK: Two systems

    @Test func `systems that place differently agree where nothing else differs`() throws {
        let scenario = try Scenario(
            parsing: Self.heap + """
                db: touch heap[0..<17] write => SIGSEGV
                db: heap = mremap heap 128K maymove
                db: mincore heap[0..<2]
                db: mmap 4K rw private anonymous
                db: brk 0x0
                """)
        let comparison = try SystemComparison.run(
            .scenario(scenario), on: [FakeSystem(), FakeSystem(top: 0x7000_0000_0000)])
        #expect(comparison.differences == [])
        #expect(comparison.summaries.map(\.failureCount) == [0, 0])
    }

    @Test func `a difference between systems is told in the work's own words`() throws {
        let other = FakeSystem(top: 0x7000_0000_0000)
        other.answers[2] = .signal(.busPastEnd, address: 0x7000_0000_0000 - 4096)
        let comparison = try SystemComparison.run(
            .scenario(try Scenario(parsing: Self.heap + "db: touch heap[15] write => any")),
            on: [FakeSystem(), other])
        #expect(
            comparison.differences.map(\.description)
                == ["line 3: db: touch heap[15] write => ok / BUS_PAST_END at heap[15]"])
    }
}
