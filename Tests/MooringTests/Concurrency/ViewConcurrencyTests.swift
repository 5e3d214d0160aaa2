// SPDX-License-Identifier: Apache-2.0

import Dispatch
import TestSupport
import Testing

@testable import Mooring

@Suite struct ViewConcurrencyTests {
    @Test func `every view can be read while others run`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(300), isCached: true)
        let watched = machine.spawn(on: 1)
        let region = try watched.mapPrivate(pages: 200)
        let mapped = try watched.map(file, pages: 300)
        for _ in Stress.rounds(4) {
            try concurrently(4) { cpu in
                switch cpu {
                case 0: ViewConcurrencyTests.look(at: machine)
                case 1:
                    for turn in 0..<60 {
                        try watched.mlock(region[turn..<turn + 50])
                        try watched.access(mapped, turn % 2 == 0 ? .write : .read)
                        try watched.madvise(region, .dontNeedLocked)
                        try watched.munlock(region)
                        try watched.msync(mapped, .sync)
                        try watched.madvise(mapped, .dontNeed)
                    }
                case 2: ViewConcurrencyTests.look(at: watched.on(cpu: 2), region)
                default:
                    for turn in 0..<20 {
                        let task = machine.spawn(on: 3)
                        let own = try task.map(file, pages: 300, .private)
                        try task.access(own, turn % 2 == 0 ? .read : .write)
                        let child = try task.fork()
                        task.exit()
                        child.exit()
                    }
                }
            }
            try machine.audit()
        }
    }

    @Test func `a machine can be looked at while it works`() throws {
        var configuration = MachineConfiguration(memory: .mebibytes(64))
        configuration.cpus = 3
        let machine = try Machine(configuration)
        let task = machine.spawn()
        let kept = try task.mmap(
            length: .pages(64), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(kept, .write)
        // CPUs 0 and 1 work, CPU 2 looks; checked builds hold every lock to its rank.
        DispatchQueue.concurrentPerform(iterations: 3) { index in
            let mine = task.on(cpu: index)
            for _ in 0..<40 {
                if index == 2 {
                    look(at: mine, keeping: kept)
                } else {
                    work(mine)
                }
            }
        }
        try machine.audit()
        #expect(task.vmaSummaries().map(\.resident) == [64])
    }

    private func work(_ task: Machine.Task) {
        do {
            let region = try task.mmap(
                length: .pages(700), protection: [.read, .write], flags: [.private, .anonymous])
            try task.access(region, .write)
            try task.mlock(region[10..<60])
            let child = try task.fork()
            try child.access(region[0..<50], .write)
            child.exit()
            try task.munmap(region)
        } catch {
            Issue.record(error)
        }
    }

    private func look(at task: Machine.Task, keeping kept: Region) {
        let machine = task.machine
        let words = task.pagemap(kept)
        #expect(words.allSatisfy { $0 & PagemapBits.present != 0 })
        let rollup = task.smapsRollup()
        let parts = ["Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty"]
        #expect(parts.reduce(0) { $0 + total($1, in: rollup) } == total("Rss", in: rollup))
        #expect(task.maps().hasSuffix("\n"))
        #expect(task.figures().resident >= 64)
        let map = machine.pageblockMap()
        #expect(FrameHolder.allCases.reduce(0) { $0 + map.frames(of: $1) } == 16384)
        #expect(machine.kpagecount(0..<2048).count == 2048)
        #expect(machine.meminfo().hasPrefix("MemTotal:          65536 kB\n"))
    }

    private static func look(at machine: Machine) {
        for _ in 0..<3 {
            #expect(machine.meminfo().hasPrefix("MemTotal:"))
            #expect(!machine.vmstat().isEmpty)
            #expect(!machine.zoneinfo().isEmpty)
            #expect(!machine.buddyinfo().isEmpty)
            #expect(!machine.pagetypeinfo().isEmpty)
            #expect(machine.kpageflags().count == 8192)
            #expect(machine.kpagecount().count == 8192)
            let map = machine.pageblockMap()
            #expect(FrameHolder.allCases.reduce(0) { $0 + map.frames(of: $1) } == 8192)
        }
    }

    private static func look(at task: Machine.Task, _ region: Region) {
        for _ in 0..<15 {
            #expect(task.maps().hasSuffix("\n"))
            #expect(task.smaps().hasSuffix("\n"))
            #expect(!task.smapsRollup().isEmpty)
            #expect(task.status().contains("VmRSS"))
            #expect(!task.statm().isEmpty)
            #expect(task.pagemap(region).count == 200)
            let figures = task.figures()
            #expect(figures.virtual == 500)
            #expect(figures.peakResident >= figures.resident)
        }
    }
}
