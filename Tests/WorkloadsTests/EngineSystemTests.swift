// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing

@testable import Workloads

@Suite struct EngineSystemTests {
    private static let heap = Region(address: 0x10000, length: 64 << 10)
    private let engine: EngineSystem
    private let process = ProcessID(rawValue: 1)

    init() throws { engine = try EngineSystem(MachineConfiguration(memory: .mebibytes(64))) }

    private func perform(_ call: Call, by process: ProcessID? = nil) throws -> Outcome {
        try engine.perform(Operation(process ?? self.process, call))
    }

    private func touch(pages: UInt64, by process: ProcessID? = nil) throws {
        _ = try perform(
            .mmap(
                address: .absolute(Self.heap.address), length: Self.heap.length,
                protection: [.read, .write], flags: [.private, .anonymous, .fixed], file: nil,
                offset: 0), by: process)
        _ = try perform(
            .access(.absolute(address: Self.heap.address, length: pages * pageSize), .write),
            by: process)
    }

    private static let image = ExecImage(name: "next", areas: [], mapTop: 0, breakStart: 0)

    @Test func `faults of a program that a process left with exec still count`() throws {
        _ = try perform(.spawn)
        try touch(pages: 5)
        #expect(try engine.sample(of: process).minorFaults == 5)
        #expect(try perform(.exec(Self.image)) == .value(0))
        #expect(try engine.sample(of: process).minorFaults == 5)
        try touch(pages: 3)
        #expect(try engine.sample(of: process).minorFaults == 8)
        #expect(try engine.sample(of: process).peakResident == 3 * pageSize)
        try engine.machine.audit()
    }

    @Test func `faults in memory that was only borrowed are the lender's`() throws {
        let child = ProcessID(rawValue: 2)
        _ = try perform(.spawn)
        _ = try perform(.fork(child: child, sharesMemory: true))
        try touch(pages: 5, by: child)
        _ = try perform(.exec(Self.image), by: child)
        #expect(try engine.sample(of: child).minorFaults == 0)
        #expect(try engine.sample(of: process).minorFaults == 5)
        try engine.machine.audit()
    }

    @Test func `a killed process is gone with its memory, and can be killed again`() throws {
        let free = engine.machine.freeMemory
        _ = try perform(.spawn)
        try touch(pages: 5)
        engine.kill(process)
        engine.kill(process)
        engine.machine.drainBatches()
        #expect(engine.processes == [])
        #expect(engine.machine.freeMemory == free)
        #expect(throws: SystemFailure.self) { try engine.sample(of: process) }
        try engine.machine.audit()
    }
}
