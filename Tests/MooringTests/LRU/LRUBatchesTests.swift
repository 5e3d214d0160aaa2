// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct LRUBatchesTests {
    @Test func `a batch grows while it fills, until somebody drains it early`() throws {
        let machine = try Machine(.init(memory: .mebibytes(64)))
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(2048), protection: [.read, .write], flags: [.private, .anonymous])
        /// Frames on evictable lists.
        func listed() -> Int {
            LRUList.allCases.reduce(0) { $0 + machine.lists.count($1, node: 0) }
        }
        /// By how many the lists grew, each time that they did, while pages were touched.
        func drains(touching pages: Range<Int>) throws -> [Int] {
            var drains: [Int] = []
            for page in pages {
                let before = listed()
                try task.access(region[page..<page + 1], .write)
                if listed() > before { drains.append(listed() - before) }
            }
            return drains
        }
        #expect(try drains(touching: 0..<1000) == [31, 62, 124, 248, 248, 248])
        try machine.audit()
        machine.drainBatches()
        #expect(listed() == 1000)
        #expect(try drains(touching: 1000..<1100) == [31, 62])
        // Unmapping drains: what waits could not be freed.
        try task.munmap(region[0..<1])
        #expect(listed() == 1099)
        #expect(try drains(touching: 1100..<1140) == [31])
        try machine.audit()
        task.exit()
        try machine.audit()
    }
}
