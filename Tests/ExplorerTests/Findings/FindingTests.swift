// SPDX-License-Identifier: Apache-2.0

import Explorer
import Testing

/// One subject for each kind of mistake.
@Suite struct FindingTests {
    private final class Locks {
        let one = Mutex()
        let other = Mutex()
        let flag = Atomic(false)
        let signal = Signal()
        let cell = Cell(0)
    }

    private func finding(
        bound: Int = 2, _ threads: [(Locks) throws -> Void],
        check: @escaping (Locks) throws -> Void = { _ in }
    ) throws -> Finding? {
        let explorer = try Explorer(
            ClosureSubject(state: Locks.init, threads: threads, check: check))
        explorer.stepLimit = 500
        let failure = try explorer.search(.exhaustive(bound: bound)).failure
        guard let failure else { return nil }
        // Whatever it is, it can be had again.
        let again = try #require(try explorer.replay(failure.schedule))
        #expect(again.digest == failure.digest)
        #expect(again.finding == failure.finding)
        return failure.finding
    }

    @Test func `two locks taken in two orders are a deadlock`() throws {
        let found = try finding([
            { locks in locks.one.withLock { locks.other.withLock {} } },
            { locks in locks.other.withLock { locks.one.withLock {} } },
        ])
        #expect(found?.kind == .deadlock)
        #expect(found?.message.contains("which thread 1 has") == true)
    }

    @Test func `a lock taken twice by one thread is a deadlock`() throws {
        let found = try finding([{ locks in locks.one.withLock { locks.one.lock() } }])
        #expect(found?.kind == .deadlock)
    }

    @Test func `a sleeper that looks before it sleeps can miss its wake-up`() throws {
        let found = try finding([
            { locks in if !locks.flag.load() { locks.signal.sleep() } },
            { locks in
                locks.flag.store(true)
                locks.signal.wake()
            },
        ])
        #expect(found?.kind == .lostWakeUp)
    }

    @Test func `a thread that spins on what nobody sets has no end`() throws {
        let found = try finding([{ locks in while !locks.flag.load() {} }])
        #expect(found == Finding(.livelock, "no end after 500 steps"))
    }

    @Test func `a lock made of one word is waited for`() throws {
        func take(_ locks: Locks) {
            while !locks.flag.compareExchange(false, true) { locks.flag.wait(while: true) }
        }
        let worker: (Locks) -> Void = { locks in
            take(locks)
            locks.cell.value += 1
            locks.flag.store(false)
        }
        #expect(try finding(bound: 3, [worker, worker]) == nil)
        // Not given back by the first.
        let found = try finding([{ take($0) }, { take($0) }])
        #expect(found?.kind == .deadlock)
    }

    @Test func `plain memory written by two threads is a data race`() throws {
        let found = try finding([{ $0.cell.value = 1 }, { $0.cell.value = 2 }])
        #expect(found?.kind == .dataRace)
    }

    @Test func `plain memory handed over by a flag is no data race`() throws {
        let found = try finding([
            { locks in
                locks.cell.value = 1
                locks.flag.store(true)
            },
            { locks in if locks.flag.load() { locks.cell.value += 1 } },
        ])
        #expect(found == nil)
    }

    /// Thirty-two bytes that are freed while another thread may still use them.
    private final class Record {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 32, alignment: 32)
        let isGone = Atomic(false)

        deinit { memory.deallocate() }
    }

    private func finding(freeing thread: @escaping (Record) -> Void) throws -> Finding? {
        let explorer = try Explorer(
            ClosureSubject(
                state: Record.init,
                threads: [
                    { record in
                        let isGone = record.isGone.load()
                        if !isGone { Point.reach(.store, record.memory + 8) }
                    }, thread,
                ], check: { _ in }))
        return try explorer.search(.exhaustive(bound: 2)).failure?.finding
    }

    @Test func `memory that is used after it was freed is a finding`() throws {
        let found = try finding { record in
            Point.reach(.free, record.memory)
            record.isGone.store(true)
        }
        #expect(found?.kind == .freed)
        #expect(found?.message.hasSuffix("which was freed") == true)
    }

    @Test func `memory that is used after it was made anew for another is a finding`() throws {
        let found = try finding { record in
            Point.reach(.free, record.memory)
            Point.reach(.make, record.memory)
            record.isGone.store(true)
        }
        #expect(found?.kind == .freed)
        #expect(found?.message.hasSuffix("which was freed and made anew") == true)
    }

    @Test func `memory that was made anew may be used by who is told of it`() throws {
        let explorer = try Explorer(
            ClosureSubject(
                state: Record.init,
                threads: [
                    { record in
                        if record.isGone.load() { Point.reach(.store, record.memory) }
                    },
                    { record in
                        Point.reach(.free, record.memory)
                        Point.reach(.make, record.memory)
                        record.isGone.store(true)
                    },
                ], check: { _ in }))
        #expect(try explorer.search(.exhaustive(bound: 2)).failure == nil)
    }

    @Test func `an error that a thread throws is a finding`() throws {
        struct Broken: Error, CustomStringConvertible { let description = "it broke" }
        #expect(try finding([{ _ in throw Broken() }]) == Finding(.check, "it broke"))
    }

    @Test func `a check that fails inside a thread ends the run`() throws {
        let found = try finding([{ _ in Point.fail("not so") }])
        #expect(found == Finding(.check, "not so"))
    }

    @Test func `a trap is a finding, and the next run goes on`() throws {
        let explorer = try Explorer(
            ClosureSubject(
                state: { Atomic(0) },
                threads: [
                    { word in
                        let index = word.load()
                        precondition(index == 0, "the other thread was first")
                    },
                    { word in word.store(1) },
                ], check: { _ in }))
        for _ in 0..<3 {
            let failure = try #require(try explorer.search(.exhaustive(bound: 1)).failure)
            #expect(failure.finding.kind == .trap)
        }
    }

    @Test func `a thread without end of its stack is a trap`() throws {
        func descend(_ depth: Int, _ locks: Locks) -> Int {
            locks.flag.store(false)
            if depth == .max { return 0 }
            return descend(depth + 1, locks) + depth
        }
        let explorer = try Explorer(
            ClosureSubject(
                state: Locks.init, threads: [{ _ = descend(0, $0) }], check: { _ in }))
        explorer.stepLimit = .max
        #expect(try explorer.search(.exhaustive(bound: 0)).failure?.finding.kind == .trap)
    }

    @Test func `a subject that does not repeat itself is found out`() throws {
        var runs = 0
        let explorer = try Explorer(
            ClosureSubject(
                state: { () -> Locks in
                    runs += 1
                    return Locks()
                },
                threads: [
                    { locks in
                        for _ in 0..<runs % 2 { locks.flag.store(true) }
                    },
                    { locks in locks.flag.store(false) },
                ], check: { _ in }))
        let failure = try explorer.search(.exhaustive(bound: 2)).failure
        #expect(failure?.finding.kind == .nondeterminism)
    }
}
