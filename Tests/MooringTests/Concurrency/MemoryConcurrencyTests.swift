// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct MemoryConcurrencyTests {
    @Test func `CPUs that want more than there is get errors and give all back`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4, memory: .mebibytes(8))
        let free = machine.freeMemory
        let seed = Stress.seed()
        for round in Stress.rounds(8) {
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                for _ in 0..<3 {
                    let task = machine.spawn(on: cpu)
                    let file = machine.makeFile(
                        named: "f", kind: .memory, length: .pages(1500))
                    let region = try? task.mapPrivate(pages: 1500)
                    let shared = try? task.map(file, pages: 1500)
                    if let region, let shared {
                        // More than a quarter of the memory each, and more with the file.
                        try? task.access(region[random.pages(below: 1500)], .write)
                        try? task.mlock(region[random.pages(below: 1500)])
                        try? task.access(shared[random.pages(below: 1500)], .write)
                        if let child = try? task.fork() {
                            try? child.access(region, .write)
                            child.exit()
                        }
                        try? task.madvise(region[0..<700], .dontNeed)
                        try? task.access(region, .write)
                    }
                    task.exit()
                    file.close()
                }
            }
            machine.drainBatches()
            try machine.audit()
            #expect(machine.freeMemory == free)
            #expect(machine.spaces.commitment.committedPages == 0)
        }
        #expect(machine.total(.oomKill) > 0)
    }

    @Test func `promises are kept to the limit and taken back`() throws {
        var configuration = MachineConfiguration(memory: .mebibytes(16))
        configuration.cpus = 4
        configuration.overcommit = .never
        let machine = try Machine(configuration)
        let limit = machine.spaces.commitment.limitPages
        for _ in Stress.rounds(20) {
            try concurrently(4) { cpu in
                let task = machine.spawn(on: cpu)
                for turn in 0..<20 {
                    let region = try? task.mapPrivate(pages: 300 + turn)
                    if turn % 3 == 0, let region { try task.munmap(region) }
                    // Charges that are refused stand in the sum for a moment: one a CPU.
                    #expect(
                        machine.spaces.commitment.committedPages <= limit + 4 * 320)
                }
                task.exit()
            }
            try machine.audit()
            #expect(machine.spaces.commitment.committedPages == 0)
        }
    }
}
