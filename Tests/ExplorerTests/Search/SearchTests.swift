// SPDX-License-Identifier: Apache-2.0

import Explorer
import Testing

/// Small subjects whose mistakes are known.
@Suite struct SearchTests {
    /// Adds 1 in two steps, without a lock.
    private static func lostUpdate(threads: Int = 2) -> ClosureSubject<Atomic<Int>> {
        ClosureSubject(
            state: { Atomic(0) },
            threads: Array(
                repeating: { counter in
                    let seen = counter.load()
                    counter.store(seen + 1)
                }, count: threads),
            check: { counter in
                let sum = counter.load()
                if sum != threads { throw Finding(.state, "\(sum) instead of \(threads)") }
            })
    }

    private static let methods: [SearchMethod] = [
        .exhaustive(bound: 2), .exhaustive(bound: 2, reduces: false),
        .priorities(changes: 2, seed: 1), .random(seed: 1),
    ]

    @Test(arguments: methods)
    func `each method finds a lost update`(_ method: SearchMethod) throws {
        let explorer = try Explorer(SearchTests.lostUpdate())
        let failure = try #require(try explorer.search(method, schedules: 10_000).failure)
        #expect(failure.finding == Finding(.state, "1 instead of 2"))
        let shrunk = try explorer.shrink(failure)
        #expect(shrunk.schedule.changes <= 2)
        let again = try #require(try explorer.replay(shrunk.schedule))
        #expect(again.digest == shrunk.digest)
        #expect(again.schedule == shrunk.schedule)
    }

    @Test func `a lock makes the update safe, and the search ends`() throws {
        final class State {
            let mutex = Mutex()
            let counter = Cell(0)
        }
        let subject = ClosureSubject(
            state: State.init,
            threads: Array(
                repeating: { (state: State) in state.mutex.withLock { state.counter.value += 1 } },
                count: 3),
            check: { #expect($0.counter.value == 3) })
        let explorer = try Explorer(subject)
        for reduces in [true, false] {
            let report = try explorer.search(.exhaustive(bound: 3, reduces: reduces))
            #expect(report.failure == nil)
            #expect(report.isComplete)
        }
    }
}
