// SPDX-License-Identifier: Apache-2.0
//
// Threads that start at the same moment, and how long each took.

import Foundation
import LinuxHost
import Synchronization

/// Bodies that run at once, each on a thread of its own.
enum Race {
    /// What a race came to.
    struct Outcome {
        /// How often a second the bodies would be done: the sum of what each thread reached.
        var speed: Double
        /// How far all threads ran at the same time and had processors to themselves: 1 is all
        /// the time.
        ///
        /// A thread that waits inside the engine spins, so waiting does not lower it.
        var togetherness: Double
    }

    /// Runs the bodies.
    ///
    /// - Throws: What one of them threw.
    static func run(_ bodies: [@Sendable () throws -> Void]) throws -> Outcome {
        let line = StartLine(count: bodies.count)
        let runners = bodies.map { RaceThread(body: $0, line: line) }
        for runner in runners { Thread { runner.run() }.start() }
        line.waitForAll()
        var outcome = Outcome(speed: 0, togetherness: 1)
        for runner in runners {
            if let failure = runner.failure { throw failure }
            let taken = Double(runner.end - runner.start)
            outcome.speed += 1e9 / taken
            outcome.togetherness = min(outcome.togetherness, Double(runner.processor) / taken)
        }
        let starts = runners.map(\.start)
        let ends = runners.map(\.end)
        if let first = starts.min(), let last = starts.max(), let early = ends.min(),
            let late = ends.max(), late > first
        {
            let overlap = Double(early - last) / Double(late - first)
            // Threads of different speeds end apart; only a start far apart is a disturbance.
            outcome.togetherness = min(outcome.togetherness, overlap + 0.1)
        }
        return outcome
    }
}

/// Where threads wait for each other before they start, and where one waits for their ends.
private final class StartLine: Sendable {
    private let count: Int
    private let ready = Atomic<Int>(0)
    private let done = DispatchSemaphore(value: 0)

    init(count: Int) { self.count = count }

    /// Returns in all threads within a microsecond of each other, if each has a processor.
    func waitForStart() {
        ready.add(1, ordering: .acquiringAndReleasing)
        // Spinning, because a thread that sleeps wakes up late.
        while ready.load(ordering: .acquiring) < count { ThreadClock.yield() }
    }

    func finish() { done.signal() }

    func waitForAll() {
        for _ in 0..<count { done.wait() }
    }
}

/// One thread's part of a race; read when the race is over.
private final class RaceThread: @unchecked Sendable {
    private let body: @Sendable () throws -> Void
    private let line: StartLine
    /// Wall-clock nanoseconds.
    private(set) var start: Int64 = 0
    private(set) var end: Int64 = 0
    /// Nanoseconds that the thread had a processor.
    private(set) var processor: Int64 = 0
    private(set) var failure: (any Error)?

    init(body: @escaping @Sendable () throws -> Void, line: StartLine) {
        self.body = body
        self.line = line
    }

    func run() {
        line.waitForStart()
        start = ThreadClock.wallNanoseconds
        let before = ThreadClock.nanoseconds
        do { try body() } catch { failure = error }
        processor = ThreadClock.nanoseconds - before
        end = ThreadClock.wallNanoseconds
        line.finish()
    }
}
