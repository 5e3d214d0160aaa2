// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct MapsViewTests {
    @Test func `prints every kind of mapping as the kernel does`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let program = machine.makeFile(named: "/tmp/probes/p7", kind: .disk, length: .pages(16))
        try task.loadProgram(program)
        _ = task.brk(0x5555_5555_D000 + 0x21000)
        let memory = machine.makeFile(
            named: "/memfd:m (deleted)", kind: .memory, length: .pages(16))
        let base: UInt64 = 0x1000_0000_0000
        let fixed: MapFlags = [.fixed, .anonymous]
        _ = try task.mmap(
            address: base, length: .pages(3), protection: [.read, .write],
            flags: fixed.union(.private))
        _ = try task.mmap(
            address: base + 0x3000, length: .pages(1), protection: [], flags: fixed.union(.private))
        _ = try task.mmap(
            address: base + 0x6000, length: .pages(2), protection: [.read, .write],
            flags: [.shared, .fixed], file: memory, offset: .pages(3))
        _ = try task.mmap(
            address: base + 0x8000, length: .pages(1), protection: .read,
            flags: fixed.union(.shared))
        #expect(
            task.maps() == """
                100000000000-100000003000 rw-p 00000000 00:00 0 
                100000003000-100000004000 ---p 00000000 00:00 0 
                100000006000-100000008000 rw-s 00003000 00:01 2                          /memfd:m (deleted)
                100000008000-100000009000 r--s 00000000 00:01 3                          /dev/zero (deleted)
                555555554000-555555556000 r--p 00000000 08:01 1                          /tmp/probes/p7
                555555556000-55555555c000 r-xp 00002000 08:01 1                          /tmp/probes/p7
                55555555c000-55555555d000 rw-p 00008000 08:01 1                          /tmp/probes/p7
                55555555d000-55555557e000 rw-p 00000000 00:00 0                          [heap]
                7ffff7fc2000-7ffff7fc6000 r--p 00000000 00:00 0                          [vvar]
                7ffff7fc6000-7ffff7fc8000 r--p 00000000 00:00 0                          [vvar_vclock]
                7ffff7fc8000-7ffff7fca000 r-xp 00000000 00:00 0                          [vdso]
                7ffffffbd000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]

                """)
        try machine.audit()
    }

    @Test func `a file's name stays on its line`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let file = machine.makeFile(named: "/tmp/two\nlines", kind: .disk, length: .pages(1))
        _ = try task.mmap(
            address: 0x10000, length: .pages(1), protection: .read, flags: [.private, .fixed],
            file: file)
        let line =
            "00010000-00011000 r--p 00000000 08:01 1                                  "
        #expect(task.maps() == line + "/tmp/two\\012lines\n")
    }

    @Test func `a piece of a split stack keeps no name unless it holds the top`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        try task.loadProgram(
            machine.makeFile(named: "/bin/p", kind: .disk, length: .pages(16)))
        try task.mlock(Region(address: 0x7FFF_FFFB_D000, length: pageSize), onFault: true)
        let stacks = task.maps().split(separator: "\n").suffix(2)
        #expect(stacks.map { $0.hasSuffix("[stack]") } == [false, true])
    }

    @Test func `summaries say what is resident and what is locked`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(8), protection: [.read, .write], flags: [.private, .anonymous])
        try task.mlock(region[2..<6], onFault: true)
        try task.access(region[3..<8], .write)
        let summaries = task.vmaSummaries()
        #expect(summaries.map(\.pages) == [2, 4, 2])
        #expect(summaries.map(\.resident) == [0, 3, 2])
        #expect(summaries.map(\.locked) == [0, 4, 0])
        #expect(summaries[1].flags == "rd wr mr mw me lo lf ac ")
        #expect(summaries[0].rights == "rw-p")
    }
}
