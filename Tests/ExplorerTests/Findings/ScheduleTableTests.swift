// SPDX-License-Identifier: Apache-2.0

import Explorer
import Testing

@Suite struct ScheduleTableTests {
    @Test func `a table has a column for each thread and folds details`() throws {
        final class State {
            let counter = Atomic(0)
            let own = Atomic(0)
        }
        let explorer = try Explorer(
            ClosureSubject(
                state: State.init,
                threads: [
                    { state in
                        for _ in 0..<8 { _ = state.own.add(1) }
                        let seen = state.counter.load()
                        state.counter.store(seen + 1)
                    },
                    { state in _ = state.counter.add(1) },
                ],
                check: { if $0.counter.load() != 2 { throw Finding(.state, "an update is lost") } }
            ))
        let failure = try #require(try explorer.search(.exhaustive(bound: 2)).failure)
        let shrunk = try explorer.shrink(failure)
        let table = try explorer.table(of: shrunk)
        #expect(table.threads == ["thread 0", "thread 1"])
        #expect(table.finding == Finding(.state, "an update is lost"))
        // In the closures above.
        #expect(table.rows.contains { $0.place?.file == "ScheduleTableTests.swift" })
        let full = try explorer.table(of: shrunk, details: true)
        // Where a thread begins nothing is touched.
        #expect(full.rows.allSatisfy { $0.action == "begins" || $0.place != nil })
        #expect(table.description.contains("steps of its own"))
        #expect(!full.text(details: true).contains("steps of its own"))
        #expect(table.description.hasSuffix("wrong state: an update is lost\n"))
    }
}
