// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct MlockDesignTests {
    static func machine(
        _ design: MlockDesign, cpus: Int = 1, memory: ByteCount = .mebibytes(16)
    ) throws -> Machine {
        try ReclaimBench.machine(memory: memory, cpus: cpus) {
            $0.mlockDesign = design
            $0.swap = [.mebibytes(32)]
        }
    }

    @Test(arguments: MlockDesign.allCases)
    func `locked pages stay in memory whatever the design`(design: MlockDesign) throws {
        let machine = try Self.machine(design)
        let task = machine.spawn()
        let own = try task.mapPrivate(pages: 700)
        let file = try machine.mapDisk(task, pages: 700)
        try task.mlock(own)
        try task.mlock(file)
        try task.access(try task.mapPrivate(pages: 5000), .write)
        try machine.pressWithFile(pages: 9000)
        #expect(try task.resident(own) == 700)
        #expect(try task.resident(file) == 700)
        #expect(machine.total(.mlock) == (design == .none ? 0 : 1400))
        #expect(task.figures().locked == 1400)
        try machine.audit()
        try task.munlock(own)
        try task.munlock(file)
        machine.drainBatches()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
        try machine.pressWithFile(pages: 9000)
        #expect(try task.resident(file) < 700)
        try machine.audit()
    }

    @Test(arguments: [MlockDesign.reverseMap, .count])
    func `a page that two have locked is released by the second`(design: MlockDesign) throws {
        let machine = try Self.machine(design)
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(20))
        let tasks = (0..<2).map { _ in machine.spawn() }
        let regions = try tasks.map { try $0.map(file, pages: 20) }
        for (task, region) in zip(tasks, regions) { try task.mlock(region) }
        machine.drainBatches()
        #expect(machine.total(.mlock) == 20)
        try tasks[0].munlock(regions[0])
        machine.drainBatches()
        #expect(machine.total(.mlock) == 20)
        #expect(machine.total(.unevictable) == 20)
        tasks[1].exit()
        machine.drainBatches()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
        try machine.audit()
    }

    @Test func `only the design of 2008 walks reverse maps to unlock`() throws {
        for (design, walks) in [(MlockDesign.none, 0), (.reverseMap, 100), (.count, 0)] {
            let machine = try Self.machine(design)
            let task = machine.spawn()
            let region = try machine.mapDisk(task, pages: 100)
            try task.mlock(region)
            try task.munlock(region)
            #expect(machine.total(.reverseMapWalk) == walks)
            try machine.audit()
        }
    }

    @Test func `reclaim looks at locked pages only where nothing keeps them from it`() throws {
        var scanned: [MlockDesign: Int] = [:]
        for design in MlockDesign.allCases {
            let machine = try Self.machine(design)
            let task = machine.spawn()
            let locked = try machine.mapDisk(task, pages: 3000)
            try task.mlock(locked)
            try machine.pressWithFile(pages: 20_000)
            scanned[design] = machine.total(.pgscanFile) * 100 / machine.total(.pgstealFile)
        }
        #expect(try #require(scanned[.reverseMap]) < 150)
        #expect(try #require(scanned[.count]) < 150)
        #expect(try #require(scanned[.none]) > 300)
    }

    @Test(arguments: MlockDesign.allCases)
    func `locks, forks, truncation and reclaim at once`(design: MlockDesign) throws {
        let machine = try Self.machine(design, cpus: 4, memory: .mebibytes(8))
        let seed = Stress.seed()
        for round in Stress.rounds(3) {
            let file = machine.makeFile(named: "f", kind: .disk, length: .pages(1000))
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                let task = machine.spawn(on: cpu)
                let shared = try task.map(file, pages: 1000)
                let own = try task.mapPrivate(pages: 500)
                for _ in 0..<50 {
                    let part = shared[random.pages(below: 1000, atMost: 200)]
                    let mine = own[random.pages(below: 500, atMost: 200)]
                    switch random.below(7) {
                    case 0: try? task.mlock(part)
                    case 1: try? task.mlock(mine)
                    case 2: try task.munlock(shared)
                    case 3: try task.munlock(own)
                    case 4:
                        if let child = try? task.fork() {
                            try? child.mlock(mine)
                            try? child.access(own, .write)
                            child.exit()
                        }
                    case 5: try? file.truncate(to: .pages(UInt64(500 + random.below(500))))
                    default: try? task.access(shared, .read)
                    }
                    try? task.access(mine, .write)
                }
                try task.munlock(shared)
                try task.munlock(own)
                task.exit()
            }
            file.close()
            machine.endWrites()
            machine.drainBatches()
            try machine.audit()
            #expect(machine.total(.mlock) == 0)
            #expect(machine.total(.unevictable) == 0)
        }
    }
}
