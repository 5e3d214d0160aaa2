// SPDX-License-Identifier: Apache-2.0
//
// How two virtual CPUs scale: the throughput of two threads that fault, over that of one, over
// what the same ratio is for arithmetic that shares nothing.
//
// Two CPUs of a virtual machine may share one core's worth of speed, and other work takes some of
// it: so the four runs of a sample come right after one another, by the wall clock.

import Foundation
import LinuxHost
import Mooring
import Workloads

/// A machine with two virtual CPUs, and two threads to drive it.
struct Scaling {
    /// What the two threads share.
    enum Shape: Sendable {
        case twoProcesses
        case oneProcess
    }

    /// How a thread enters the engine.
    enum Entry: Sendable {
        /// Once for each page.
        case eachPage
        /// Once for its whole region.
        case range
    }

    private let machine: Machine
    private let tasks: [Machine.Task]
    private let entry: Entry
    private let pages: Int

    init(_ shape: Shape, _ entry: Entry, pages: Int) throws {
        ThreadClock.installYield()
        self.entry = entry
        // Long enough for threads that start some microseconds apart.
        self.pages = max(pages, 512) * 4
        machine = try EngineScene.makeMachine(
            pages: self.pages, faultAroundPages: 16, cpus: 2)
        try EngineScene.warm(machine)
        let first = try machine.spawn(on: 0)
        tasks =
            switch shape {
            case .twoProcesses: [first, try machine.spawn(on: 1)]
            case .oneProcess: [first, first.on(cpu: 1)]
            }
    }

    /// One sample.
    func sample() throws -> Double {
        let arithmeticAlone = try Scaling.race([Scaling.arithmetic])
        let faultsAlone = try fault(on: [0])
        let arithmetic = try Scaling.race([Scaling.arithmetic, Scaling.arithmetic])
        let faults = try fault(on: [0, 1])
        return (faults / faultsAlone) / (arithmetic / arithmeticAlone)
    }

    /// Faults on some virtual CPUs at once; returns the speed.
    private func fault(on cpus: [Int]) throws -> Double {
        let regions = try cpus.map {
            try tasks[$0].mmap(
                length: .pages(UInt64(pages)), protection: [.read, .write],
                flags: [.private, .anonymous])
        }
        let speed = try Scaling.race(
            zip(cpus, regions).map { cpu, region in
                { [task = tasks[cpu], entry] in
                    switch entry {
                    case .eachPage: try EngineWork.touchEachPage(of: region, task, .write)
                    case .range: try task.access(region, .write)
                    }
                }
            })
        for (cpu, region) in zip(cpus, regions) { try tasks[cpu].munmap(region) }
        return speed
    }

    /// A loop that needs nothing but a processor.
    @Sendable private static func arithmetic() {
        var state: UInt64 = 1
        for _ in 0..<4_000_000 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
        }
        precondition(state != 0, "xorshift never reaches 0")
    }

    /// Runs bodies at once, each on a thread of its own.
    ///
    /// - Returns: How often a second they would be done: the sum of what each thread reached.
    private static func race(_ bodies: [@Sendable () throws -> Void]) throws -> Double {
        let line = StartLine(count: bodies.count)
        let runners = bodies.map { Runner(body: $0, line: line) }
        for runner in runners { Thread { runner.run() }.start() }
        line.waitForAll()
        return try runners.reduce(0) { sum, runner in
            if let failure = runner.failure { throw failure }
            return sum + 1 / runner.seconds
        }
    }
}

/// Where threads wait for each other before they start, and where one waits for their ends.
private final class StartLine: @unchecked Sendable {
    private let condition = NSCondition()
    private let count: Int
    private var ready = 0
    private var done = 0

    init(count: Int) { self.count = count }

    func ready(thenRun body: () -> Void) {
        condition.lock()
        ready += 1
        if ready == count { condition.broadcast() }
        while ready < count { condition.wait() }
        condition.unlock()
        body()
        condition.lock()
        done += 1
        condition.broadcast()
        condition.unlock()
    }

    func waitForAll() {
        condition.lock()
        while done < count { condition.wait() }
        condition.unlock()
    }
}

/// One thread's part of a race; read when the race is over.
private final class Runner: @unchecked Sendable {
    private let body: @Sendable () throws -> Void
    private let line: StartLine
    private(set) var seconds = 0.0
    private(set) var failure: (any Error)?

    init(body: @escaping @Sendable () throws -> Void, line: StartLine) {
        self.body = body
        self.line = line
    }

    func run() {
        line.ready {
            let clock = ContinuousClock()
            let start = clock.now
            do { try body() } catch { failure = error }
            seconds = (clock.now - start) / .seconds(1)
        }
    }
}
