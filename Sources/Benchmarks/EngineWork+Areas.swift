// SPDX-License-Identifier: Apache-2.0
//
// The engine's side of CLinuxHost/helper_timings_areas.c: moving, protecting, making and splitting
// areas, and finding one among many.

import Mooring

extension EngineWork {
    /// Moves populated memory to and fro; the first two moves warm.
    private static func move(
        _ scene: EngineScene, moves: Int, here: UInt64, there: UInt64
    ) throws {
        let task = scene.machine.spawn()
        var region = try task.mmap(
            address: here, length: scene.length, protection: [.read, .write],
            flags: [.private, .anonymous, .fixed])
        try task.access(region, .write)
        let length = scene.length
        func run(_ moves: Int) throws {
            for move in 0..<moves {
                region = try task.mremap(
                    region, to: length, [.mayMove, .fixed],
                    at: move.isMultiple(of: 2) ? there : here)
            }
        }
        try run(2)
        try scene.measure { try run(moves) }
        scene.units = scene.pages * moves
        task.exit()
    }

    /// mremap between places at different offsets in 2 MiB: entries move.
    @Sendable static func mremapMove(_ scene: EngineScene) throws {
        try move(scene, moves: 4, here: 0x1000_0000_1000, there: 0x2000_0000_2000)
    }

    /// mremap between places at the same offset in 2 MiB: page tables move.
    @Sendable static func mremapMoveAligned(_ scene: EngineScene) throws {
        try move(scene, moves: 32, here: 0x1000_0000_0000, there: 0x2000_0000_0000)
    }

    /// Populated memory made read-only and writable again; the first time warms.
    @Sendable static func mprotectToggle(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let region = try scene.touched(task)
        try task.mprotect(region, .read)
        try task.mprotect(region, [.read, .write])
        try scene.measure {
            try task.mprotect(region, .read)
            try task.mprotect(region, [.read, .write])
        }
        scene.units = scene.pages * 2
        task.exit()
    }

    /// `count` areas of one page each, neighbours differing in protection so that they stay apart.
    private static func manyAreas(
        _ count: Int, _ task: Machine.Task, _ protection: Protection, _ other: Protection
    ) throws -> Region {
        let region = try task.mmap(
            length: .pages(UInt64(count)), protection: protection, flags: [.private, .anonymous])
        for page in stride(from: 1, to: count, by: 2) {
            try task.mprotect(region[page..<page + 1], other)
        }
        return region
    }

    /// mmap and munmap of a page beside `count` areas.
    static func churn(beside count: Int) -> @Sendable (EngineScene) throws -> Void {
        { scene in
            let task = scene.machine.spawn()
            _ = try manyAreas(count, task, .none, .read)
            func run(_ pairs: Int) throws {
                for _ in 0..<pairs {
                    try task.munmap(
                        task.mmap(
                            length: .pages(1), protection: [.read, .write],
                            flags: [.private, .anonymous]))
                }
            }
            try run(scene.pages / 8)
            let pairs = scene.pages
            try scene.measure { try run(pairs) }
            task.exit()
        }
    }

    /// A page in the middle of an empty area gets another protection, and the old one again.
    @Sendable static func splitMerge(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let area = try task.mmap(
            length: .pages(16), protection: [.read, .write], flags: [.private, .anonymous])
        let middle = area[8..<9]
        func run(_ pairs: Int) throws {
            for _ in 0..<pairs {
                try task.mprotect(middle, .read)
                try task.mprotect(middle, [.read, .write])
            }
        }
        try run(scene.pages / 8)
        let pairs = scene.pages
        try scene.measure { try run(pairs) }
        scene.units = scene.pages * 2
        task.exit()
    }

    /// Read faults, each in another of 60,000 areas, in an order without neighbours: the kernel's
    /// order.
    @Sendable static func faultRandom(_ scene: EngineScene) throws {
        let count = 60_000
        let task = scene.machine.spawn()
        let region = try manyAreas(count, task, .read, [.read, .write])
        let faults = min(scene.pages, count)
        let mask: UInt64 = 0xFFFF
        try scene.measure {
            // A linear congruential generator that visits every number once, its bits mixed.
            var state: UInt64 = 1
            var done = 0
            while done < faults {
                state = (state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F) & mask
                let page = state ^ (state >> 7)
                if page >= UInt64(count) { continue }
                try task.access(
                    Region(address: region.address + page * pageSize, length: 1), .read)
                done += 1
            }
        }
        scene.units = faults
        task.exit()
    }
}
