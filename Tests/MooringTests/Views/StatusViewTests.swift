// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct StatusViewTests {
    @Test func `prints status and statm as the kernel does`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let program = machine.makeFile(named: "/tmp/p7", kind: .disk, length: .pages(16))
        try task.loadProgram(program)
        let library = machine.makeFile(named: "/lib/l.so", kind: .disk, length: .pages(16))
        _ = try task.mmap(
            length: .pages(7), protection: [.read, .execute], flags: .private, file: library)
        try task.access(Region(address: 0x5555_5555_4000, length: 0x3000), .read)
        try task.access(Region(address: 0x5555_5555_C000, length: 0x1000), .write)
        let shared = try task.mmap(
            length: .pages(2), protection: [.read, .write], flags: [.shared, .anonymous])
        try task.access(shared[0..<1], .write)
        let region = try task.mmap(
            length: .pages(8), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region, .write)
        try task.mlock(region[0..<3])
        try task.munmap(region[4..<8])
        #expect(
            task.status() == """
                Name:	p7
                State:	R (running)
                Tgid:	1
                Pid:	1
                VmPeak:	     400 kB
                VmSize:	     384 kB
                VmLck:	      12 kB
                VmPin:	       0 kB
                VmHWM:	      52 kB
                VmRSS:	      36 kB
                RssAnon:	      20 kB
                RssFile:	      12 kB
                RssShmem:	       4 kB
                VmData:	      20 kB
                VmStk:	     264 kB
                VmExe:	      24 kB
                VmLib:	      36 kB
                VmPTE:	      24 kB
                VmSwap:	       0 kB
                HugetlbPages:	       0 kB
                Threads:	1

                """)
        #expect(task.statm() == "96 9 4 6 0 71 0\n")
    }

    @Test func `figures follow what a process does`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let idle = task.figures()
        #expect(idle.virtual == 0)
        #expect(idle.tables == 0)
        let region = try task.mmap(
            length: .pages(100), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region[0..<40], .write)
        try task.mlock(region[90..<100], onFault: true)
        let full = task.figures()
        #expect(full.residentAnonymous == 40)
        #expect(full.resident == 40)
        #expect(full.locked == 10)
        #expect(full.data == 100)
        #expect(full.tables == 3)
        #expect(full.minorFaults == 40)
        try task.munmap(region)
        let after = task.figures()
        #expect(after.resident == 0)
        #expect(after.peakResident == 40)
        #expect(after.peakVirtual == 100)
        #expect(after.locked == 0)
    }
}
