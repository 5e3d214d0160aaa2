// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct FrameStressTests {
    /// Takes and gives back at random: `blocks` is what it has.
    private struct Player {
        var generator: FrameMachine.Generator
        var blocks: [(pfn: PFN, order: Int)] = []
        /// Frames in them.
        var held = 0
        let buffer = UnsafeMutablePointer<PFN>.allocate(capacity: 200)

        mutating func step(_ allocator: FrameAllocator, on cpu: CPU, share: Int) {
            let types: [MigrateType] = [.unmovable, .movable, .movable, .movable, .reclaimable]
            let type = types[Int.random(in: 0..<types.count, using: &generator)]
            let node = Int.random(in: 0..<allocator.nodeCount, using: &generator)
            let grow = held < share
            switch Int.random(in: 0..<20, using: &generator) {
            case 0..<8 where grow:
                take(allocator.allocate(type: type, node: node, on: cpu), 0, allocator)
            case 8..<12 where grow:
                let order = Int.random(in: 0...10, using: &generator)
                take(
                    allocator.allocate(order: order, type: type, node: node, on: cpu), order,
                    allocator)
            case 12 where grow:
                let order = Int.random(in: 0...4, using: &generator)
                take(
                    allocator.allocate(order: order, type: .highAtomic, node: node, on: cpu),
                    order, allocator)
            case 13 where grow:
                let count = allocator.allocate(
                    into: buffer, count: Int.random(in: 1...200, using: &generator), type: type,
                    node: node, on: cpu)
                for index in 0..<count { take(buffer[index], 0, allocator) }
            case 14:
                allocator.drainAll(on: cpu)
            case 15:
                let count = min(blocks.count, 60)
                for _ in 0..<count { give(allocator, on: cpu) }
            default:
                give(allocator, on: cpu)
            }
        }

        private mutating func take(_ pfn: PFN, _ order: Int, _ allocator: FrameAllocator) {
            guard pfn != .none else { return }
            // A frame that is handed out twice has a count already.
            for index in pfn.index..<pfn.index + (1 << order) {
                let frame = allocator.state.pointee.frames[PFN(index)]
                precondition(frame.counts.add(1) == 1, "frame \(index) was handed out twice")
                if generator.next() % 3 == 0 { frame.set(.anonymous) }
            }
            blocks.append((pfn, order))
            held += 1 << order
        }

        mutating func give(_ allocator: FrameAllocator, on cpu: CPU) {
            guard !blocks.isEmpty else { return }
            let index = Int.random(in: 0..<blocks.count, using: &generator)
            blocks.swapAt(index, blocks.count - 1)
            let (pfn, order) = blocks.removeLast()
            held -= 1 << order
            for index in pfn.index..<pfn.index + (1 << order) {
                precondition(
                    allocator.state.pointee.frames[PFN(index)].counts.subtract(1) == 0,
                    "frame \(index) has two owners")
            }
            if order > 0, generator.next() % 4 == 0 {
                // In two halves.
                allocator.free(pfn, order: order - 1, on: cpu)
                allocator.free(PFN(pfn.index + 1 << (order - 1)), order: order - 1, on: cpu)
            } else {
                allocator.free(pfn, order: order, on: cpu)
            }
        }
    }

    private static func configurations() -> [MemoryConfiguration] {
        let small = MemoryConfiguration(frames: 5000)
        var nodes = MemoryConfiguration(frames: 20_000, nodes: 3)
        nodes.movableFrames = 4096
        var large = MemoryConfiguration(frames: (1 << 20) + 9000)
        large.movableFrames = 2048
        return [small, nodes, large]
    }

    @Test(arguments: configurations())
    func `keeps its books under random use`(configuration: MemoryConfiguration) throws {
        let machine = try FrameMachine(configuration)
        var player = Player(generator: .announced())
        defer { player.buffer.deallocate() }
        for round in 0..<60 {
            for _ in 0..<200 {
                player.step(machine.allocator, on: machine.cpu, share: 60_000)
            }
            if round % 4 == 0 {
                let pfn = PFN(
                    Int.random(
                        in: 0..<machine.allocator.zone(0).managed / 4, using: &player.generator))
                let types: [MigrateType] = [.movable, .isolate, .unmovable, .movable, .highAtomic]
                machine.allocator.setPageblockType(
                    of: pfn, to: types[round / 4 % 5], on: machine.cpu)
            }
            try machine.allocator.checkInvariants()
            #expect(machine.allocator.usedFrames == player.held)
        }
        while !player.blocks.isEmpty { player.give(machine.allocator, on: machine.cpu) }
        machine.allocator.drainAll(on: machine.cpu)
        #expect(machine.allocator.freeFrames == machine.allocator.totalFrames)
        try machine.allocator.checkInvariants()
    }

    @Test func `keeps its books when CPUs run at once`() throws {
        var configuration = MemoryConfiguration(frames: 24_000, nodes: 2)
        configuration.perCPUBatch = 31
        let machine = try FrameMachine(configuration, cpuCount: 4)
        machine.cpu.leave()
        let seed = FrameMachine.Generator.announced().state
        FrameMachine.onThreads(6) { thread in
            // More threads than CPUs, so that CPUs change hands.
            var player = Player(generator: .init(seed: seed &+ UInt64(thread)))
            let cpu = machine.cpus[thread % 4]
            for _ in 0..<400 {
                cpu.enter()
                for _ in 0..<20 {
                    // Together more than there is: allocations fail while others hold lists.
                    player.step(machine.allocator, on: cpu, share: 5000)
                }
                cpu.leave()
            }
            cpu.enter()
            while !player.blocks.isEmpty { player.give(machine.allocator, on: cpu) }
            cpu.leave()
            player.buffer.deallocate()
        }
        machine.cpu.enter()
        try machine.allocator.checkInvariants()
        #expect(machine.allocator.usedFrames == 0)
        machine.allocator.drainAll(on: machine.cpu)
        #expect(machine.allocator.freeFrames == machine.allocator.totalFrames)
        try machine.allocator.checkInvariants()
    }
}
