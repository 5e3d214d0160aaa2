// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct SwapConcurrencyTests {
    @Test func `pages that are shared and swapped keep every byte`() throws {
        let machine = try ReclaimBench.machine(
            memory: .mebibytes(8), contents: .bytes, cpus: 4
        ) { $0.swap = [.mebibytes(64)] }
        let pages = 900
        let seed = Stress.seed()
        let parent = machine.spawn()
        let region = try parent.mapPrivate(pages: pages)
        for round in Stress.rounds(6) {
            let pattern = UInt8(round + 1)
            for page in 0..<pages { try parent.write([pattern], at: region.page(page).address) }
            let tasks = try [parent] + (1..<4).map { try parent.fork().on(cpu: $0) }
            try concurrently(4) { cpu in
                let mine = tasks[cpu]
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                var expected = [UInt8](repeating: pattern, count: pages)
                for turn in 0..<1500 {
                    let page = random.below(pages)
                    let address = region.page(page).address
                    #expect(try mine.read(1, at: address) == [expected[page]])
                    if random.below(2) == 0 {
                        expected[page] = UInt8(truncatingIfNeeded: turn * 4 + cpu)
                        try mine.write([expected[page]], at: address)
                    }
                    switch random.below(120) {
                    case 0: try mine.madvise(region[random.pages(below: pages)], .pageOut)
                    case 1:
                        let part = region[random.pages(below: pages, atMost: 60)]
                        try mine.mlock(part)
                        #expect(try mine.resident(part) == Int(part.length / pageSize))
                        try mine.munlock(part)
                    case 2:
                        let child = try mine.fork()
                        try child.write([1], at: address)
                        child.exit()
                    default: break
                    }
                }
                for page in 0..<pages {
                    #expect(try mine.read(1, at: region.page(page).address) == [expected[page]])
                }
                if cpu > 0 { mine.exit() }
            }
            try machine.audit()
        }
        #expect(machine.total(.pswpout) > 1000)
        parent.exit()
        machine.endWrites()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.swap.freeSlots == machine.swap.totalSlots)
    }

    @Test func `victims are killed while they fork, lock, unlock and exit`() throws {
        let machine = try ReclaimBench.machine(cpus: 4) { $0.swap = [.mebibytes(1)] }
        let free = machine.freeMemory
        let seed = Stress.seed()
        for round in Stress.rounds(2) {
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                for _ in 0..<4 {
                    let task = machine.spawn(on: cpu)
                    if let region = try? task.mapPrivate(pages: 1800) {
                        try? task.mlock(region[random.pages(below: 1800)])
                        try? task.access(region, .write)
                        if let child = try? task.fork() {
                            try? child.access(region[random.pages(below: 1800)], .write)
                            child.exit()
                        }
                        try? task.munlock(region[random.pages(below: 1800)])
                        try? task.madvise(region[random.pages(below: 1800)], .pageOut)
                        try? task.access(region, .write)
                    }
                    task.exit()
                }
            }
            machine.endWrites()
            machine.drainBatches()
            try machine.audit()
            #expect(machine.freeMemory == free)
            #expect(machine.swap.freeSlots == machine.swap.totalSlots)
        }
        #expect(machine.total(.oomKill) > 0)
    }
}
