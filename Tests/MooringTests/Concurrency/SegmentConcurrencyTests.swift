// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct SegmentConcurrencyTests {
    @Test func `a removed segment goes once, with whoever lets go last`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 4)
        let tasks = (0..<4).map { machine.spawn(on: $0) }
        for _ in Stress.rounds(100) {
            let segment = try machine.makeSegment(length: .pages(8))
            let places = try tasks.map { try $0.shmat(segment) }
            try tasks[1].shmLock(segment, locked: true)
            try concurrently(4) { cpu in
                let mine = tasks[cpu]
                if cpu == 0 { segment.removeSegment() }
                try mine.access(Region(address: places[cpu], length: 8 * pageSize), .write)
                try mine.shmdt(places[cpu])
                // Somebody may still hold it, and then the segment stays a little longer.
                if cpu > 1, let again = try? mine.shmat(segment) { try mine.shmdt(again) }
            }
            try machine.audit()
            try #require(machine.spaces.commitment.committedPages == 0)
            try #require(machine.total(.shmem) == 0)
            #expect(throws: Errno.EINVAL) { try tasks[0].shmat(segment) }
            segment.close()
        }
        try machine.audit()
        #expect(machine.cache.files.liveCount == 0)
    }

    @Test func `no page that comes during SHM_UNLOCK stays unevictable`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 3)
        let tasks = (0..<3).map { machine.spawn(on: $0) }
        for _ in Stress.rounds(60) {
            let segment = try machine.makeSegment(length: .pages(100))
            let places = try tasks.map { try $0.shmat(segment) }
            try tasks[0].shmLock(segment, locked: true)
            try concurrently(3) { cpu in
                if cpu == 0 {
                    try tasks[0].shmLock(segment, locked: false)
                } else {
                    let half = Region(address: places[cpu], length: 100 * pageSize)[
                        (cpu - 1) * 50..<cpu * 50]
                    try tasks[cpu].access(half, .write)
                }
            }
            machine.drainBatches()
            try machine.audit()
            try #require(machine.total(.unevictable) == 0)
            for (task, place) in zip(tasks, places) { try task.shmdt(place) }
            segment.close()
        }
    }

    @Test func `the last detachment frees a segment that is locked and removed`() throws {
        let machine = try ConcurrencyBench.machine(cpus: 1)
        let task = machine.spawn()
        let segment = try machine.makeSegment(length: .pages(4))
        let place = try task.shmat(segment)
        try task.shmLock(segment, locked: true)
        segment.removeSegment()
        try task.shmdt(place)
        try machine.audit()
        #expect(machine.cache.segmentLocks.users.isEmpty)
    }
}
