// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

/// Mistakes that no call of the engine makes are planted here, by changing entries behind its back.
@Suite struct TranslationCachesTests {
    /// A written page that both CPUs of a machine hold a translation of.
    private struct Bench {
        let calls: CallBench
        let page: Region
        let table: TableRef
        let index: Int

        init() throws {
            calls = try CallBench(cpus: 2)
            page = try calls.map(0, 1)
            for cpu in 0..<2 { try calls.task.on(cpu: cpu).access(page, .write) }
            let root = calls.task.process.space.root
            table = try #require(calls.machine.spaces.tables.find(root: root, page.address))
            index = TableLevel.pte.index(of: page.address)
        }

        var machine: Machine { calls.machine }
        var space: AddressSpace { calls.task.process.space }

        /// Flushes what was withdrawn of the page, or does not.
        func flush() {
            machine.cpus[0].enter()
            machine.spaces.tlb.flush(
                space, FlushRange(page.address..<page.address + pageSize), on: machine.cpus[0])
            machine.cpus[0].leave()
        }
    }

    @Test func `a translation that was flushed is used no more`() throws {
        let bench = try Bench()
        bench.table.set(bench.index, bench.table[bench.index].without(Entry.writable))
        bench.flush()
        try bench.calls.task.on(cpu: 1).access(bench.page, .write)
        try bench.machine.audit()
    }

    @Test func `a translation may be used until its withdrawal has ended`() throws {
        let bench = try Bench()
        bench.machine.spaces.tlb.beginWithdrawal(in: bench.space)
        bench.table.set(bench.index, bench.table[bench.index].without(Entry.writable))
        try bench.calls.task.on(cpu: 1).access(bench.page, .read)
        #expect(throws: AuditFailure.self) { try bench.machine.audit() }
        bench.flush()
        bench.machine.spaces.tlb.endWithdrawal(in: bench.space)
        try bench.calls.task.on(cpu: 1).access(bench.page, .write)
        try bench.machine.audit()
    }

    @Test func `the audit finds a translation that was not flushed`() throws {
        for lost in [Entry.writable, Entry.dirty] {
            let bench = try Bench()
            bench.table.set(bench.index, bench.table[bench.index].without(lost))
            let failure = #expect(throws: AuditFailure.self) { try bench.machine.audit() }
            #expect(failure?.description.contains("translation of") == true)
        }
    }

    @Test func `an access through a page that has gone stops the program`() async {
        let ended = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let bench = try Bench()
            _ = bench.table.take(bench.index)
            try bench.calls.task.on(cpu: 1).access(bench.page, .read)
        }
        #expect(TranslationCachesTests.text(ended).contains("CPU 1 uses a stale translation"))
    }

    @Test func `an access with rights that have gone stops the program`() async {
        let ended = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let bench = try Bench()
            bench.table.set(bench.index, bench.table[bench.index].without(Entry.writable))
            try bench.calls.task.on(cpu: 1).access(bench.page, .write)
        }
        #expect(TranslationCachesTests.text(ended).contains("CPU 1 uses a stale translation"))
    }

    @Test func `a frame freed under a translation stops the program`() async {
        let ended = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let bench = try Bench()
            let cpu = bench.machine.cpus[0]
            cpu.enter()
            bench.machine.batches.drain(on: cpu)
            var pfn = bench.table.take(bench.index).frame
            _ = bench.machine.spaces.counts.unmap(
                pfn, bench.machine.frames[pfn], isLocked: false, on: cpu)
            bench.machine.batches.free(&pfn, count: 1, on: cpu)
        }
        #expect(TranslationCachesTests.text(ended).contains("is freed while CPU 0 holds"))
    }

    private static func text(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }

    @Test func `what TLBs hold changes no result`() throws {
        let counted = try [0, 1, 64].map { entries in
            var configuration = MachineConfiguration(memory: .mebibytes(64))
            configuration.cpus = 2
            configuration.tlbEntries = entries
            let machine = try Machine(configuration)
            let task = machine.spawn()
            let region = try task.mapPrivate(pages: 200)
            var random = SeededRandom(seed: 7)
            for _ in 0..<300 {
                let part = region[random.pages(below: 200)]
                let mine = task.on(cpu: random.below(2))
                switch random.below(6) {
                case 0: try mine.madvise(part, .dontNeed)
                case 1: try mine.madvise(part, .free)
                case 2: try mine.mprotect(part, [.read, .write, .execute])
                case 3: try mine.fork().exit()
                default: try mine.access(part, random.below(2) == 0 ? .read : .write)
                }
            }
            try machine.audit()
            return Event.allCases.map { machine.total($0) }
        }
        #expect(counted[0] == counted[1])
        #expect(counted[0] == counted[2])
    }
}
