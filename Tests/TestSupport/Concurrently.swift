// SPDX-License-Identifier: Apache-2.0
//
// Real threads for tests: started together, joined, with the first error handed on.

import Foundation
import Mooring

/// How hard the tests with threads try.
package enum Stress {
    /// `MOORING_STRESS`: how many times as long as usual; 1 unless told.
    package static let factor = max(
        1, ProcessInfo.processInfo.environment["MOORING_STRESS"].flatMap { Int($0) } ?? 1)

    /// As many rounds as the environment asks for.
    package static func rounds(_ usual: Int) -> Range<Int> { 0..<usual * factor }

    /// The seed that `MOORING_SEED` asks for, or a fresh one; printed, so that a failing run can be
    /// had again as far as threads allow.
    package static func seed(_ test: String = #function) -> UInt64 {
        let seed = SeededRandom.fromEnvironment().seed
        print("\(test): MOORING_SEED=\(seed)")
        return seed
    }
}

/// Runs `body` on `count` threads at once, which start together, and waits for all.
///
/// Every second call disturbs the threads at the engine's scheduling points, so that they meet in
/// windows of a few instructions too.
///
/// - Throws: The first error that a thread ended with.
package func concurrently(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Void
) throws {
    SchedulingPoint.setYield { sched_yield() }
    Disturbance.begin()
    defer { Disturbance.end() }
    let meeting = Meeting(of: count)
    for index in 0..<count {
        Thread {
            meeting.begin()
            do {
                try body(index)
                meeting.end(nil)
            } catch {
                meeting.end(error)
            }
        }.start()
    }
    if let error = meeting.wait() { throw error }
}

/// Threads that give way, or sleep for a moment, at scheduling points that the time decides.
private enum Disturbance {
    private static let lock = NSLock()
    nonisolated(unsafe) private static var calls = 0
    /// How many calls ask for it now.
    nonisolated(unsafe) private static var wanted = 0

    static func begin() {
        lock.lock()
        defer { lock.unlock() }
        calls += 1
        guard calls % 2 == 0 || wanted > 0 else { return }
        wanted += 1
        guard wanted == 1 else { return }
        SchedulingPoint.install { _, object in
            // No state of its own: that would order what the threads do.
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            var mixed = UInt64(truncatingIfNeeded: now.tv_nsec) &+ UInt64(object)
            mixed = (mixed ^ (mixed >> 13)) &* 0xBF58_476D_1CE4_E5B9
            switch (mixed >> 40) % 2048 {
            case 0: usleep(1)
            case 1...20: sched_yield()
            default: break
            }
        }
    }

    static func end() {
        lock.lock()
        defer { lock.unlock() }
        guard wanted > 0 else { return }
        wanted -= 1
        if wanted == 0 { SchedulingPoint.install(nil) }
    }
}

/// Where threads meet before they begin and after they end.
private final class Meeting: @unchecked Sendable {
    private let condition = NSCondition()
    private var absent: Int
    private var running: Int
    private var error: (any Error)?

    init(of count: Int) {
        absent = count
        running = count
    }

    func begin() {
        condition.lock()
        defer { condition.unlock() }
        absent -= 1
        condition.broadcast()
        while absent > 0 { condition.wait() }
    }

    func end(_ error: (any Error)?) {
        condition.lock()
        defer { condition.unlock() }
        running -= 1
        self.error = self.error ?? error
        condition.broadcast()
    }

    func wait() -> (any Error)? {
        condition.lock()
        defer { condition.unlock() }
        while running > 0 { condition.wait() }
        return error
    }
}
