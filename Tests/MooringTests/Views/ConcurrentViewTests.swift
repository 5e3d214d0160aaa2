// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Testing

@testable import Mooring

@Suite struct ConcurrentViewTests {
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
}
