// SPDX-License-Identifier: Apache-2.0

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
