// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct RemapFilePagesTests {
    @Test func `maps other pages of the file and populates them`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(8))
        try bench.map(0, 8, [.read, .write], .shared, file: file)
        for page in 0..<8 {
            try bench.task.write([UInt8(page)], at: bench.region(page, 1).address)
        }
        try bench.task.remapFilePages(bench.region(0, 2), pageOffset: 4)
        #expect(bench.layout() == ["0..<2 rw-", "2..<8 rw-"])
        #expect(try bench.task.read(1, at: bench.region(1, 1).address) == [5])
        #expect(bench.resident == 8)
        try bench.machine.audit()
        try bench.task.remapFilePages(bench.region(0, 8), pageOffset: 0)
        #expect(bench.layout() == ["0..<8 rw-"])
        try bench.machine.audit()
    }

    @Test func `refuses what is not one shared run`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(
            named: "f", kind: .memory, length: .pages(8), access: .read)
        try bench.map(0, 4, [.read, .write], [.shared, .anonymous])
        try bench.map(4, 4)
        try bench.map(8, 4, .read, .shared, file: file)
        func call(_ first: Int, _ pages: Int, _ offset: UInt64, _ bits: Protection = []) throws {
            try bench.task.remapFilePages(
                bench.region(first, pages), protection: bits, pageOffset: offset)
        }
        bench.expect(.EINVAL) { try call(0, 1, 0, .read) }
        bench.expect(.EINVAL) { try call(0, 0, 0) }
        bench.expect(.EINVAL) { try call(0, 1, .max) }
        bench.expect(.EINVAL) { try call(2, 4, 0) }
        bench.expect(.EINVAL) { try call(4, 1, 0) }
        bench.expect(.EINVAL) { try call(8, 1, 0) }
        bench.expect(.EINVAL) { try call(20, 1, 0) }
        try call(0, 2, 2)
        try bench.machine.audit()
    }
}
