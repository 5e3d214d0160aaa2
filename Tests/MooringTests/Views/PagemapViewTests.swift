// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct PagemapViewTests {
    private func marks(_ words: [UInt64]) -> [UInt64] {
        words.map { $0 & ~PagemapBits.frameMask }
    }

    @Test func `tells written, read, absent and file pages apart`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(3), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region[0..<1], .write)
        try task.access(region[1..<2], .read)
        let words = task.pagemap(region)
        #expect(marks(words) == [0x8100 << 48, 0x8000 << 48, 0])
        #expect(words[1] & PagemapBits.frameMask == UInt64(machine.zeroFrame.rawValue))
        let file = machine.makeFile(named: "/memfd:x (deleted)", kind: .memory, length: .pages(2))
        let views = try (0..<2).map { _ in
            try task.mmap(
                length: .pages(2), protection: [.read, .write], flags: .shared, file: file)
        }
        try task.access(views[0], .write)
        #expect(marks(task.pagemap(views[0])) == [0xA100 << 48, 0xA100 << 48])
        try task.access(views[1][1..<2], .read)
        #expect(marks(task.pagemap(views[0])) == [0xA100 << 48, 0xA000 << 48])
        #expect(task.pagemap(views[0])[1] == task.pagemap(views[1])[1])
    }

    @Test func `a fork shares pages until one side writes`() throws {
        let machine = try Machine.small()
        let parent = machine.spawn()
        let region = try parent.mmap(
            length: .pages(2), protection: [.read, .write], flags: [.private, .anonymous])
        try parent.access(region, .write)
        let before = parent.pagemap(region)
        let child = try parent.fork()
        #expect(marks(parent.pagemap(region)) == [0x8000 << 48, 0x8000 << 48])
        #expect(parent.pagemap(region) == child.pagemap(region))
        try child.access(region[0..<1], .write)
        #expect(marks(child.pagemap(region)) == [0x8100 << 48, 0x8000 << 48])
        #expect(child.pagemap(region)[0] != parent.pagemap(region)[0])
        child.exit()
        #expect(parent.pagemap(region) == before)
    }

    @Test func `a page out of the program's reach is there all the same`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(4), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region[0..<3], .write)
        let words = task.pagemap(region)
        try task.mprotect(region, [])
        #expect(task.pagemap(region) == words)
        #expect(total("Private_Dirty", in: task.smaps()) == 12)
        #expect(total("Rss", in: task.smaps()) == total("VmRSS", in: task.status()))
        #expect(task.smaps().hasSuffix("VmFlags: mr mw me ac \n"))
    }

    @Test func `covers every page that a region touches`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            length: .mebibytes(5), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region[600..<601], .write)
        let words = task.pagemap(
            Region(address: region.address + 599 * pageSize + 5, length: 2 * pageSize))
        #expect(words.count == 3)
        #expect(words.map { $0 != 0 } == [false, true, false])
        #expect(task.pagemap(Region(address: region.address, length: 0)).isEmpty)
        #expect(task.pagemap(Region(address: 0 &- pageSize, length: pageSize)).isEmpty)
        #expect(task.pagemap(Region(address: 0 &- pageSize, length: .max)).isEmpty)
        #expect(
            task.pagemap(Region(address: PageTables.userTop - pageSize, length: 2 * pageSize))
                == [0, 0])
    }
}
