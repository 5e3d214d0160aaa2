// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

/// What a host forbids is left out of a run, counted, and not held against the system.
@Suite struct LeftOutTests {
    private static let refusal = HostRefusal("locking is forbidden there.")

    private static let locks = """
        process db
        db: heap = mmap 64K rw private anonymous
        db: mlock heap
        db: touch heap[0] write
        child = db: fork
        expect db VmLck == 64K
        expect child VmRSS == 4K
        expect child VmLck == 64K
        db: munmap heap => EINVAL

        """

    private func scenario(_ more: String = "") throws -> Workload {
        .scenario(try Scenario(parsing: Self.locks + more))
    }

    @Test func `with what follows from it`() throws {
        let system = FakeSystem()
        system.refusals[2] = Self.refusal
        system.remarks = ["all is not as asked."]
        let summary = try Runner(system: system).run(scenario())
        #expect(summary.isClean)
        #expect(summary.operations == 5)
        #expect(!summary.calls.contains { $0.kind == .mlock })
        // Of five operations and three claims, VmLck of both and the munmap do not hold.
        var expected = LeftOut(reason: Self.refusal.reason)
        expected.operations = 1
        expected.claims = 3
        #expect(summary.leftOut == [expected])
        #expect(summary.checked == 5)
        #expect(summary.skipped == 3)
        #expect(summary.remarks == system.remarks)
    }

    @Test func `with the regions that it would have made`() throws {
        let system = FakeSystem()
        system.refusals[1] = Self.refusal
        let summary = try Runner(system: system).run(
            Scenario(
                parsing: """
                    process db
                    db: heap = mmap 64K rw private anonymous
                    db: touch heap write
                    process other
                    other: mmap 4K rw private anonymous
                    other: munmap 0x1000 4K => EINVAL
                    """))
        #expect(summary.leftOut.map(\.operations) == [2])
        // Another process is another matter.
        #expect(summary.failureCount == 1)
    }

    @Test func `is no difference between systems, nor is what follows`() throws {
        let other = FakeSystem(name: "other")
        other.refusals[2] = Self.refusal
        other.answers[5] = .failed(.EPERM)
        let comparison = try SystemComparison.run(
            scenario("db: munlockall\nprocess new\n"), on: [FakeSystem(), other])
        #expect(comparison.differences == [])
        #expect(comparison.summaries.map(\.leftOut.count) == [0, 1])
        #expect(comparison.summaries[1].failureCount == 0)
    }

    @Test func `while a recording's other outcomes are still compared`() throws {
        let process = ProcessID(rawValue: 9)
        func step(_ call: Call, _ recorded: Outcome) -> Step {
            Step(Operation(process, call), recorded: recorded)
        }
        let lock = Call.mlock(.absolute(address: 0x10000, length: 4096))
        let recording = Recording(
            command: "", source: "",
            steps: [
                step(.spawn, .value(9)), step(lock, .value(0)), step(.munlockall, .value(0)),
                step(lock, .value(0)),
            ])
        let system = FakeSystem()
        system.refusals[1] = Self.refusal
        system.answers[3] = .failed(.ENOMEM)
        let summary = try Runner(system: system).run(recording)
        #expect(summary.compared == 2)
        #expect(summary.differenceCount == 0)
        #expect(summary.leftOut.map(\.claims) == [1])
    }
}

@Suite struct `A recording on two systems` {
    @Test func `lists where either differs from it`() throws {
        let process = ProcessID(rawValue: 9)
        let lock = Call.mlock(.absolute(address: 0x10000, length: 4096))
        func step(_ call: Call, _ recorded: Outcome?) -> Step {
            Step(Operation(process, call), recorded: recorded)
        }
        let systems = [FakeSystem(), FakeSystem(name: "other")]
        for system in systems {
            for number in 1...4 { system.answers[number] = .value(0) }
        }
        systems[0].answers[2] = .failed(.EPERM)
        for system in systems { system.answers[3] = .failed(.EINVAL) }
        systems[1].answers[4] = .failed(.EAGAIN)
        let comparison = try SystemComparison.run(
            .recording(
                Recording(
                    command: "", source: "",
                    steps: [
                        step(.spawn, nil), step(lock, .value(0)), step(lock, .value(0)),
                        step(lock, .value(0)), step(lock, .failed(.EAGAIN)),
                    ])), on: systems)
        #expect(comparison.differences.map(\.step) == [2, 3, 4])
        #expect(comparison.differences.map(\.recorded) == ["ok", "ok", "EAGAIN"])
        #expect(
            comparison.differences.map(\.outcomes)
                == [["EPERM", "ok"], ["EINVAL", "EINVAL"], ["ok", "EAGAIN"]])
        #expect(comparison.findingCount == 3)
        #expect(comparison.differenceCount == 2)
        #expect(comparison.summaries.map(\.differenceCount) == [3, 1])
    }
}
