// SPDX-License-Identifier: Apache-2.0
//
// Page accesses in a memory of a fixed size: how many find their page, and how many wait for it.

import Mooring

/// Which page makes room for one that comes.
package enum Replacement: String, CaseIterable, Sendable {
    /// Reclaim as the machine has it: two lists, accessed bits, watermarks, refaults.
    case reclaim
    /// The page that was accessed least recently, always: what others are compared with.
    case lru
}

/// What came of page accesses in a memory of one size.
package struct MissCount: Equatable, Sendable {
    package let memory: ByteCount
    package let replacement: Replacement
    package let accesses: Int
    package let misses: Int
    /// Pages that came back soon enough to count as part of the working set.
    package let refaults: Int
    package let activated: Int
    package let scanned: Int
    package let reclaimed: Int
    /// The processor time that the accesses took on this host, in nanoseconds.
    package let nanoseconds: Int64

    package var missRatio: Double { Double(misses) / Double(max(1, accesses)) }
    package var accessesPerSecond: Double { Double(accesses) * 1e9 / Double(max(1, nanoseconds)) }
}

extension PageList {
    /// Maps a file with these pages on a machine, and accesses them in order.
    ///
    /// - Parameters:
    ///   - memory: With ``Replacement/reclaim`` all that the machine has, of which page tables and
    ///     watermarks take their part; with ``Replacement/lru`` what the pages may take.
    ///   - replacement: Which page makes room.
    ///   - clock: What the time is measured with, in nanoseconds.
    ///   - progress: Told how many accesses are done.
    /// - Returns: Hits, misses and what reclaim did.
    /// - Throws: `ImpossibleMachine`, and the signal of an access that the machine had no room for.
    package func misses(
        in memory: ByteCount, _ replacement: Replacement, clock: () -> Int64 = { 0 },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> MissCount {
        // Page tables and watermarks must not take what the pages are promised.
        let room: ByteCount =
            switch replacement {
            case .reclaim: memory
            case .lru: .bytes(memory.bytes + memory.bytes / 8 + UInt64(distinct) * 16 + 64 << 20)
            }
        var configuration = MachineConfiguration(memory: room)
        configuration.faultAroundPages = 1
        let machine = try Machine(configuration)
        let task = machine.spawn()
        let length = ByteCount.pages(UInt64(distinct))
        let file = machine.makeFile(named: "pages", kind: .disk, length: length)
        defer { file.close() }
        let region = try task.mmap(
            length: length, protection: .read, flags: .shared, file: file)
        try task.madvise(region, .random)
        let before = machine.total(.pgmajfault)
        var order = task.leastRecentlyUsed(of: region, keeping: Int(memory.bytes >> pageShift))
        var nanoseconds: Int64 = 0
        try pages.withUnsafeBufferPointer { pages in
            for first in stride(from: 0, to: pages.count, by: 1 << 20) {
                let part = UnsafeBufferPointer(
                    rebasing: pages[first..<min(pages.count, first + 1 << 20)])
                let start = clock()
                switch replacement {
                case .reclaim: try task.access(part, of: region, .read)
                case .lru: try order.access(part)
                }
                nanoseconds += clock() - start
                progress(first + part.count, pages.count)
            }
        }
        return MissCount(
            memory: memory, replacement: replacement, accesses: pages.count,
            misses: machine.total(.pgmajfault) - before,
            refaults: machine.total(.workingsetRefaultFile),
            activated: machine.total(.pgactivate), scanned: machine.framesScanned,
            reclaimed: machine.framesReclaimed, nanoseconds: nanoseconds)
    }
}
