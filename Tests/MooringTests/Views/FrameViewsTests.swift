// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct FrameViewsTests {
    private func frame(_ word: UInt64) -> Int { Int(word & PagemapBits.frameMask) }

    @Test func `flags are those that a kernel shows for the same pages`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(3), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region[0..<1], .write)
        try task.access(region[1..<2], .read)
        try task.mlock(region[2..<3])
        let memory = machine.makeFile(named: "/memfd:x (deleted)", kind: .memory, length: .pages(2))
        let shared = try task.mmap(
            length: .pages(2), protection: [.read, .write], flags: .shared, file: memory)
        try task.access(shared[0..<1], .write)
        try task.access(shared[1..<2], .read)
        let flags = machine.kpageflags()
        let counts = machine.kpagecount()
        let pages = task.pagemap(region).map(frame)
        let anonymous: KernelPageFlags = [
            .upToDate, .mapped, .anonymous, .swapBacked, .exclusive, .lru,
        ]
        #expect(flags[pages[0]] == anonymous)
        #expect(flags[pages[1]] == [.zeroPage, .reserved])
        #expect(flags[pages[2]] == anonymous.union([.mlocked, .unevictable]))
        let files = task.pagemap(shared).map(frame)
        let file: KernelPageFlags = [.upToDate, .mapped, .swapBacked, .lru]
        #expect(flags[files[0]].subtracting(.referenced) == file.union(.dirty))
        #expect(flags[files[1]].subtracting(.referenced) == file)
        #expect(pages.map { counts[$0] } == [1, 0, 1])
        #expect(flags.filter { $0.contains(.pageTable) }.count == 4)
        #expect(
            flags.filter { $0.contains(.buddy) }.count
                == machine.allocator.zoneStatistics.reduce(0) { $0 + $1.free })
        let child = try task.fork()
        #expect(machine.kpagecount()[pages[0]] == 2)
        #expect(!machine.kpageflags()[pages[0]].contains(.exclusive))
        child.exit()
        #expect(machine.kpagecount() == counts)
    }

    @Test func `a part of the frames is that part of all`() throws {
        let machine = try Machine.small()
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(3000), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region, .write)
        let flags = machine.kpageflags()
        let counts = machine.kpagecount()
        for range in [0..<1, 5..<2000, 1023..<1025, 2000..<9000, 16000..<20000, 0..<16384] {
            let part = range.clamped(to: 0..<flags.count)
            #expect(machine.kpageflags(range) == Array(flags[part]))
            #expect(machine.kpagecount(range) == Array(counts[part]))
        }
        #expect(counts.reduce(0, +) == 3000)
    }

    @Test func `the map of pageblocks counts every frame once`() throws {
        let machine = try Machine.small(cpus: 2)
        let task = machine.spawn()
        let region = try task.mmap(
            length: .pages(2000), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region, .write)
        try task.mlock(region[0..<700])
        let disk = machine.makeFile(named: "/f", kind: .disk, length: .pages(300))
        let mapped = try task.mmap(
            length: .pages(300), protection: .read, flags: .private, file: disk)
        try task.access(mapped, .read)
        let shared = try task.mmap(
            length: .pages(50), protection: [.read, .write], flags: [.shared, .anonymous])
        try task.access(shared, .write)
        let map = machine.pageblockMap()
        #expect(map.cellCount == 32)
        for cell in 0..<map.cellCount {
            #expect(FrameHolder.allCases.reduce(0) { $0 + map.frames(of: $1, inCell: cell) } == 512)
        }
        #expect(map.frames(of: .anonymous) == 1300)
        #expect(map.frames(of: .locked) == 700)
        #expect(map.frames(of: .file) == 300)
        #expect(map.frames(of: .sharedMemory) == 50)
        #expect(map.frames(of: .pageTables) == machine.total(.pageTablePages))
        #expect(map.frames(of: .other) == 1)
        #expect(map.frames(of: .free) == 16384 - machine.allocator.usedFrames)
        #expect(map.dominatingHolder(ofCell: 31) == .free || map.usedFrames(inCell: 31) > 0)

        for limit in [1, 2, 7, 31, 32, 100] {
            let folded = map.folded(to: limit)
            #expect(folded.cellCount <= limit)
            for owner in FrameHolder.allCases {
                #expect(folded.frames(of: owner) == map.frames(of: owner))
            }
            let sizes = (0..<folded.cellCount).map { folded.frames(inCell: $0) }
            #expect(sizes.reduce(0, +) == 16384)
        }
        #expect(map.folded(to: 1).dominatingHolder(ofCell: 0) == .anonymous)
        #expect(map.folded(to: 1).usedFrames(inCell: 0) == machine.allocator.usedFrames)
        #expect(map.folded(to: 32) == map)
    }

    @Test func `a machine of 1 TiB is mapped at once while little of it is used`() throws {
        let machine = try Machine(.init(memory: .tebibytes(1)))
        let (time, map) = leastProcessorTime { machine.pageblockMap().folded(to: 1000) }
        #expect(map.cellCount <= 1000)
        #expect(map.frames(of: .other) == 1)
        #expect(time < .seconds(2))
    }

    @Test func `a snapshot of fragmentation has the measures of all orders`() throws {
        let machine = try Machine.small()
        let empty = machine.fragmentation()
        #expect(empty.freeBlocks.count == 11)
        #expect(empty.unusableIndex[0] == 0)
        #expect(empty.fragmentationIndex.allSatisfy { $0 == -1000 })
        #expect(machine.fragmentation(node: 0, zone: .dma32) == empty)
        let none = machine.fragmentation(zone: .movable)
        #expect(none.freeFrames == 0)
        #expect(none.unusableIndex == Array(repeating: 1000, count: 11))
        // One page of every two stays: no free block is larger than one frame.
        let scattered = FragmentationSnapshot(
            FreeBlockCounts(blocks: [100] + Array(repeating: 0, count: 10)))
        #expect(scattered.unusableIndex == [0] + Array(repeating: 1000, count: 10))
        #expect(scattered.fragmentationIndex[0] == -1000)
        #expect(scattered.fragmentationIndex[9] > 980)
    }
}
