// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

/// After each round nothing is locked any more, and nothing may be counted as if it were.
@Suite struct MlockConcurrencyTests {
    private func expectNothingLocked(_ machine: Machine) throws {
        machine.drainBatches()
        try machine.audit()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
    }

    @Test func `processes lock and unlock one file`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let pages = 150
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(UInt64(pages)))
        let tasks = (0..<4).map { machine.spawn(on: $0) }
        let regions = try tasks.map { try $0.map(file, pages: pages) }
        let seed = Stress.seed()
        for round in Stress.rounds(15) {
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                for _ in 0..<40 {
                    let part = regions[cpu][random.pages(below: pages)]
                    switch random.below(5) {
                    case 0, 1: try tasks[cpu].mlock(part)
                    case 2: try tasks[cpu].mlock(part, onFault: true)
                    case 3: try tasks[cpu].munlock(part)
                    default: try tasks[cpu].access(part, .read)
                    }
                }
            }
            try machine.audit()
            try concurrently(4) { try tasks[$0].munlock(regions[$0]) }
            try expectNothingLocked(machine)
            if round % 3 == 2 { try file.truncate(to: .pages(0)) }
            try file.truncate(to: .pages(UInt64(pages)))
        }
    }

    @Test func `CPUs of two processes fault locked pages and unlock them`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let pages = 40
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(UInt64(pages)))
        let tasks = (0..<2).map { _ in machine.spawn() }
        let regions = try tasks.map { try $0.map(file, pages: pages) }
        for _ in Stress.rounds(20) {
            try concurrently(4) { cpu in
                let task = tasks[cpu % 2].on(cpu: cpu)
                let region = regions[cpu % 2]
                for turn in 0..<40 {
                    if cpu < 2 {
                        try task.mlock(region, onFault: true)
                        try task.access(region[0..<turn], .read)
                        try task.munlock(region)
                        if turn % 4 == 0 { try task.madvise(region, .dontNeed) }
                    } else {
                        // A few pages at a time: requests that stay in a batch of this CPU.
                        try task.access(region[turn % 30..<turn % 30 + 3], .read)
                    }
                }
            }
            try machine.audit()
            for (task, region) in zip(tasks, regions) { try task.munlock(region) }
            try expectNothingLocked(machine)
        }
    }

    @Test func `locked anonymous pages are shared, copied and freed`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        for _ in Stress.rounds(12) {
            try concurrently(4) { cpu in
                let task = machine.spawn(on: cpu)
                let region = try task.mapPrivate(pages: 70)
                for turn in 0..<6 {
                    try task.mlock(region, onFault: turn % 2 == 0)
                    try task.access(region, .write)
                    let child = try task.fork()
                    try child.access(region[0..<35], .write)
                    try child.mlock(region)
                    try task.access(region[20..<60], .write)
                    if turn % 3 == 0 { try task.madvise(region, .dontNeedLocked) }
                    child.exit()
                    try task.munlock(region[10..<50])
                }
                task.exit()
            }
            try expectNothingLocked(machine)
        }
    }
}
