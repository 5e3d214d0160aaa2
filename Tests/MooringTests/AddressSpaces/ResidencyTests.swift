// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct ResidencyTests {
    @Test func `tells what is in memory, mapped or cached`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(3))
        try bench.map(0, 6)
        try bench.task.access(bench.region(1, 1), .read)
        try bench.task.access(bench.region(2, 1), .write)
        try bench.task.access(bench.region(3, 1), .write)
        try bench.task.mprotect(bench.region(3, 1), .none)
        try bench.task.madvise(bench.region(4, 1), .guardInstall)
        #expect(try bench.task.mincore(bench.region(0, 6)) == [0, 1, 1, 1, 0, 0])
        try bench.map(6, 4, [.read, .write], .shared, file: file)
        try bench.task.access(bench.region(7, 1), .write)
        #expect(try bench.task.mincore(bench.region(6, 4)) == [0, 1, 0, 0])
        // Another process sees what the cache holds without mapping it.
        try bench.task.munmap(bench.region(6, 4))
        try bench.map(6, 4, .read, .private, file: file)
        #expect(try bench.task.mincore(bench.region(6, 4)) == [0, 1, 0, 0])
        try bench.machine.audit()
    }

    @Test func `errors come in the kernel's order`() throws {
        let bench = try CallBench()
        try bench.map(0, 1)
        let base = CallBench.base
        bench.expect(.EINVAL) { _ = try bench.task.mincore(address: base + 1, length: .max) }
        bench.expect(.ENOMEM) { _ = try bench.task.mincore(address: base, length: .max) }
        bench.expect(.ENOMEM) { _ = try bench.task.mincore(address: base, length: 2 * pageSize) }
        #expect(try bench.task.mincore(address: base + 50 * pageSize, length: 0) == [])
        #expect(try bench.task.mincore(address: base, length: 1) == [0])
        try bench.machine.audit()
    }
}
