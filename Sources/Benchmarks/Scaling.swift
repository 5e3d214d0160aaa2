// SPDX-License-Identifier: Apache-2.0
//
// How two virtual CPUs scale: the throughput of two threads that fault, over that of one, over
// what the same ratio is for arithmetic that shares nothing.
//
// Two CPUs of a virtual machine may share one core's worth of speed, so the four runs of a sample
// follow one another closely. Time is the wall clock's; a run in which other work took a processor
// away from a thread says nothing about the engine and is repeated (Race.swift).

import LinuxHost
import Mooring
import Synchronization

/// Two virtual CPUs, and two threads to drive them.
struct Scaling {
    /// What the two threads share.
    enum Shape: Sendable {
        case oneProcess
        case twoProcesses
        /// Nothing: what the host's caches and memory allow.
        case twoMachines
    }

    /// How a thread enters the engine.
    enum Entry: Sendable {
        /// Once for each page.
        case eachPage
        /// Once for its whole region.
        case range
        /// Once for each page, reading: no frame is allocated and none goes to a list.
        case eachPageReading
    }

    /// How often a disturbed run is repeated before the least disturbed one is taken.
    private static let attempts = 200

    private let tasks: [Machine.Task]
    private let entry: Entry
    private let pages: Int

    init(_ shape: Shape, _ entry: Entry, pages: Int) throws {
        ThreadClock.installYield()
        self.entry = entry
        // Long enough for threads that start a microsecond apart, short enough to be left alone.
        self.pages = min(max(pages, 512), 8_192)
        let machine = try Scaling.makeMachine(pages: self.pages)
        let first = machine.spawn(on: 0)
        tasks =
            switch shape {
            case .oneProcess: [first, first.on(cpu: 1)]
            case .twoProcesses: [first, machine.spawn(on: 1)]
            case .twoMachines: [first, try Scaling.makeMachine(pages: self.pages).spawn(on: 1)]
            }
    }

    private static func makeMachine(pages: Int) throws -> Machine {
        let machine = try EngineScene.makeMachine(pages: 2 * pages, faultAroundPages: 16, cpus: 2)
        try EngineScene.warm(machine)
        return machine
    }

    /// One sample.
    func sample() throws -> Double {
        let loop = Scaling.arithmetic
        let arithmeticAlone = try Scaling.undisturbed { try Race.run([loop]) }
        let faultsAlone = try Scaling.undisturbed { try fault(on: [0]) }
        let arithmetic = try Scaling.undisturbed { try Race.run([loop, loop]) }
        let faults = try Scaling.undisturbed { try fault(on: [0, 1]) }
        return (faults / faultsAlone) / (arithmetic / arithmeticAlone)
    }

    /// The speed in a run that nothing disturbed, or in the least disturbed one.
    private static func undisturbed(_ run: () throws -> Race.Outcome) throws -> Double {
        var best = try run()
        var attempt = 1
        while best.togetherness < 0.95, attempt < attempts {
            let next = try run()
            if next.togetherness > best.togetherness { best = next }
            attempt += 1
        }
        return best.speed
    }

    /// Faults on some virtual CPUs at once.
    private func fault(on cpus: [Int]) throws -> Race.Outcome {
        let regions = try cpus.map {
            try tasks[$0].mmap(
                length: .pages(UInt64(pages)), protection: [.read, .write],
                flags: [.private, .anonymous])
        }
        let outcome = try Race.run(
            zip(cpus, regions).map { cpu, region in
                { [task = tasks[cpu], entry] in
                    switch entry {
                    case .eachPage: try EngineWork.touchEachPage(of: region, task, .write)
                    case .eachPageReading:
                        try EngineWork.touchEachPage(of: region, task, .read)
                    case .range: try task.access(region, .write)
                    }
                }
            })
        for (cpu, region) in zip(cpus, regions) { try tasks[cpu].munmap(region) }
        return outcome
    }

    /// How long a cache line takes from one CPU of the host to the other, in nanoseconds: the CPUs
    /// of a virtual machine are sometimes near each other and sometimes far, and what two virtual
    /// CPUs of the engine share costs accordingly.
    static func lineTransfer() throws -> Double {
        let turns = 2_000
        let ball = Ball()
        let speed = try undisturbed {
            ball.turn.store(0, ordering: .sequentiallyConsistent)
            return try Race.run(
                (0...1).map { side in
                    {
                        for _ in 0..<turns {
                            // A player whose partner has no processor gives its own away.
                            var spins = 0
                            while ball.turn.load(ordering: .acquiring) & 1 != side {
                                spins += 1
                                if spins > 10_000 { ThreadClock.yield() }
                            }
                            ball.turn.add(1, ordering: .acquiringAndReleasing)
                        }
                    }
                })
        }
        // Two players, and twice as many transfers as one has turns.
        return 1e9 / (speed / 2) / Double(2 * turns)
    }

    /// A number that two threads count up in turn, alone in its cache lines.
    private final class Ball: Sendable {
        private let before = InlineArray<16, UInt64>(repeating: 0)
        let turn = Atomic<Int>(0)
        private let after = InlineArray<16, UInt64>(repeating: 0)
    }

    /// A loop that needs nothing but a processor, for about as long.
    @Sendable private static func arithmetic() {
        var state: UInt64 = 1
        for _ in 0..<350_000 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
        }
        precondition(state != 0, "xorshift never reaches 0")
    }
}
