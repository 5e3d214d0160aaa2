// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct CPUSpreadTests {
    private func operation(_ process: Int32, _ call: Call = .munlockall, on cpu: Int? = nil)
        -> Operation
    {
        Operation(ProcessID(rawValue: process), call, cpu: cpu)
    }

    @Test func `threads get CPUs in turn and stay there`() {
        var spread = CPUSpread(cpuCount: 3)
        let places = [(1, 10), (1, 11), (2, 20), (1, 10), (3, 30), (2, 20)].map { process, thread in
            spread.cpu(for: operation(process), thread: thread)
        }
        #expect(places == [0, 1, 2, 0, 0, 2])
    }

    @Test func `a process runs where it is put, and one line where it says`() {
        var spread = CPUSpread(cpuCount: 4)
        let child = Call.fork(child: ProcessID(rawValue: 2), sharesMemory: false)
        #expect(spread.cpu(for: operation(1, .spawn, on: 3), thread: 0) == 3)
        #expect(spread.cpu(for: operation(1, child, on: 2), thread: 0) == 3)
        #expect(spread.cpu(for: operation(2), thread: 0) == 2)
        #expect(spread.cpu(for: operation(2, on: 1), thread: 0) == 1)
        #expect(spread.cpu(for: operation(2), thread: 0) == 2)
        #expect(spread.cpu(for: operation(3), thread: 0) == 0)
    }

    @Test func `one CPU leaves no choice`() {
        var spread = CPUSpread(cpuCount: 1)
        #expect(spread.cpu(for: operation(1), thread: 7) == nil)
    }

    // MARK: On the engine

    private static let work = """
        process a
        process b
        a: heap = mmap 1M rw private anonymous
        b: heap = mmap 1M rw private anonymous
        b: touch heap write
        a: touch heap write
        a: touch heap read on cpu 1
        a: touch heap read on cpu 2
        a: munmap heap => ok
        b: munmap heap
        expect vmstat nr_tlb_remote_flush == 1
        expect vmstat nr_tlb_remote_flush_received == 2
        """

    private func run(_ text: String, cpus: Int) throws -> RunSummary {
        var configuration = MachineConfiguration(memory: .mebibytes(64))
        configuration.cpus = cpus
        let engine = try EngineSystem(configuration)
        var options = RunOptions()
        options.audit = { try engine.machine.audit() }
        return try Runner(system: engine, options: options).run(Scenario(parsing: text))
    }

    @Test func `unmapping interrupts the CPUs that ran in the address space`() throws {
        let summary = try run(Self.work, cpus: 3)
        #expect(summary.failures == [])
        #expect(summary.operationsByCPU == [4, 5, 1])
    }

    @Test func `looking at processes sends no CPU anywhere`() throws {
        // A claim about each process between any two operations.
        let watched = Self.work.split(separator: "\n").flatMap { line in
            line.hasPrefix("a: ") || line.hasPrefix("b: ")
                ? [String(line), "expect a VmRSS >= 0", "expect b VmRSS >= 0"] : [String(line)]
        }
        #expect(try run(watched.joined(separator: "\n"), cpus: 3).failures == [])
    }

    @Test(arguments: ["process c on cpu 3", "c = a: fork on cpu 3", "a: munlockall on cpu 3"])
    func `a CPU that the machine does not have stops the run with the line and a remedy`(
        line: String
    ) throws {
        let failure = #expect(throws: RunFailure.self) {
            try run(Self.work + "\n" + line, cpus: 3)
        }
        let found = try #require(failure)
        #expect(found.line == 13)
        #expect(found.operation == line)
        #expect(found.reason.contains("a machine of 3") && found.reason.contains("--cpus"))
    }

    @Test func `a system that shares its machine places processes itself`() throws {
        let system = FakeSystem()
        system.ownsMachine = false
        let summary = try Runner(system: system).run(
            Scenario(parsing: "process a on cpu 7\na: munlockall on cpu 900"))
        #expect(summary.isClean)
        #expect(summary.operationsByCPU == [])
    }
}
