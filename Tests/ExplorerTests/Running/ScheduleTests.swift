// SPDX-License-Identifier: Apache-2.0

import Explorer
import Testing

@Suite struct ScheduleTests {
    @Test func `neighbours of one thread become one stretch`() {
        var schedule = Schedule()
        for thread in [0, 0, 1, 0, 0, 0] { schedule.append(thread) }
        #expect(schedule.description == "0x2 1x1 0x3")
        #expect(schedule.changes == 2)
        #expect(schedule.steps == 6)
        #expect(Schedule("0x2 0x3 1x1")?.description == "0x5 1x1")
    }

    @Test(arguments: ["0x0", "x1", "0x", "16x1", "-1x2", "0x1,1x1", "0 x 1", "0x4294967296"])
    func `what is no schedule is refused`(_ text: String) {
        #expect(Schedule(text) == nil)
    }

    @Test func `a schedule that cannot be followed is followed as far as it goes`() throws {
        let explorer = try Explorer(
            ClosureSubject(
                state: { Mutex() },
                threads: Array(repeating: { $0.withLock {} }, count: 2), check: { _ in }))
        // Thread 1 cannot take the lock while thread 0 has it.
        let impossible = try #require(Schedule("0x2 1x9 0x9"))
        #expect(try explorer.replay(impossible) == nil)
    }
}
