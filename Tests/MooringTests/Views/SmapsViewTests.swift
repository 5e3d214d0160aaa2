// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct SmapsViewTests {
    @Test func `prints a paragraph as the kernel does`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            address: 0x1000_0000_0000, length: .pages(4), protection: [.read, .write],
            flags: [.private, .anonymous, .fixed])
        try task.mlock(region[0..<3])
        try task.munlock(region[2..<3])
        try task.access(region[3..<4], .read)
        #expect(
            task.smaps() == """
                100000000000-100000002000 rw-p 00000000 00:00 0 
                Size:                  8 kB
                KernelPageSize:        4 kB
                MMUPageSize:           4 kB
                Rss:                   8 kB
                Pss:                   8 kB
                Pss_Dirty:             8 kB
                Shared_Clean:          0 kB
                Shared_Dirty:          0 kB
                Private_Clean:         0 kB
                Private_Dirty:         8 kB
                Referenced:            8 kB
                Anonymous:             8 kB
                KSM:                   0 kB
                LazyFree:              0 kB
                AnonHugePages:         0 kB
                ShmemPmdMapped:        0 kB
                FilePmdMapped:         0 kB
                Shared_Hugetlb:        0 kB
                Private_Hugetlb:       0 kB
                Swap:                  0 kB
                SwapPss:               0 kB
                Locked:                8 kB
                THPeligible:           0
                VmFlags: rd wr mr mw me lo ac 
                100000002000-100000004000 rw-p 00000000 00:00 0 
                Size:                  8 kB
                KernelPageSize:        4 kB
                MMUPageSize:           4 kB
                Rss:                   4 kB
                Pss:                   4 kB
                Pss_Dirty:             4 kB
                Shared_Clean:          0 kB
                Shared_Dirty:          0 kB
                Private_Clean:         0 kB
                Private_Dirty:         4 kB
                Referenced:            4 kB
                Anonymous:             4 kB
                KSM:                   0 kB
                LazyFree:              0 kB
                AnonHugePages:         0 kB
                ShmemPmdMapped:        0 kB
                FilePmdMapped:         0 kB
                Shared_Hugetlb:        0 kB
                Private_Hugetlb:       0 kB
                Swap:                  0 kB
                SwapPss:               0 kB
                Locked:                0 kB
                THPeligible:           0
                VmFlags: rd wr mr mw me ac 

                """)
    }

    @Test func `shares a page among those that map it`() throws {
        let machine = try Machine.small()
        let parent = machine.spawn()
        let region = try parent.mmap(
            length: .pages(6), protection: [.read, .write], flags: [.private, .anonymous])
        try parent.access(region, .write)
        let children = try (0..<2).map { _ in try parent.fork() }
        try children[0].access(region[0..<3], .write)
        // Three pages are mapped by two, three by all three.
        let text = parent.smaps()
        #expect(total("Rss", in: text) == 24)
        #expect(total("Pss", in: text) == 6 + 4 - 1)  // Each third of a page is cut off.
        #expect(total("Shared_Dirty", in: text) == 24)
        #expect(total("Private_Dirty", in: text) == 0)
        #expect(total("Private_Dirty", in: children[0].smaps()) == 12)
        #expect(total("Referenced", in: children[1].smaps()) == 0)
        let all = [parent] + children
        let shares = all.map { total("Pss", in: $0.smapsRollup()) }
        // Each view cuts off the fraction of a kilobyte that thirds leave.
        #expect(machine.total(.anonPages).kilobytes - shares.reduce(0, +) <= all.count)
        children[0].exit()
        children[1].exit()
        #expect(total("Private_Dirty", in: parent.smaps()) == 24)
        #expect(total("Pss", in: parent.smaps()) == 24)
    }

    @Test func `locked memory counts by share`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let file = machine.makeFile(named: "/memfd:x (deleted)", kind: .memory, length: .pages(4))
        let regions = try (0..<2).map { _ in
            try task.mmap(
                length: .pages(4), protection: [.read, .write], flags: .shared, file: file)
        }
        for region in regions { try task.mlock(region) }
        #expect(total("Locked", in: task.smaps()) == 16)
        #expect(total("VmLck", in: task.status()) == 32)
        #expect(total("Private_Clean", in: task.smaps()) == 0)
        #expect(total("Shared_Clean", in: task.smaps()) == 32)
        #expect(total("Pss_Shmem", in: task.smapsRollup()) == 16)
    }

    @Test func `the sums of smaps are those of rollup and status`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let program = machine.makeFile(named: "/bin/p", kind: .disk, length: .pages(16))
        try task.loadProgram(program)
        _ = task.brk(0x5555_5555_D000 + 0x21000)
        try task.access(Region(address: 0x5555_5555_4000, length: 0x8000), .read)
        try task.access(Region(address: 0x5555_5555_C000, length: 0x9000), .write)
        let shared = try task.mmap(
            length: .pages(32), protection: [.read, .write], flags: [.shared, .anonymous])
        try task.access(shared[0..<5], .write)
        try task.access(shared[7..<9], .read)
        try task.mlockall([.current, .onFault])
        let smaps = task.smaps()
        let rollup = task.smapsRollup()
        let status = task.status()
        for name in fieldNames(rollup).dropFirst() where !name.contains("Pss") {
            #expect(total(name, in: smaps) == total(name, in: rollup), "\(name)")
        }
        #expect(total("Size", in: smaps) == total("VmSize", in: status))
        #expect(total("Rss", in: smaps) == total("VmRSS", in: status))
        #expect(total("Anonymous", in: smaps) == total("RssAnon", in: status))
        #expect(total("Pss_Shmem", in: rollup) == total("RssShmem", in: status))
        #expect(total("Pss_File", in: rollup) == total("RssFile", in: status))
        #expect(total("Pss_Anon", in: rollup) == total("RssAnon", in: status))
        let parts = ["Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty"]
        #expect(parts.reduce(0) { $0 + total($1, in: rollup) } == total("Rss", in: rollup))
        #expect(total("VmRSS", in: status) == 4 * (8 + 9 + 7))
        try machine.audit()
    }

    @Test func `the codes of flags stand in the kernel's order`() {
        // Combinations that a kernel 6.18 printed.
        let everything: VMAFlags = [
            .read, .write, .mayRead, .mayWrite, .mayExecute, .growsDown, .locked, .randomRead,
            .dontCopy, .lockOnFault, .noReserve, .wipeOnFork, .dontDump, .hugePage, .mergeable,
        ]
        #expect(everything.codesText == "rd wr mr mw me gd lo rr dc lf nr wf dd hg mg ")
        let droppable: VMAFlags = [
            .read, .write, .mayRead, .mayWrite, .mayExecute, .noReserve, .wipeOnFork, .dontDump,
            .noHugePage, .droppable,
        ]
        #expect(droppable.codesText == "rd wr mr mw me nr wf dd nh dp ")
        let guarded: VMAFlags = [
            .read, .write, .shared, .mayRead, .mayWrite, .mayExecute, .mayShare, .guarded,
            .locked, .sequentialRead, .dontDump, .noHugePage,
        ]
        #expect(guarded.codesText == "rd wr sh mr mw me ms gu lo sr dd nh ")
        let clock: VMAFlags = [.read, .mayRead, .pfnMapped, .io, .dontExpand, .dontDump]
        #expect(clock.codesText == "rd mr pf io de dd ")
    }
}
