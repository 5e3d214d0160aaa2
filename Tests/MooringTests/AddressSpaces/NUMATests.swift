// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct NUMATests {
    @Test func `move_pages says where pages are, or why they are nowhere`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        try bench.task.access(bench.region(0, 1), .write)
        try bench.task.access(bench.region(1, 1), .read)
        try bench.task.mprotect(bench.region(0, 1), .none)
        let pages = [0, 1, 2, 10].map { bench.region($0, 1).address }
        #expect(try bench.task.movePages(pages) == [0, -14, -2, -14])
        #expect(try bench.task.movePages(pages, to: [0, 0, 0, 0], flags: 2) == [0, -14, -2, -14])
        bench.expect(.ENODEV) { _ = try bench.task.movePages(pages, to: [0, 3, 0, 0], flags: 2) }
        bench.expect(.EINVAL) { _ = try bench.task.movePages(pages, flags: 1) }
        bench.task.setAdministrator(false)
        bench.expect(.EPERM) { _ = try bench.task.movePages(pages, flags: 4) }
        try bench.machine.audit()
    }

    @Test func `migrate_pages and mbind check their nodes and modes`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        #expect(try bench.task.migratePages(from: 2, to: 1) == 0)
        bench.expect(.EINVAL) { _ = try bench.task.migratePages(from: 1, to: 2) }
        bench.expect(.EINVAL) { _ = try bench.task.migratePages(from: 1, to: 0) }
        let region = bench.region(0, 4)
        for (mode, nodes, isFine) in [
            (Int32(0), UInt64(0), true), (0, 1, false), (1, 0, true), (1, 1, true), (2, 1, true),
            (2, 0, false), (3, 1, true), (3, 0, false), (4, 0, true), (4, 1, false), (5, 1, true),
            (6, 1, true), (6, 0, false), (7, 1, false), (-1, 1, false), (2, 2, false),
            (0x8002, 1, true), (0xC002, 1, false), (0x8000, 0, true), (0x2002, 1, true),
            (0x2001, 1, false),
        ] {
            if isFine {
                try bench.task.mbind(region, mode: mode, nodes: nodes)
            } else {
                bench.expect(.EINVAL) {
                    try bench.task.mbind(region, mode: mode, nodes: nodes)
                }
            }
        }
        bench.expect(.EINVAL) { try bench.task.mbind(region, mode: 2, nodes: 1, flags: 8) }
        bench.expect(.EFAULT) {
            try bench.task.mbind(bench.region(2, 4), mode: 2, nodes: 1)
        }
        try bench.machine.audit()
    }
}
