// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct MapTests {
    @Test func `promises are made as the kernel makes them`() throws {
        let bench = try CallBench()
        let before = bench.committed
        func grown() -> Int { bench.committed - before }
        try bench.map(0, 4, [.read, .write], [.private, .anonymous, .growsDown])
        #expect(grown() == 4)
        try bench.map(10, 4, .read)
        try bench.map(20, 4, [.read, .write], [.private, .anonymous, .noReserve])
        #expect(grown() == 4)
        try bench.map(30, 4, [.read, .write], [.shared, .anonymous])
        #expect(grown() == 8)
        // Without reserve, shared memory is promised page by page.
        try bench.map(40, 4, [.read, .write], [.shared, .anonymous, .noReserve])
        #expect(grown() == 8)
        try bench.task.access(bench.region(40, 3), .write)
        #expect(grown() == 11)
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(8))
        try bench.map(50, 8, [.read, .write], .shared, file: file)
        #expect(grown() == 11)
        try bench.task.access(bench.region(50, 5), .write)
        #expect(grown() == 16)
        try bench.machine.audit()
        try file.truncate(to: .pages(2))
        #expect(grown() == 13)
        try bench.task.munmap(bench.region(0, 60))
        #expect(grown() == 2)
        file.close()
        #expect(grown() == 0)
        try bench.machine.audit()
    }

    @Test func `droppable memory is never locked, charged or inherited`() throws {
        let bench = try CallBench()
        let before = bench.committed
        try bench.map(0, 4, [.read, .write], [.droppable, .anonymous])
        #expect(bench.committed == before)
        try bench.task.mlock(bench.region(0, 4))
        #expect(bench.locked == 0)
        bench.expect(.EINVAL) { try bench.task.madvise(bench.region(0, 4), .keepOnFork) }
        try bench.task.madvise(bench.region(0, 4), .doFork)
        try bench.task.madvise(bench.region(0, 4), .free)
        try bench.machine.audit()
    }

    @Test func `huge pages are refused as where no pool was reserved`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(8))
        func map(_ bits: UInt32, _ length: UInt64, _ file: Machine.File?) throws {
            _ = try bench.task.mmap(
                address: 0, length: length, protection: .read,
                flags: MapFlags(rawValue: bits | 0x4_0000), file: file, offset: 0)
        }
        bench.expect(.EINVAL) { try map(0x22 | 22 << 26, 0, nil) }
        bench.expect(.EINVAL) { try map(0x02, 0, file) }
        bench.expect(.EBADF) { try map(0x02, 0, nil) }
        bench.expect(.ENOMEM) { try map(0x22 | 21 << 26, 2 << 20, nil) }
        try bench.machine.audit()
    }

    @Test func `the data limit spares what a fixed mapping replaces`() throws {
        let bench = try CallBench()
        try bench.map(0, 20)
        try bench.task.setLimit(.data, soft: 20 * pageSize, hard: nil)
        try bench.map(0, 20)
        bench.expect(.ENOMEM) { try bench.map(0, 21) }
        #expect(bench.layout() == ["0..<20 rw-"])
        try bench.machine.audit()
    }

    @Test func `a process without a program has its heap above where a program would end`() throws {
        let bench = try CallBench()
        let start: UInt64 = 0x5555_5555_C000
        #expect(bench.task.brk(0) == start)
        #expect(bench.task.brk(start + 4 * pageSize) == start + 4 * pageSize)
        #expect(bench.task.brk(4 * pageSize) == start + 4 * pageSize)
        try bench.machine.audit()
    }
}
