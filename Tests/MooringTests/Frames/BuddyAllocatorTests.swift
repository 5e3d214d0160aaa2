// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct BuddyAllocatorTests {
    @Test func `splits a block and merges it again`() throws {
        let machine = try FrameMachine(frames: 4096, batch: 0)
        let zone = machine.allocator.zone(0)
        let pfn = machine.allocator.allocate(type: .movable, on: machine.cpu)
        #expect(pfn == PFN(0))
        for order in 0..<10 {
            #expect(zone.blockCount(order: order, type: .movable).load() == 1)
        }
        #expect(zone.blockCount(order: 10, type: .movable).load() == 3)
        #expect(zone.freeFrames == 4095)
        try machine.allocator.checkInvariants()

        machine.allocator.free(pfn, on: machine.cpu)
        for order in 0..<10 {
            #expect(zone.blockCount(order: order, type: .movable).load() == 0)
        }
        #expect(zone.blockCount(order: 10, type: .movable).load() == 4)
        try machine.allocator.checkInvariants()
    }

    @Test(arguments: 0...10)
    func `hands out aligned blocks of every order`(order: Int) throws {
        let machine = try FrameMachine(frames: 8192 + 700)
        var taken: [PFN] = []
        while true {
            let pfn = machine.allocator.allocate(order: order, type: .movable, on: machine.cpu)
            if pfn == .none { break }
            #expect(pfn.index % (1 << order) == 0)
            taken.append(pfn)
        }
        #expect(taken.count == 8892 >> order)
        #expect(Set(taken).count == taken.count)
        try machine.allocator.checkInvariants()
    }

    @Test func `returns to the first state when all is freed`() throws {
        let machine = try FrameMachine(frames: 10 * 1024 + 1023)
        let before = machine.allocator.zoneStatistics
        for reverse in [false, true] {
            let taken = machine.allocateAll()
            #expect(taken.count == machine.allocator.totalFrames)
            #expect(Set(taken).count == taken.count)
            #expect(machine.allocator.freeFrames == 0)
            for pfn in reverse ? taken.reversed() : taken {
                machine.allocator.free(pfn, on: machine.cpu)
            }
            machine.allocator.drain(machine.cpu)
            #expect(machine.allocator.zoneStatistics == before)
            try machine.allocator.checkInvariants()
        }
    }

    @Test func `takes blocks apart that were allocated whole`() throws {
        let machine = try FrameMachine(frames: 2048, batch: 0)
        let pfn = machine.allocator.allocate(order: 9, type: .movable, on: machine.cpu)
        for index in pfn.index..<pfn.index + 512 {
            machine.allocator.free(PFN(index), on: machine.cpu)
        }
        #expect(machine.allocator.freeFrames == 2048)
        #expect(machine.allocator.zone(0).blockCount(order: 10, type: .movable).load() == 2)
        try machine.allocator.checkInvariants()
    }

    @Test func `takes singles in the order in which single allocations would`() throws {
        let bulk = try FrameMachine(frames: 4096, batch: 0)
        let single = try FrameMachine(frames: 4096, batch: 0)
        for machine in [bulk, single] {
            // Holes of several sizes first.
            var taken: [PFN] = []
            for order in [3, 0, 5, 1, 0, 2, 6, 0] {
                taken.append(
                    machine.allocator.allocate(order: order, type: .movable, on: machine.cpu))
            }
            machine.allocator.free(taken[2], order: 5, on: machine.cpu)
            machine.allocator.free(taken[5], order: 2, on: machine.cpu)
        }
        let buffer = UnsafeMutablePointer<PFN>.allocate(capacity: 777)
        defer { buffer.deallocate() }
        #expect(
            bulk.allocator.allocate(into: buffer, count: 777, type: .movable, on: bulk.cpu) == 777)
        for index in 0..<777 {
            #expect(
                buffer[index] == single.allocator.allocate(type: .movable, on: single.cpu))
        }
        #expect(bulk.allocator.zoneStatistics == single.allocator.zoneStatistics)
        try bulk.allocator.checkInvariants()
    }
}
