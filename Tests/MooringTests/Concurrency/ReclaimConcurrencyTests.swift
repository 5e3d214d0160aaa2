// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

/// Everything that frames can meet, on a machine that is too small for it.
@Suite struct ReclaimConcurrencyTests {
    @Test func `reclaim meets faults, forks, truncation, locks and exits`() throws {
        let machine = try ReclaimBench.machine(cpus: 4)
        let free = machine.freeMemory
        let seed = Stress.seed()
        for round in Stress.rounds(6) {
            let files = (0..<3).map {
                machine.makeFile(named: "\($0)", kind: .disk, length: .pages(3000))
            }
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                let task = machine.spawn(on: cpu)
                let shared = try files.map { try task.map($0, pages: 3000) }
                let own = try task.map(files[cpu % 3], pages: 3000, .private)
                let anonymous = try task.mapPrivate(pages: 300)
                for _ in 0..<60 {
                    let part = shared[random.below(3)][random.pages(below: 3000, atMost: 700)]
                    switch random.below(9) {
                    case 0, 1, 2: try? task.access(part, .read)
                    case 3: try? task.access(part, .write)
                    case 4:
                        try? task.access(own[random.pages(below: 3000, atMost: 100)], .write)
                        try? task.access(anonymous, .write)
                    case 5:
                        let locked = shared[0][random.pages(below: 3000, atMost: 200)]
                        try? task.mlock(locked)
                        try? task.access(part, .read)
                        try task.munlock(locked)
                    case 6:
                        if let child = try? task.fork() {
                            try? child.access(anonymous, .write)
                            try? child.access(part, .read)
                            child.exit()
                        }
                    case 7:
                        try files[random.below(3)].truncate(
                            to: .pages(UInt64(1500 + random.below(1500))))
                    default:
                        try task.madvise(anonymous, .free)
                        try? task.msync(part, .sync)
                    }
                }
                task.exit()
            }
            try machine.audit()
            for file in files { file.close() }
            machine.endWrites()
            machine.drainBatches()
            try machine.audit()
            #expect(machine.freeMemory == free)
        }
        #expect(machine.total(.pgstealFile) > 1000)
    }

    @Test func `no byte of a file is lost while its pages come and go`() throws {
        let machine = try ReclaimBench.machine(
            memory: .mebibytes(8), contents: .bytes, cpus: 3)
        let pages = 3000
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(UInt64(pages)))
        let tasks = (0..<3).map { machine.spawn(on: $0) }
        let regions = try tasks.map { try $0.map(file, pages: pages) }
        let seed = Stress.seed()
        try concurrently(3) { cpu in
            // Each writes pages of its own, so that it knows what must be there.
            var random = SeededRandom(seed: seed &+ UInt64(cpu))
            var expected = [UInt8](repeating: 0, count: pages)
            for turn in 0..<8000 {
                let page = random.below(pages / 3) * 3 + cpu
                let address = regions[cpu].page(page).address
                #expect(try tasks[cpu].read(1, at: address) == [expected[page]])
                expected[page] = UInt8(truncatingIfNeeded: turn)
                try tasks[cpu].write([expected[page]], at: address)
            }
        }
        try machine.audit()
        #expect(machine.total(.pgstealFile) > 1000)
    }
}
