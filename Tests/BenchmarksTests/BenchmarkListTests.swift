// SPDX-License-Identifier: Apache-2.0

import LinuxHost
import Mooring
import Testing

@testable import Benchmarks

@Suite struct `The list of benchmarks` {
    @Test func `has a row with targets for each of the kernel's timings`() {
        for timing in KernelTimings.Name.allCases {
            let rows = Benchmark.all.filter { $0.name == timing.rawValue }
            #expect(rows.count == 1, "\(timing)")
            #expect(rows.first?.kernel == timing)
            #expect(rows.first?.target.atMost != nil)
            #expect(rows.first?.target.speedupAtLeast != nil)
        }
    }

    @Test func `has no name twice`() {
        #expect(Set(Benchmark.all.map(\.name)).count == Benchmark.all.count)
    }

    /// The work that each row must be seen to have done: an event, and how often at least for
    /// each page of its sample.
    static let events: [(name: String, event: Event, perPage: Int)] = [
        ("anon-touch", .faultAnonymous, 1), ("anon-read", .faultZeroPage, 1),
        ("anon-unmap", .pgfree, 1), ("populate", .faultAnonymous, 1),
        ("mlock-populated", .unevictableMlocked, 1), ("munlock", .unevictableMunlocked, 1),
        ("mlock-unpopulated", .unevictableMlocked, 1),
        ("mlock-onfault-touch", .unevictableMlocked, 1), ("file-touch", .faultFileRead, 1),
        ("reclaim-file", .pgstealFile, 1), ("reclaim-scan", .pgscanFile, 1),
        ("swap-out", .pswpout, 1), ("swap-in", .pswpin, 1),
        ("cow-write", .faultCopyOnWrite, 1), ("fault-random", .faultZeroPage, 1),
        ("anon-touch-each", .faultAnonymous, 1), ("anon-read-each", .faultZeroPage, 1),
    ]

    @Test(arguments: events)
    func `does what it says`(name: String, event: Event, perPage: Int) throws {
        let (benchmark, work) = try operation(called: name)
        let machine = try EngineScene.makeMachine(
            pages: 600, faultAroundPages: benchmark.faultAroundPages)
        let scene = EngineScene(machine, pages: 600)
        try work(scene)
        #expect(machine.total(event) >= 600 * perPage, "\(event) \(machine.total(event))")
    }

    @Test(arguments: Benchmark.all.map(\.name))
    func `leaves its machine as it found it`(name: String) throws {
        guard let (benchmark, work) = try? operation(called: name) else { return }
        let machine = try EngineScene.makeMachine(
            pages: 600, faultAroundPages: benchmark.faultAroundPages)
        try EngineScene.warm(machine)
        let before = machine.freeMemory
        for _ in 0..<2 {
            let scene = EngineScene(machine, pages: 600)
            try work(scene)
            #expect(scene.units >= 600)
            #expect(scene.nanoseconds > 0)
        }
        machine.drainBatches()
        try machine.audit()
        #expect(machine.freeMemory == before)
    }

    @Test func `counts instructions of operations only`() throws {
        try runOnceForInstructionCount(name: "anon-touch", pages: 64)
        #expect(throws: (any Error).self) {
            try runOnceForInstructionCount(name: "no-such", pages: 64)
        }
        #expect(throws: (any Error).self) {
            try runOnceForInstructionCount(name: "scale-one-process", pages: 64)
        }
    }

    private func operation(
        called name: String
    ) throws -> (Benchmark, @Sendable (EngineScene) throws -> Void) {
        let benchmark = try #require(Benchmark.all.first { $0.name == name })
        guard case .operation(let work) = benchmark.work else { throw NotAnOperation() }
        return (benchmark, work)
    }

    private struct NotAnOperation: Error {}
}
