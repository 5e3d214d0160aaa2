// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// How many translations each call withdraws, and from whom.
///
/// The figures are those that the tracepoint `tlb:tlb_flush` of a 6.18 kernel shows for the same
/// calls, with one thread and with a second one that runs on another CPU.
@Suite struct TLBTests {
    /// What flushes have been counted.
    private struct Flushes: Equatable {
        var pages = 0
        var all = 0
        var remote = 0
        var received = 0

        /// `pages` pages one by one, on one CPU or on two.
        static func of(pages: Int, cpus: Int) -> Flushes {
            Flushes(pages: pages, remote: cpus - 1, received: cpus - 1)
        }

        /// Everything at once.
        static func ofAll(cpus: Int) -> Flushes {
            Flushes(all: 1, remote: cpus - 1, received: cpus - 1)
        }

        static let none = Flushes()
    }

    /// A process that has run on all CPUs of its machine.
    private struct Bench {
        let calls: CallBench
        let cpus: Int

        init(cpus: Int) throws {
            self.cpus = cpus
            calls = try CallBench(cpus: cpus)
            // Keeps the tables of the base area, at either end.
            try calls.map(400, 1)
            try calls.map(512 + 400, 1)
            for cpu in 0..<cpus {
                try calls.task.on(cpu: cpu).access(calls.region(400, 1), .write)
            }
            try calls.task.access(calls.region(512 + 400, 1), .write)
        }

        var task: Machine.Task { calls.task }

        /// Maps pages of the base area, and writes those that are named, or all.
        func written(_ first: Int, _ pages: Int, only: [Int]? = nil) throws -> Region {
            let region = try calls.map(first, pages)
            for page in only ?? Array(0..<pages) { try task.access(region.page(page), .write) }
            return region
        }

        private var counted: Flushes {
            let machine = calls.machine
            return Flushes(
                pages: machine.total(.tlbLocalFlushOne), all: machine.total(.tlbLocalFlushAll),
                remote: machine.total(.tlbRemoteFlush),
                received: machine.total(.tlbRemoteFlushReceived))
        }

        /// What a call flushes; the audit holds what is left in the TLBs against the page tables.
        func flushes(_ call: () throws -> Void) throws -> Flushes {
            let before = counted
            try call()
            try calls.machine.audit()
            let after = counted
            return Flushes(
                pages: after.pages - before.pages, all: after.all - before.all,
                remote: after.remote - before.remote, received: after.received - before.received)
        }

        func of(_ pages: Int) -> Flushes { .of(pages: pages, cpus: cpus) }
        var ofAll: Flushes { .ofAll(cpus: cpus) }
    }

    @Test(arguments: [1, 2]) func `munmap flushes once, from the first page to the last`(
        cpus: Int
    ) throws {
        let bench = try Bench(cpus: cpus)
        let task = bench.task
        for (pages, expected) in [(4, bench.of(4)), (33, bench.of(33)), (34, bench.ofAll)] {
            let region = try bench.written(0, pages)
            #expect(try bench.flushes { try task.munmap(region) } == expected)
        }
        let sparse = try bench.written(0, 64, only: [3, 10])
        #expect(try bench.flushes { try task.munmap(sparse) } == bench.of(8))
        // Two VMAs and a hole.
        let two = try bench.written(0, 12)
        try task.munmap(two[4..<8])
        #expect(try bench.flushes { try task.munmap(two) } == bench.of(12))
        let untouched = try bench.calls.map(0, 4)
        #expect(try bench.flushes { try task.munmap(untouched) } == .none)
    }

    @Test(arguments: [1, 2]) func `munmap flushes what led to tables that go`(cpus: Int) throws {
        let bench = try Bench(cpus: cpus)
        // The table begins 50 pages before the range.
        let region = try bench.written(1024 + 50, 4)
        #expect(try bench.flushes { try bench.task.munmap(region) } == bench.ofAll)
        let emptied = try bench.written(1024 + 50, 4)
        try bench.task.madvise(emptied, .dontNeed)
        #expect(try bench.flushes { try bench.task.munmap(emptied) } == bench.of(0))
    }

    @Test(arguments: [1, 2]) func `MADV_DONTNEED and MADV_FREE flush once`(cpus: Int) throws {
        let bench = try Bench(cpus: cpus)
        let task = bench.task
        for advice in [Advice.dontNeed, .free] {
            let sparse = try bench.written(0, 64, only: [3, 10])
            #expect(try bench.flushes { try task.madvise(sparse, advice) } == bench.of(8))
            #expect(try bench.flushes { try task.madvise(sparse, advice) } == .none)
            let far = try bench.written(0, 64, only: [0, 60])
            #expect(try bench.flushes { try task.madvise(far, advice) } == bench.ofAll)
            let two = try bench.written(0, 8)
            try task.madvise(two[4..<8], .dontFork)
            #expect(try bench.flushes { try task.madvise(two, advice) } == bench.of(8))
        }
        // A hole is an error, and what was done is flushed all the same.
        let two = try bench.written(0, 12)
        try task.munmap(two[4..<8])
        #expect(
            try bench.flushes {
                #expect(throws: Errno.ENOMEM) { try task.madvise(two, .dontNeed) }
            } == bench.of(12))
    }

    @Test(arguments: [1, 2]) func `mprotect flushes where a page had rights`(cpus: Int) throws {
        let bench = try Bench(cpus: cpus)
        let task = bench.task
        let region = try bench.written(0, 4)
        let steps: [(Protection, Flushes)] = [
            (.read, bench.of(4)), ([.read, .execute], bench.of(4)), (.read, bench.of(4)),
            ([.read, .write], bench.of(4)), (.none, bench.of(4)), ([.read, .write], .none),
        ]
        for (protection, expected) in steps {
            #expect(try bench.flushes { try task.mprotect(region, protection) } == expected)
        }
        let sparse = try bench.written(0, 20, only: [2, 5])
        #expect(try bench.flushes { try task.mprotect(sparse, .read) } == bench.of(4))
        let two = try bench.written(0, 8)
        try task.madvise(two[4..<8], .dontFork)
        #expect(try bench.flushes { try task.mprotect(two, .read) } == bench.of(8))
        let hole = try bench.written(20, 8)
        try task.munmap(hole[4..<8])
        #expect(
            try bench.flushes {
                #expect(throws: Errno.ENOMEM) { try task.mprotect(hole, .read) }
            } == bench.of(4))
    }

    @Test(arguments: [1, 2]) func `mremap flushes the range that it moved`(cpus: Int) throws {
        let bench = try Bench(cpus: cpus)
        let task = bench.task
        let place = bench.calls.region(512, 64).address
        let region = try bench.written(0, 4)
        #expect(
            try bench.flushes {
                _ = try task.mremap(region, to: .pages(4), [.mayMove, .fixed], at: place)
            } == bench.of(4))
        let sparse = try bench.written(0, 64, only: [3, 10])
        try task.munmap(bench.calls.region(512, 4))
        #expect(
            try bench.flushes {
                _ = try task.mremap(sparse, to: .pages(64), [.mayMove, .fixed], at: place)
            } == bench.ofAll)
        #expect(try bench.flushes { try task.access(bench.calls.region(515, 1), .write) } == .none)
    }

    @Test(arguments: [1, 2]) func `mremap flushes table by table`(cpus: Int) throws {
        let bench = try Bench(cpus: cpus)
        let task = bench.task
        // Two pages in one table, two in the next.
        let region = try bench.written(510, 4)
        let place = bench.calls.region(2048, 4).address
        #expect(
            try bench.flushes {
                _ = try task.mremap(region, to: .pages(4), [.mayMove, .fixed], at: place)
            } == Flushes(pages: 4, remote: 2 * (cpus - 1), received: 2 * (cpus - 1)))
    }

    @Test(arguments: [1, 2]) func `fork flushes everything, and a copy its page`(cpus: Int) throws {
        let bench = try Bench(cpus: cpus)
        let task = bench.task
        let region = try bench.written(0, 4)
        var child: Machine.Task?
        #expect(try bench.flushes { child = try task.fork() } == bench.ofAll)
        #expect(try bench.flushes { try task.access(region.page(0), .write) } == bench.of(1))
        // The child has run nowhere, and its end withdraws nothing that anybody could use.
        #expect(try bench.flushes { child?.exit() } == .none)
        #expect(try bench.flushes { try task.access(region.page(1), .write) } == .none)
        let zero = try bench.calls.map(10, 1)
        try task.access(zero, .read)
        #expect(try bench.flushes { try task.access(zero, .write) } == bench.of(1))
    }

    @Test(arguments: [1, 2]) func `truncation flushes in every address space that maps the file`(
        cpus: Int
    ) throws {
        let bench = try Bench(cpus: cpus)
        let file = bench.calls.machine.makeFile(named: "f", kind: .memory, length: .pages(8))
        let region = try bench.calls.map(0, 8, [.read, .write], .shared, file: file)
        try bench.task.access(region, .write)
        #expect(try bench.flushes { try file.truncate(to: .pages(4)) } == bench.of(4))
    }

    @Test func `a CPU that never ran in an address space is not interrupted`() throws {
        let bench = try CallBench(cpus: 3)
        let region = try bench.map(0, 4)
        try bench.task.access(region, .write)
        try bench.task.on(cpu: 2).access(region, .read)
        try bench.task.munmap(region)
        #expect(bench.machine.total(.tlbRemoteFlush) == 1)
        #expect(bench.machine.total(.tlbRemoteFlushReceived) == 1)
    }
}
