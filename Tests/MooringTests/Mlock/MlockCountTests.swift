// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// The count of one page's locked mappings.
///
/// Each CPU's requests wait in its own batch until it is full or drained, so that one thread can
/// carry them out in any order.
@Suite struct MlockCountTests {
    /// Three processes, each on a CPU of its own, that map the only page of a file.
    private struct Bench {
        let machine: Machine
        let file: Machine.File
        let tasks: [Machine.Task]
        let pages: [Region]

        init() throws {
            let machine = try ConcurrencyBench.machine(cpus: 3)
            let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
            self.machine = machine
            self.file = file
            tasks = (0..<3).map { machine.spawn(on: $0) }
            pages = try tasks.map { try $0.map(file, pages: 1) }
        }

        var frame: FrameRef { machine.frames[file.file.index.lookup(0)] }

        func drain(_ cpu: Int) {
            machine.cpus[cpu].enter()
            machine.batches.drain(on: machine.cpus[cpu])
            machine.cpus[cpu].leave()
        }

        /// Brings the page in and puts it on its list, mapped by nobody.
        func list() throws {
            try tasks[0].access(pages[0], .read)
            try tasks[0].madvise(pages[0], .dontNeed)
            drain(0)
        }

        func expectNothingLocked() throws {
            machine.drainBatches()
            try machine.audit()
            #expect(machine.total(.mlock) == 0)
            #expect(machine.total(.unevictable) == 0)
            #expect(machine.total(.unevictableCleared) == 0)
        }
    }

    @Test func `the last of several locked mappings makes a page evictable`() throws {
        let bench = try Bench()
        try bench.list()
        for index in 0..<3 {
            try bench.tasks[index].mlock(bench.pages[index])
            bench.machine.drainBatches()
            #expect(bench.frame.mlockCount == UInt32(index + 1))
            try bench.machine.audit()
        }
        #expect(bench.machine.total(.unevictableMlocked) == 1)
        #expect(bench.machine.total(.unevictableCulled) == 1)
        try bench.tasks[1].munlock(bench.pages[1])
        bench.tasks[2].exit()
        bench.machine.drainBatches()
        #expect(bench.frame.mlockCount == 1)
        #expect(bench.machine.total(.unevictable) == 1)
        try bench.tasks[0].munmap(bench.pages[0])
        try bench.expectNothingLocked()
        #expect(bench.machine.total(.unevictableMunlocked) == 1)
        #expect(bench.machine.total(.unevictableRescued) == 1)
    }

    @Test func `an unlock that overtakes its lock leaves no count behind`() throws {
        let bench = try Bench()
        try bench.list()
        try bench.tasks[0].mlock(bench.pages[0], onFault: true)
        // Asked for on CPU 0, and taken back on CPU 1 before CPU 0 has carried it out.
        try bench.tasks[0].access(bench.pages[0], .read)
        try bench.tasks[0].on(cpu: 1).madvise(bench.pages[0], .dontNeedLocked)
        #expect(bench.frame.mlockDebt == 1)
        try bench.tasks[2].mlock(bench.pages[2])
        bench.drain(2)
        bench.drain(0)
        #expect(bench.frame.mlockDebt == 0)
        #expect(bench.frame.mlockCount == 1)
        try bench.machine.audit()
        try bench.tasks[2].munlock(bench.pages[2])
        try bench.expectNothingLocked()
    }

    @Test func `a frame is handed out without the debt of its former life`() throws {
        let bench = try Bench()
        try bench.list()
        try bench.tasks[0].mlock(bench.pages[0], onFault: true)
        try bench.tasks[0].access(bench.pages[0], .read)
        try bench.tasks[0].on(cpu: 1).madvise(bench.pages[0], .dontNeedLocked)
        let frame = bench.frame
        #expect(frame.mlockDebt == 1)
        // The request on CPU 0 is all that keeps the frame.
        try bench.file.truncate(to: .pages(0))
        bench.drain(0)
        #expect(frame.referenceCount == 0)
        #expect(frame.mlockDebt == 0)
        try bench.expectNothingLocked()
    }

    @Test func `a page unlocked before another CPU has listed it is stranded`() throws {
        let bench = try Bench()
        // The page waits in CPU 0's batch of additions.
        try bench.tasks[0].access(bench.pages[0], .read)
        try bench.tasks[1].mlock(bench.pages[1])
        try bench.tasks[1].munlock(bench.pages[1])
        #expect(bench.machine.total(.unevictableStranded) == 1)
        #expect(bench.machine.total(.unevictableMunlocked) == 0)
        bench.drain(0)
        // Its mark was gone when it was listed, so it went where it belongs.
        #expect(bench.frame.has(.onLRU))
        #expect(!bench.frame.has(.unevictable))
        try bench.expectNothingLocked()
    }

    @Test func `a frame that is freed while it is marked takes its mark along`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 1)
        let cpu = machine.cpus[0]
        cpu.enter()
        let pfn = machine.allocator.allocate(type: .movable, on: cpu)
        let frame = machine.frames[pfn]
        frame.resetFlags([.anonymous, .swapBacked])
        frame.counts.store(2 * FrameRef.oneReference)
        machine.batches.mlockNewTakingReference(pfn, frame, on: cpu)
        machine.batches.drain(on: cpu)
        #expect(frame.mlockCount == 1)
        // Nobody has asked for an unlock when the last holder lets go.
        machine.batches.release(pfn, on: cpu)
        cpu.leave()
        #expect(machine.total(.unevictableCleared) == 1)
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
        try machine.audit()
    }
}
