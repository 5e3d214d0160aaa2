// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct SyncTests {
    @Test func `writes back what is dirty, once, and hears of the next write`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .disk, length: .pages(8))
        let region = try bench.map(0, 4, [.read, .write], .shared, file: file)
        try bench.task.write([1], at: region.address)
        try bench.task.write([2], at: region.address + pageSize)
        #expect(bench.machine.total(.dirty) == 2)
        try bench.task.msync(region, .async)
        #expect(bench.machine.total(.dirty) == 2)
        try bench.task.msync(bench.region(0, 1), .sync)
        #expect(bench.machine.total(.dirty) == 1)
        try bench.task.msync(region, .sync)
        try bench.task.msync(region, .sync)
        #expect(bench.machine.total(.dirty) == 0)
        #expect(bench.machine.total(.pgpgout) == 8)
        try bench.machine.audit()
        try bench.task.write([3], at: region.address)
        #expect(bench.machine.total(.dirty) == 1)
        #expect(try bench.task.read(1, at: region.address) == [3])
        try bench.machine.audit()
    }

    @Test func `errors come in the kernel's order`() throws {
        let bench = try CallBench()
        try bench.map(0, 2)
        try bench.map(4, 2)
        let base = CallBench.base
        func call(_ address: UInt64, _ length: UInt64, _ flags: UInt32) throws {
            try bench.task.msync(
                address: address, length: length, flags: SyncFlags(rawValue: flags))
        }
        bench.expect(.EINVAL) { try call(base + 1, 0 &- pageSize, 8) }
        bench.expect(.EINVAL) { try call(base + 1, 0, 1) }
        bench.expect(.EINVAL) { try call(base, 0 &- pageSize, 5) }
        bench.expect(.ENOMEM) { try call(base, 0 &- pageSize, 1) }
        try call(base + 50 * pageSize, .max, 0)
        try call(base + 50 * pageSize, 0, 4)
        bench.expect(.ENOMEM) { try call(base, 6 * pageSize, 1) }
        try bench.task.mlock(bench.region(4, 2))
        bench.expect(.EBUSY) { try call(base, 6 * pageSize, 2) }
        try bench.machine.audit()
    }
}
