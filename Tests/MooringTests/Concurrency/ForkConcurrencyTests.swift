// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct ForkConcurrencyTests {
    @Test func `parent and children that write at once see their own bytes`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4, contents: .bytes)
        let pages = 24
        let seed = Stress.seed()
        let parent = machine.spawn()
        let region = try parent.mapPrivate(pages: pages)
        for round in Stress.rounds(25) {
            let pattern = UInt8(truncatingIfNeeded: round) & 0x7F
            for page in 0..<pages { try parent.write([pattern], at: region.page(page).address) }
            let tasks = try [parent] + (1..<4).map { try parent.fork().on(cpu: $0) }
            try concurrently(4) { cpu in
                let mine = tasks[cpu]
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                var expected = [UInt8](repeating: pattern, count: pages)
                for turn in 0..<60 {
                    let page = random.below(pages)
                    let address = region.page(page).address
                    #expect(try mine.read(1, at: address) == [expected[page]])
                    expected[page] = 0x80 | UInt8(cpu) << 5 | UInt8(turn & 31)
                    try mine.write([expected[page]], at: address)
                    if turn % 20 == 19 {
                        // A grandchild that writes and goes, while the others write.
                        let child = try mine.fork()
                        try child.write([1], at: address)
                        #expect(try child.read(1, at: address) == [1])
                        child.exit()
                    }
                }
                for page in 0..<pages {
                    #expect(try mine.read(1, at: region.page(page).address) == [expected[page]])
                }
                if cpu > 0, random.below(4) > 0 {
                    mine.exit()
                } else if cpu > 0 {
                    try mine.munmap(region)
                }
            }
            try machine.audit()
        }
    }

    @Test func `two CPUs of one process lose no byte to a copy`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 3, contents: .bytes)
        let pages = 32
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: pages)
        for round in Stress.rounds(40) {
            let mark = UInt8(truncatingIfNeeded: round) | 1
            let child = try task.fork().on(cpu: 2)
            try concurrently(3) { cpu in
                let mine = cpu == 2 ? child : task.on(cpu: cpu)
                for page in 0..<pages {
                    let address = region.page(cpu == 1 ? pages - 1 - page : page).address
                    try mine.write([mark], at: address + UInt64(cpu))
                }
            }
            for page in 0..<pages {
                #expect(try task.read(2, at: region.page(page).address) == [mark, mark])
                #expect(try child.read(1, at: region.page(page).address + 2) == [mark])
            }
            try machine.audit()
            child.exit()
        }
        try machine.audit()
    }

    @Test func `a process forks while its other CPUs fault and lock`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 120)
        for _ in Stress.rounds(10) {
            try concurrently(4) { cpu in
                let mine = task.on(cpu: cpu)
                for turn in 0..<30 {
                    switch cpu {
                    case 0:
                        let child = try mine.fork()
                        #expect(child.figures().locked == 0)
                        try child.access(region[turn..<turn + 40], .write)
                        child.exit()
                    case 1: try mine.mlockall(turn % 2 == 0 ? [.current, .future] : .current)
                    case 2:
                        let more = try mine.mapPrivate(pages: 10)
                        try mine.access(more, .write)
                        try mine.munmap(more)
                    default:
                        try mine.access(region, .write)
                        mine.munlockall()
                    }
                }
            }
            try machine.audit()
        }
        task.exit()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
    }
}
