// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

/// Truncation walks other processes' page tables without their locks: what it may meet there.
///
/// The audit refuses a page that is mapped beyond its file's end, or that its file has not.
@Suite struct FileConcurrencyTests {
    private static let pages = 600

    /// Changes a file's length and punches holes into it, on CPU 0.
    private static func shrinkAndGrow(
        _ file: Machine.File, turns: Int, _ random: inout SeededRandom
    ) throws {
        for turn in 0..<turns {
            if turn % 3 == 2 {
                let hole = random.pages(below: pages)
                try file.punchHole(
                    at: .pages(UInt64(hole.lowerBound)), length: .pages(UInt64(hole.count)))
            } else {
                try file.truncate(
                    to: .pages(UInt64(turn % 3 == 0 ? random.below(pages / 2) : pages)))
            }
        }
    }

    /// Runs `other` on CPUs 1 to 3 while CPU 0 truncates a file; audits after each round.
    private func againstTruncation(
        _ kind: FileKind, rounds: Int, turns: Int, _ test: String = #function,
        prepare: (Machine, Machine.File) throws -> [Machine.Task] = { _, _ in [] },
        _ other:
            @escaping @Sendable (
                Machine, Machine.File, [Machine.Task], Int, inout SeededRandom
            ) throws -> Void
    ) throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let file = machine.makeFile(
            named: "f", kind: kind, length: .pages(UInt64(FileConcurrencyTests.pages)))
        let tasks = try prepare(machine, file)
        let seed = Stress.seed(test)
        for round in Stress.rounds(rounds) {
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                if cpu == 0 {
                    try FileConcurrencyTests.shrinkAndGrow(file, turns: turns, &random)
                } else {
                    try other(machine, file, tasks, cpu, &random)
                }
            }
            try machine.audit()
        }
        for task in tasks { task.exit() }
        file.close()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.total(.filePages) == 0)
        #expect(machine.total(.mapped) == 0)
        #expect(machine.total(.dirty) == 0)
        #expect(machine.total(.mlock) == 0)
    }

    private static func prepareMappings(
        _ machine: Machine, _ file: Machine.File
    ) throws -> [Machine.Task] {
        try (0..<3).map { index in
            let task = machine.spawn(on: index + 1)
            for flags in [MapFlags.shared, .private] {
                _ = try task.mmap(
                    address: mappings(flags).address, length: .pages(UInt64(pages)),
                    protection: [.read, .write], flags: flags.union(.fixed), file: file)
            }
            return task
        }
    }

    private static func mappings(_ flags: MapFlags) -> Region {
        Region(
            address: flags == .shared ? 0x1000_0000_0000 : 0x3000_0008_0000,
            length: UInt64(pages) * pageSize)
    }

    @Test(arguments: [FileKind.memory, .disk])
    func `truncation meets faults, shared and private`(kind: FileKind) throws {
        try againstTruncation(
            kind, rounds: 6, turns: 60, prepare: FileConcurrencyTests.prepareMappings
        ) { _, _, tasks, cpu, random in
            for turn in 0..<150 {
                // Now and then on another's address space.
                let task = tasks[(turn % 5 == 0 ? cpu : cpu - 1) % 3].on(cpu: cpu)
                let area = FileConcurrencyTests.mappings(turn % 2 == 0 ? .shared : .private)
                let pages = random.pages(below: FileConcurrencyTests.pages, atMost: 20)
                try? task.access(area[pages], random.below(2) == 0 ? .read : .write)
                if turn % 40 == 7 { try? task.madvise(area[pages], .remove) }
                if turn % 20 == 3 { try? task.msync(area[pages], .sync) }
                if turn % 20 == 9 { try? task.madvise(area[pages], .dontNeed) }
            }
        }
    }

    @Test func `nothing is mapped beyond the end once truncation returns`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let pages = FileConcurrencyTests.pages
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(UInt64(pages)))
        let tasks = try FileConcurrencyTests.prepareMappings(machine, file)
        let seed = Stress.seed()
        for round in Stress.rounds(6) {
            try concurrently(4) { cpu in
                var random = SeededRandom(seed: seed &+ UInt64(round * 4 + cpu))
                if cpu == 0 {
                    for _ in 0..<60 {
                        let end = random.below(pages - 30)
                        try file.truncate(to: .pages(UInt64(end)))
                        for task in tasks {
                            for flags in [MapFlags.shared, .private] {
                                let beyond = FileConcurrencyTests.mappings(flags)[end..<pages]
                                let words = task.on(cpu: 0).pagemap(beyond)
                                try #require(words.allSatisfy { $0 == 0 })
                            }
                        }
                        try file.truncate(to: .pages(UInt64(pages)))
                    }
                } else {
                    // Lone pages at the end, each the first in a table that truncation has emptied.
                    for turn in 0..<800 {
                        let area = FileConcurrencyTests.mappings(
                            turn % 2 == 0 ? .shared : .private)
                        let page = pages - 1 - random.below(20)
                        try? tasks[cpu - 1].access(
                            area.page(page), random.below(3) == 0 ? .read : .write)
                    }
                }
            }
            try machine.audit()
        }
    }

    @Test func `truncation meets locks`() throws {
        try againstTruncation(
            .memory, rounds: 6, turns: 60, prepare: FileConcurrencyTests.prepareMappings
        ) { _, _, tasks, cpu, random in
            for turn in 0..<60 {
                let task = tasks[cpu - 1]
                let area = FileConcurrencyTests.mappings(turn % 3 == 0 ? .private : .shared)
                let pages = random.pages(below: FileConcurrencyTests.pages, atMost: 200)
                try? task.mlock(area[pages], onFault: turn % 2 == 0)
                try? task.access(area[pages], turn % 4 == 0 ? .write : .read)
                try? task.munlock(area[random.pages(below: FileConcurrencyTests.pages)])
            }
        }
    }

    @Test func `truncation meets exits and forks`() throws {
        try againstTruncation(.memory, rounds: 6, turns: 80) { machine, file, _, cpu, random in
            for _ in 0..<12 {
                let task = machine.spawn(on: cpu)
                let shared = try task.map(file, pages: FileConcurrencyTests.pages)
                let own = try task.map(file, pages: FileConcurrencyTests.pages, .private)
                let pages = random.pages(below: FileConcurrencyTests.pages, atMost: 100)
                try? task.access(shared[pages], .write)
                // The last pages first: some come before truncation has taken them.
                try? task.access(own[pages], .write)
                try? task.access(own, .read)
                let child = try task.fork()
                try? child.access(own[pages], .write)
                if random.below(2) == 0 {
                    task.exit()
                    child.exit()
                } else {
                    child.exit()
                    task.exit()
                }
            }
        }
    }

    @Test func `a forked child keeps no page that truncation took`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 2)
        let pages = 200
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(UInt64(pages)))
        for round in Stress.rounds(60) {
            try file.truncate(to: .pages(UInt64(pages)))
            let task = machine.spawn(on: 1)
            let own = try task.map(file, pages: pages, .private)
            try task.access(own[0..<20], .write)
            try task.access(own, .read)
            let kept = Kept()
            try concurrently(2) { cpu in
                if cpu == 0 {
                    try file.truncate(to: .pages(UInt64(round % 10)))
                } else {
                    kept.task = try task.fork()
                }
            }
            // The audit looks at both while they live.
            try machine.audit()
            task.exit()
            kept.task?.exit()
        }
    }

    /// What one thread hands to who waits for it.
    private final class Kept: @unchecked Sendable {
        var task: Machine.Task?
    }

    @Test func `truncation meets moving mappings`() throws {
        let places: [UInt64] = [0x1000_0000_0000, 0x2000_0020_0000, 0x3000_0000_3000]
        let length = UInt64(FileConcurrencyTests.pages) * pageSize
        try againstTruncation(
            .memory, rounds: 6, turns: 60,
            prepare: { machine, _ in (1..<4).map { machine.spawn(on: $0) } }
        ) { _, file, tasks, cpu, random in
            let task = tasks[cpu - 1]
            for place in places { try task.munmap(Region(address: place, length: length)) }
            var region = try task.mmap(
                address: places[0], length: .bytes(length), protection: [.read, .write],
                flags: cpu == 1 ? [.shared, .fixed] : [.private, .fixed], file: file)
            for turn in 0..<40 {
                let pages = random.pages(below: FileConcurrencyTests.pages, atMost: 50)
                try? task.access(region[pages], turn % 2 == 0 ? .read : .write)
                region = try task.mremap(
                    region, to: .bytes(region.length), [.mayMove, .fixed],
                    at: places[(turn + 1) % 3])
                if turn % 10 == 5 { try task.mprotect(region[pages], [.read, .write, .execute]) }
                if turn % 10 == 9 { try task.mprotect(region, [.read, .write]) }
            }
        }
    }
}
