// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct FaultConcurrencyTests {
    @Test func `several CPUs that touch the same pages make each once`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let task = machine.spawn()
        for _ in Stress.rounds(40) {
            let before = machine.total(.faultAnonymous)
            // Two tables, both missing at first.
            let region = try task.mapPrivate(pages: 96, at: 0x1000_0000_0000 - 48 * pageSize)
            try concurrently(4) { try task.on(cpu: $0).access(region, .write) }
            #expect(machine.total(.faultAnonymous) - before == 96)
            try machine.audit()
            try task.munmap(region)
            try machine.audit()
        }
    }

    @Test func `several CPUs that touch a new process's first pages make one tree of tables`()
        throws
    {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        for _ in Stress.rounds(60) {
            let task = machine.spawn()
            let region = try task.mapPrivate(pages: 4)
            try concurrently(4) { try task.on(cpu: $0).access(region.page($0), .write) }
            #expect(machine.total(.pageTablePages) == 4)
            try machine.audit()
            task.exit()
        }
        try machine.audit()
    }

    @Test func `neighbours that get their first pages at once stay linked to their groups`() throws
    {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let task = machine.spawn()
        for _ in Stress.rounds(60) {
            let region = try task.mapPrivate(pages: 64)
            // Rights alternate, so that each page is a VMA that could share its neighbour's group.
            for page in stride(from: 1, to: 64, by: 2) {
                try task.mprotect(region.page(page), [.read, .write, .execute])
            }
            try concurrently(4) { cpu in
                for page in 0..<64 where page % 4 == cpu || page % 8 == 3 {
                    try task.on(cpu: cpu).access(region.page(page), .write)
                }
            }
            try machine.audit()
            let child = try task.fork()
            try task.mprotect(region, .read)
            try machine.audit()
            try task.munmap(region)
            child.exit()
        }
        task.exit()
        try machine.audit()
        #expect(machine.spaces.groups.groups.liveCount == 0)
        #expect(machine.spaces.groups.links.liveCount == 0)
    }

    @Test func `pages come and go under several CPUs' eyes`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 3)
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 8)
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(8), isCached: true)
        let mapped = try task.map(file, pages: 8)
        for _ in Stress.rounds(8) {
            try concurrently(3) { cpu in
                let mine = task.on(cpu: cpu)
                for turn in 0..<400 {
                    switch (cpu, turn % 4) {
                    case (0, 0): try mine.madvise(region, .dontNeed)
                    case (0, 1): try mine.madvise(mapped, .dontNeed)
                    case (0, 2): try mine.madvise(region, .free)
                    case (0, _): try mine.msync(mapped, .sync)
                    default:
                        // Reads and writes meet at one page: each may find the other's entry.
                        try mine.access(region.page(turn % 8), turn % 3 == 0 ? .read : .write)
                        try mine.access(mapped.page(turn % 8), turn % 3 == 0 ? .write : .read)
                    }
                }
            }
            try machine.audit()
        }
    }

    @Test func `a fault marks no entry that has gone meanwhile`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 3)
        let task = machine.spawn()
        let page = try task.mapPrivate(pages: 1)
        for _ in Stress.rounds(20) {
            try concurrently(3) { cpu in
                let mine = task.on(cpu: cpu)
                for turn in 0..<300 {
                    if cpu == 0 {
                        // Clean first, so that the others both want to mark it, then gone.
                        try mine.madvise(page, turn % 2 == 0 ? .free : .dontNeed)
                    } else {
                        try mine.access(page, .write)
                    }
                }
            }
            try task.madvise(page, .dontNeed)
            #expect(task.pagemap(page) == [0])
            try machine.audit()
        }
    }

    @Test func `processes that share a file fault it at once`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        for kind in [FileKind.memory, .disk] {
            let file = machine.makeFile(named: "f", kind: kind, length: .pages(700))
            for _ in Stress.rounds(4) {
                try concurrently(4) { cpu in
                    let task = machine.spawn(on: cpu)
                    let shared = try task.map(file, pages: 700)
                    let own = try task.map(file, pages: 700, .private)
                    try task.access(shared, cpu % 2 == 0 ? .read : .write)
                    try task.access(own[cpu * 100..<cpu * 100 + 100], .write)
                    try task.access(own, .read)
                    if cpu > 1 { task.exit() }
                }
                try machine.audit()
                #expect(machine.total(.filePages) == 700)
                try file.truncate(to: .pages(0))
                try machine.audit()
                try file.truncate(to: .pages(700))
            }
            file.close()
        }
        try machine.audit()
    }

    @Test func `bytes written under MADV_FREE by another CPU are dirty`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 2, contents: .bytes)
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 4)
        for round in Stress.rounds(60) {
            try concurrently(2) { cpu in
                let mine = task.on(cpu: cpu)
                for turn in 0..<30 {
                    if cpu == 0 {
                        try mine.madvise(region, .free)
                    } else {
                        try mine.write(
                            [UInt8(truncatingIfNeeded: round)],
                            at: region.address + UInt64(turn % 4) * pageSize)
                    }
                }
            }
            for page in 0..<4 {
                #expect(
                    try task.read(1, at: region.page(page).address) == [
                        UInt8(truncatingIfNeeded: round)
                    ])
            }
        }
        try machine.audit()
    }
}
