// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct LostProcessTests {
    private static let one = ProcessID(rawValue: 1)
    private static let two = ProcessID(rawValue: 2)

    // MARK: Memory runs out

    private static let hog = """
        process hog
        process other
        hog: heap = mmap 32M rw private anonymous
        other: heap = mmap 1M rw private anonymous
        hog: touch heap write
        hog: munlock heap
        child = hog: fork
        child: touch heap write
        expect hog VmRSS == 0
        other: touch heap write
        expect other VmRSS == 1M
        """

    private func smallEngine() throws -> EngineSystem {
        var configuration = MachineConfiguration(memory: .mebibytes(8))
        configuration.overcommit = .always
        return try EngineSystem(configuration)
    }

    @Test func `a run goes on without a process that is killed for want of memory`() throws {
        let engine = try smallEngine()
        var options = RunOptions()
        options.audit = { try engine.machine.audit() }
        let summary = try Runner(system: engine, options: options).run(
            Scenario(parsing: Self.hog))
        let lost = try #require(summary.lost.first)
        #expect(summary.lost.count == 1)
        #expect(lost.process == Self.one)
        #expect(lost.name == "hog")
        #expect(lost.cause == .killed(.outOfMemory))
        #expect((lost.step, lost.line) == (4, 5))
        #expect(lost.operation == "touch heap write")
        #expect(!lost.wasExpected)
        // The munlock, the fork, what the child was to do, and the claim.
        #expect(lost.skippedSteps == 4)
        #expect(try #require(lost.freeMemory) < 1 << 20)
        #expect(try #require(lost.held).resident > 6 << 20)
        #expect(summary.processes.map(\.name) == ["hog", "other"])
        #expect(summary.processes[0].peak == lost.held)
        #expect(summary.processes[0].lastStep == 4)
        #expect(summary.processes[0].images.map(\.isCutShort) == [true])
        #expect(summary.peak.resident == lost.held?.resident)
        // The touch that killed it does not do what its line claims; the others do.
        #expect(summary.failures.map(\.line) == [5])
        #expect(summary.failures.first?.got.hasPrefix("SIGKILL at heap[") == true)
        #expect(summary.checked == 7)
        #expect(engine.processes == [Self.two])
    }

    @Test func `a kill that a scenario claims is no failure`() throws {
        let touch = "hog: touch heap write"
        let text = Self.hog.replacing(touch, with: touch + " => SIGKILL")
        let summary = try Runner(system: smallEngine()).run(Scenario(parsing: text))
        #expect(summary.lost.map(\.wasExpected) == [true])
        #expect(summary.isClean)
    }

    @Test func `those who share the memory of a killed process are killed with it`() throws {
        let summary = try Runner(system: smallEngine()).run(
            Scenario(
                parsing: """
                    process parent
                    parent: heap = mmap 32M rw private anonymous
                    child = parent: fork shares
                    process other
                    child: touch heap write => SIGKILL
                    parent: munlock heap
                    other: munlockall
                    """))
        #expect(summary.lost.map(\.process) == [Self.one, Self.two])
        #expect(summary.lost.map(\.skippedSteps) == [1, 0])
        #expect(summary.checked == 6)
        #expect(summary.processes[2].lastStep == nil)
    }

    @Test func `a segment that there was no memory for is unknown to later calls`() throws {
        let engine = try smallEngine()
        let segment = FileID(rawValue: 1)
        let made = try engine.perform(
            Operation(
                .none,
                .createFile(
                    segment, FileDescription(kind: .sharedMemory, length: 1 << 50, name: "s"))))
        #expect(made == .failed(.ENOMEM))
        _ = try engine.perform(Operation(Self.one, .spawn))
        let attached = try engine.perform(
            Operation(Self.one, .shmat(segment, address: .absolute(0), flags: [])))
        #expect(attached == .failed(.EINVAL))
    }

    // MARK: Recordings

    private static let page = Span.absolute(address: 0x10000, length: 1)
    private static let touch = Call.access(page, .write)
    private static let image = ExecImage(name: "second", areas: [], mapTop: 0, breakStart: 0)

    /// A recording of process 1, in which call number `index` gets another answer than recorded.
    private func run(
        _ steps: [(Call, Outcome?)], answering answer: Outcome, at index: Int,
        on system: FakeSystem = FakeSystem()
    ) throws -> RunSummary {
        system.answers[index] = answer
        let steps = steps.map { call, recorded in
            Step(Operation(Self.one, call), recorded: recorded)
        }
        return try Runner(system: system).run(Recording(command: "", source: "", steps: steps))
    }

    static let segmentation = Outcome.signal(.segmentationUnmapped, address: 0x10000)

    @Test(arguments: [
        // What is recorded of the access, whether the process does anything later, whether it
        // then went on where it is ended here.
        (Outcome?.some(.value(0)), true, true), (.value(0), false, true), (nil, true, true),
        (nil, false, false), (segmentation, true, false),
    ]) func `a signal ends a process that went on when it was recorded`(
        recorded: Outcome?, hasMore: Bool, isLost: Bool
    ) throws {
        let more: [(Call, Outcome?)] = hasMore ? [(.munlockall, .value(0))] : []
        let system = FakeSystem()
        let summary = try run(
            [(.spawn, nil), (Self.touch, recorded)] + more + [(.exit, nil)],
            answering: Self.segmentation, at: 1, on: system)
        #expect(summary.lost.count == (isLost ? 1 : 0))
        #expect(system.log.contains { $0.call == .exit } == !isLost)
        guard isLost else { return }
        #expect(summary.lost[0].cause == .killed(.segmentationUnmapped))
        #expect(summary.lost[0].skippedSteps == (hasMore ? 2 : 1))
        #expect(!summary.isClean)
    }

    @Test func `a child that could not be forked is passed over, with its own children`() throws {
        let three = ProcessID(rawValue: 3)
        func step(_ process: ProcessID, _ call: Call) -> Step {
            Step(Operation(process, call), recorded: .value(0))
        }
        let system = FakeSystem()
        system.answers[1] = .failed(.ENOMEM)
        let summary = try Runner(system: system).run(
            Recording(
                command: "", source: "",
                steps: [
                    step(Self.one, .spawn),
                    step(Self.one, .fork(child: Self.two, sharesMemory: false)),
                    step(Self.two, .munlockall),
                    step(Self.two, .fork(child: three, sharesMemory: false)),
                    step(three, .munlockall), step(Self.one, .munlockall),
                ],
                processes: [RecordedProcess(process: Self.one, image: 0, name: "shell")]))
        let lost = try #require(summary.lost.first)
        #expect(summary.lost.count == 1)
        #expect(lost.process == Self.two)
        // A child is called what its parent is until it executes a program.
        #expect(lost.name == "shell")
        #expect(lost.cause == .failed(.fork, .ENOMEM))
        #expect(lost.held == nil)
        #expect(lost.skippedSteps == 3)
        #expect(summary.operations == 3)
        #expect(summary.differenceCount == 1)
    }

    @Test func `a process ends with an exec that fails here alone`() throws {
        let summary = try run(
            [(.spawn, nil), (.exec(Self.image), .value(0)), (Self.touch, .value(0))],
            answering: .failed(.ENOMEM), at: 1)
        #expect(summary.lost.map(\.cause) == [.failed(.exec, .ENOMEM)])
        #expect(summary.lost[0].skippedSteps == 1)
        #expect(summary.processes[0].images.map(\.image) == [0])
    }

    @Test func `an exec that fails leaves the address space to go on`() throws {
        let summary = try run(
            [(.spawn, nil), (.exec(Self.image), .failed(.ENOENT)), (.exit, nil)],
            answering: .failed(.ENOENT), at: 1)
        #expect(summary.lost.isEmpty)
        #expect(summary.processes[0].images.map(\.image) == [0])
    }
}
