// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct AddressSpaceConcurrencyTests {
    private static let base: UInt64 = 0x2000_0000_0000
    /// Pages of the area that all threads fight over: it crosses a table's border.
    private static let pages = 640

    private static func area(_ pages: Range<Int>) -> Region {
        Region(address: base, length: UInt64(AddressSpaceConcurrencyTests.pages) * pageSize)[pages]
    }

    /// One random call; the others may have taken away what it needs.
    private static func call(
        _ task: Machine.Task, _ file: Machine.File, _ random: inout SeededRandom
    ) {
        let region = area(random.pages(below: pages, atMost: 200))
        let rights: [Protection] = [.none, .read, [.read, .write], [.read, .write, .execute]]
        let advices: [Advice] = [
            .dontNeed, .free, .dontNeedLocked, .willNeed, .populateRead, .populateWrite,
            .guardInstall, .guardRemove, .sequential, .normal, .wipeOnFork, .keepOnFork,
        ]
        switch random.below(13) {
        case 0...2:
            let kinds: [MapFlags] = [
                [.private, .anonymous], [.shared, .anonymous], [.private, .anonymous, .populate],
                [.private, .anonymous, .locked],
            ]
            _ = try? task.mmap(
                address: region.address, length: .bytes(region.length),
                protection: rights[random.below(4)],
                flags: kinds[random.below(4)].union(.fixed))
        case 3:
            _ = try? task.mmap(
                address: region.address, length: .bytes(region.length),
                protection: [.read, .write],
                flags: random.below(2) == 0 ? [.shared, .fixed] : [.private, .fixed], file: file,
                offset: .pages(UInt64(random.below(64))))
        case 4, 5: try? task.munmap(region)
        case 6, 7: try? task.mprotect(region, rights[random.below(4)])
        case 8: try? task.mlock(region, onFault: random.below(2) == 0)
        case 9: try? task.munlock(region)
        case 10:
            _ = try? task.mremap(
                region, to: .bytes(region.length), [.mayMove, .fixed],
                at: area(random.pages(below: pages)).address)
        default: try? task.madvise(region, advices[random.below(advices.count)])
        }
    }

    @Test func `calls that change an address space meet faults in it`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let task = machine.spawn()
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(500))
        let seed = Stress.seed()
        for round in Stress.rounds(10) {
            try concurrently(4) { cpu in
                let mine = task.on(cpu: cpu)
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                for _ in 0..<120 {
                    if cpu < 2 {
                        AddressSpaceConcurrencyTests.call(mine, file, &random)
                    } else {
                        let pages = random.pages(
                            below: AddressSpaceConcurrencyTests.pages, atMost: 60)
                        let kinds: [AccessKind] = [.read, .write, .write, .execute]
                        try? mine.access(
                            AddressSpaceConcurrencyTests.area(pages), kinds[random.below(4)])
                    }
                }
            }
            try machine.audit()
        }
        task.exit()
        file.close()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.total(.anonPages) == 0)
        #expect(machine.spaces.vmas.liveCount == 0)
    }

    @Test func `a stack and a heap grow under several CPUs`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 3)
        for _ in Stress.rounds(30) {
            let task = machine.spawn()
            let stack = try task.mmap(
                length: .pages(4), protection: [.read, .write],
                flags: [.private, .anonymous, .growsDown])
            let start = task.brk(0)
            try concurrently(3) { cpu in
                let mine = task.on(cpu: cpu)
                for page in 1..<100 {
                    if cpu < 2 {
                        let address = stack.address - UInt64(page) * pageSize
                        try mine.access(Region(address: address, length: 8), .write)
                    } else {
                        let end = start + UInt64(page % 20) * pageSize
                        #expect(mine.brk(end) == end)
                        if page % 20 > 0 {
                            try mine.access(Region(address: start, length: 8), .write)
                        }
                    }
                }
            }
            try machine.audit()
            task.exit()
        }
        try machine.audit()
    }

    @Test func `tasks take turns on one CPU`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 2)
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 200)
        for _ in Stress.rounds(10) {
            // Six threads on two CPUs: of one address space and of others.
            try concurrently(6) { index in
                let mine = index < 3 ? task.on(cpu: index % 2) : machine.spawn(on: index % 2)
                let own = try mine.mapPrivate(pages: 20)
                for turn in 0..<20 {
                    if index < 3 { try mine.access(region, turn % 2 == 0 ? .read : .write) }
                    if index == 0 { try mine.madvise(region, .dontNeed) }
                    try mine.access(own, .write)
                    try mine.mlock(own)
                    try mine.munlock(own)
                    try mine.madvise(own, .dontNeed)
                }
                try mine.munmap(own)
                if index >= 3 { mine.exit() }
            }
            try machine.audit()
        }
    }

    @Test func `the last of several processes takes the address space down`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        for _ in Stress.rounds(60) {
            let first = machine.spawn()
            let region = try first.mapPrivate(pages: 100)
            let tasks = [first] + (1..<4).map { _ in first.cloneSharingMemory() }
            try concurrently(4) { cpu in
                let mine = tasks[cpu].on(cpu: cpu)
                try mine.access(region[cpu * 20..<cpu * 20 + 40], .write)
                mine.exit()
            }
            try machine.audit()
            #expect(machine.spaces.spaces.liveCount == 0)
        }
        #expect(machine.total(.anonPages) == 0)
    }
}
