// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct ProtectTests {
    @Test func `errors come in the kernel's order`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        let base = CallBench.base
        func call(_ address: UInt64, _ length: UInt64, _ bits: UInt32) throws {
            try bench.task.mprotect(
                address: address, length: length, protection: Protection(rawValue: bits))
        }
        bench.expect(.EINVAL) { try call(base, 0, 0x0300_0000) }
        bench.expect(.EINVAL) { try call(base + 1, 0, 1) }
        try call(base + 100 * pageSize, 0, 0x10)
        bench.expect(.ENOMEM) { try call(base, .max, 0x10) }
        bench.expect(.EINVAL) { try call(base + 100 * pageSize, pageSize, 0x10) }
        bench.expect(.ENOMEM) { try call(base + 100 * pageSize, pageSize, 0x0100_0001) }
        bench.expect(.EINVAL) { try call(base, pageSize, 0x0100_0001) }
        bench.expect(.EINVAL) { try call(base, pageSize, 0x0200_0001) }
        try call(base, pageSize, 8 | 1)
        bench.expect(.ENOMEM) { try call(PageTables.userTop - pageSize, pageSize, 1) }
        try bench.machine.audit()
    }

    @Test func `what lies before a hole is changed, and nothing behind it`() throws {
        let bench = try CallBench()
        try bench.map(0, 2)
        try bench.map(4, 2)
        bench.expect(.ENOMEM) { try bench.task.mprotect(bench.region(0, 6), .read) }
        #expect(bench.layout() == ["0..<2 r--", "4..<6 rw-"])
        bench.expect(.ENOMEM) { try bench.task.mprotect(bench.region(2, 4), .read) }
        #expect(bench.layout() == ["0..<2 r--", "4..<6 rw-"])
        try bench.machine.audit()
    }

    @Test func `the rights met by the last fault are not remembered beyond a change`() throws {
        let bench = try CallBench()
        let region = try bench.map(0, 6)
        try bench.task.access(bench.region(0, 1), .write)
        // No split and no merge: nothing but the rights of the one VMA changes.
        try bench.task.mprotect(region, .read)
        bench.expect(.segmentationProtected, at: 1, .write)
        try bench.task.access(bench.region(1, 1), .read)
        try bench.task.mprotect(region, .none)
        bench.expect(.segmentationProtected, at: 2, .read)
        try bench.task.mprotect(region, [.read, .write])
        try bench.task.access(bench.region(3, 1), .write)
        // The border moves, and both VMAs stay.
        try bench.task.mprotect(bench.region(4, 2), .read)
        try bench.task.mprotect(bench.region(3, 1), .read)
        bench.expect(.segmentationProtected, at: 3, .write)
        bench.expect(.segmentationProtected, at: 4, .write)
        try bench.machine.audit()
    }

    @Test func `a page without rights keeps its frame and its contents`() throws {
        let bench = try CallBench()
        let region = try bench.map(0, 4)
        try bench.task.write([1, 2, 3], at: region.address + pageSize)
        try bench.task.access(bench.region(2, 1), .read)
        try bench.task.mprotect(region, .none)
        try bench.machine.audit()
        #expect(bench.resident == 1)
        bench.expect(.segmentationProtected, at: 1, .read)
        bench.expect(.segmentationProtected, at: 1, .write)
        try bench.task.mprotect(region, .read)
        try bench.machine.audit()
        #expect(try bench.task.read(3, at: region.address + pageSize) == [1, 2, 3])
        bench.expect(.segmentationProtected, at: 1, .write)
        try bench.task.mprotect(region, [.read, .write])
        let faults = bench.machine.total(.pgfault)
        try bench.task.write([9], at: region.address + pageSize)
        #expect(bench.machine.total(.pgfault) == faults)
        #expect(try bench.task.read(3, at: region.address + pageSize) == [9, 2, 3])
        try bench.machine.audit()
    }

    @Test func `forked pages without rights are copied before they are written`() throws {
        let bench = try CallBench()
        let region = try bench.map(0, 2)
        try bench.task.write([5], at: region.address)
        try bench.task.mprotect(region, .none)
        let child = try bench.task.fork()
        try bench.machine.audit()
        try child.mprotect(region, [.read, .write])
        try child.write([6], at: region.address)
        try bench.task.mprotect(region, [.read, .write])
        #expect(try bench.task.read(1, at: region.address) == [5])
        #expect(try child.read(1, at: region.address) == [6])
        try bench.machine.audit()
        child.exit()
        try bench.machine.audit()
    }

    @Test func `execution follows the right to execute`() throws {
        let bench = try CallBench()
        try bench.map(0, 2)
        try bench.task.access(bench.region(0, 1), .write)
        bench.expect(.segmentationProtected, at: 0, .execute)
        try bench.task.mprotect(bench.region(0, 2), [.read, .execute])
        try bench.task.access(bench.region(0, 1), .execute)
        #expect(bench.flags(at: 0).contains(.execute))
        try bench.machine.audit()
        try bench.task.mprotect(bench.region(0, 2), .write)
        try bench.task.access(bench.region(0, 1), .read)
        bench.expect(.segmentationProtected, at: 0, .execute)
        try bench.machine.audit()
    }

    @Test func `a shared mapping of a read-only descriptor never becomes writable`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(
            named: "f", kind: .memory, length: .pages(4), access: .read)
        try bench.map(0, 2)
        try bench.map(2, 2, .read, .shared, file: file)
        bench.expect(.EACCES) { try bench.task.mprotect(bench.region(2, 2), [.read, .write]) }
        try bench.task.mprotect(bench.region(0, 2), .read)
        // The VMAs before the error stay changed.
        bench.expect(.EACCES) { try bench.task.mprotect(bench.region(0, 4), [.read, .write]) }
        #expect(bench.layout() == ["0..<2 rw-", "2..<4 r--"])
        try bench.machine.audit()
    }

    @Test func `a stack is protected from its start on request`() throws {
        let bench = try CallBench()
        try bench.map(0, 4, [.read, .write], [.private, .anonymous, .growsDown])
        try bench.task.mprotect(bench.region(2, 1), [.read, .growsDown])
        #expect(bench.layout() == ["0..<3 r--", "3..<4 rw-"])
        try bench.machine.audit()
    }

    @Test func `promises follow the right to write until a page is made`() throws {
        let bench = try CallBench()
        let before = bench.committed
        let region = try bench.map(0, 8)
        #expect(bench.committed == before + 8)
        try bench.task.mprotect(region, .read)
        #expect(bench.committed == before)
        try bench.task.mprotect(region, [.read, .write])
        #expect(bench.committed == before + 8)
        try bench.task.mprotect(bench.region(4, 4), .none)
        #expect(bench.committed == before + 4)
        try bench.task.mprotect(region, [.read, .write])
        #expect(bench.layout() == ["0..<8 rw-"])
        try bench.task.access(bench.region(0, 1), .write)
        try bench.task.mprotect(region, .read)
        #expect(bench.committed == before + 8)
        try bench.machine.audit()
    }

    @Test func `the data limit refuses what would pass it`() throws {
        let bench = try CallBench()
        let region = try bench.map(0, 20, .read)
        try bench.task.setLimit(.data, soft: 10 * pageSize, hard: nil)
        bench.expect(.ENOMEM) { try bench.task.mprotect(region, [.read, .write]) }
        try bench.task.mprotect(bench.region(0, 10), [.read, .write])
        bench.expect(.ENOMEM) { try bench.task.mprotect(bench.region(10, 1), .write) }
        #expect(bench.layout() == ["0..<10 rw-", "10..<20 r--"])
        try bench.machine.audit()
    }

    @Test func `a locked area that becomes writable is populated, one locked on fault is not`()
        throws
    {
        let bench = try CallBench()
        let region = try bench.map(0, 4, .none)
        bench.expect(.ENOMEM) { try bench.task.mlock(region) }
        try bench.task.mprotect(bench.region(1, 1), [.read, .write])
        #expect(bench.resident == 1)
        try bench.task.mlock(region, onFault: true)
        try bench.task.mprotect(bench.region(2, 2), [.read, .write])
        #expect(bench.resident == 1)
        #expect(bench.locked == 4)
        try bench.machine.audit()
    }

    @Test func `a border moves between neighbours at the limit of VMAs`() throws {
        let bench = try CallBench(maxMapCount: 2)
        try bench.map(0, 8)
        try bench.task.access(bench.region(0, 8), .write)
        try bench.task.mprotect(bench.region(0, 4), .read)
        #expect(bench.layout() == ["0..<4 r--", "4..<8 rw-"])
        try bench.task.mprotect(bench.region(4, 2), .read)
        #expect(bench.layout() == ["0..<6 r--", "6..<8 rw-"])
        try bench.machine.audit()
        try bench.task.mprotect(bench.region(2, 4), [.read, .write])
        #expect(bench.layout() == ["0..<2 r--", "2..<8 rw-"])
        bench.expect(.ENOMEM) { try bench.task.mprotect(bench.region(4, 1), .read) }
        #expect(bench.layout() == ["0..<2 r--", "2..<8 rw-"])
        try bench.task.mprotect(bench.region(0, 2), [.read, .write])
        #expect(bench.layout() == ["0..<8 rw-"])
        try bench.machine.audit()
    }

    @Test func `the middle of three becomes one with both neighbours`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(12))
        try bench.map(0, 12)
        try bench.map(20, 12, [.read, .write], .shared, file: file)
        for start in [0, 20] {
            for isTouched in [false, true] {
                if isTouched { try bench.task.access(bench.region(start, 12), .write) }
                try bench.task.mprotect(bench.region(start + 4, 4), .read)
                #expect(bench.layout().count == 4)
                try bench.machine.audit()
                try bench.task.mprotect(bench.region(start + 4, 4), [.read, .write])
                #expect(bench.layout() == ["0..<12 rw-", "20..<32 rw-"])
                try bench.machine.audit()
            }
        }
    }

    @Test func `a shared page of a file in memory is written without a fault after a toggle`()
        throws
    {
        let bench = try CallBench()
        for kind in [FileKind.memory, .disk] {
            let file = bench.machine.makeFile(named: "f", kind: kind, length: .pages(4))
            let region = try bench.map(0, 4, [.read, .write], .shared, file: file)
            try bench.task.write([1], at: region.address)
            try bench.task.mprotect(region, .read)
            bench.expect(.segmentationProtected, at: 0, .write)
            try bench.task.mprotect(region, [.read, .write])
            let faults = bench.machine.total(.pgfault)
            try bench.task.write([2], at: region.address)
            #expect(bench.machine.total(.pgfault) == faults)
            try bench.machine.audit()
            try bench.task.munmap(region)
            file.close()
            try bench.machine.audit()
        }
    }
}
