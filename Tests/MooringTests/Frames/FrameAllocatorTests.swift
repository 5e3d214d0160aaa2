// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

@Suite struct FrameAllocatorTests {
    // MARK: Configuration

    @Test func `refuses impossible machines`() {
        func failure(_ configuration: MemoryConfiguration) -> MemoryConfigurationError? {
            do throws(MemoryConfigurationError) {
                try configuration.validate()
                return nil
            } catch { return error }
        }
        #expect(failure(MemoryConfiguration(frames: 0)) == .noMemory)
        #expect(failure(MemoryConfiguration(frames: 1024, nodes: 0)) == .noMemory)
        #expect(failure(MemoryConfiguration(nodeFrames: [1024, 0])) == .noMemory)
        #expect(failure(MemoryConfiguration(frames: 1 << 20, nodes: 17)) == .tooManyNodes(17))
        #expect(failure(MemoryConfiguration(frames: 1 << 32)) == .tooLarge(frames: 1 << 32))
        #expect(
            failure(MemoryConfiguration(nodeFrames: [.max, .max])) == .tooLarge(frames: .max))
        #expect(
            failure(MemoryConfiguration(nodeFrames: [1000, 1024]))
                == .nodeMisaligned(node: 0, frames: 1000))
        #expect(failure(MemoryConfiguration(frames: 16)) == .reserveTooLarge(minFreeKibibytes: 128))
        var movable = MemoryConfiguration(frames: 4096)
        movable.movableFrames = 4096
        #expect(failure(movable) == .movableZoneTooLarge(frames: 4096))
        movable.movableFrames = 3000
        #expect(failure(movable) == nil)
        #expect(failure(MemoryConfiguration(frames: 1 << 31)) == nil)
    }

    @Test(arguments: [
        // What min_free_kbytes comes to by the kernel's formula.
        (16, 512), (512, 2896), (4096, 8192), (16_384, 16_384), (1, 128), (1 << 24, 262_144),
    ])
    func `keeps the kernel's reserve`(mebibytes: UInt64, kibibytes: Int) {
        let configuration = MemoryConfiguration(memory: .mebibytes(mebibytes))
        #expect(configuration.defaultMinFreeKibibytes == kibibytes)
    }

    @Test func `cuts zones as a real machine does`() throws {
        var configuration = MemoryConfiguration(memory: .gibibytes(16), nodes: 2)
        configuration.movableFrames = 1 << 20
        let machine = try FrameMachine(configuration)
        let zones = machine.allocator.zoneStatistics
        #expect(zones.map(\.node) == [0, 0, 0, 1, 1])
        #expect(zones.map(\.type) == [.dma32, .normal, .movable, .normal, .movable])
        #expect(zones.map { $0.managed >> 10 } == [1024, 512, 512, 1536, 512])
        #expect(zones.map { $0.start >> 10 } == [0, 1024, 1536, 2048, 3584])
        // 1/256 of Normal, and of Normal and Movable; 1/32 of Movable.
        #expect(zones[0].protection == [0, 2048, 4096])
        #expect(zones[1].protection == [0, 0, 16384])
        // sqrt(16 × 16 GiB in KiB) = 16384 KiB = 4096 frames, a quarter of it DMA32's.
        #expect((zones[0].min, zones[0].low, zones[0].high) == (1024, 1280, 1536))
        try machine.allocator.checkInvariants()
    }

    @Test func `makes a machine of 1 TiB in less than 100 ms`() throws {
        let (time, machine) = try leastProcessorTime {
            try FrameMachine(MemoryConfiguration(memory: .tebibytes(1)), cpuCount: 8)
        }
        #expect(time < .milliseconds(100))
        #expect(machine.allocator.freeFrames == 1 << 28)

        let buffer = UnsafeMutablePointer<PFN>.allocate(capacity: 5000)
        defer { buffer.deallocate() }
        let taken = machine.allocator.allocate(
            into: buffer, count: 5000, type: .movable, on: machine.cpu)
        #expect(taken == 5000)
        // Only what is used has descriptors.
        #expect(machine.allocator.zone(1).nextUninitialised == (1 << 20) + 5 * 1024)
        #expect(machine.allocator.zone(0).nextUninitialised == 0)
        #expect(!machine.allocator.isInitialised(PFN(1 << 27)))
        try machine.allocator.checkInvariants()
        machine.allocator.free(UnsafeBufferPointer(start: buffer, count: 5000), on: machine.cpu)
        machine.allocator.drain(machine.cpu)
        #expect(machine.allocator.freeFrames == 1 << 28)
        try machine.allocator.checkInvariants()
    }

    // MARK: Zones and nodes

    @Test func `goes from zone to zone and then to the other node`() throws {
        var configuration = MemoryConfiguration(nodeFrames: [(1 << 20) + 2048, 4096])
        configuration.movableFrames = 2048
        configuration.minFreeKibibytes = 0
        configuration.lowmemReserveRatio = [0, 0]
        configuration.perCPUBatch = 0
        let machine = try FrameMachine(configuration)
        func zonesOfAll(_ type: MigrateType, node: Int) -> [Int] {
            var zones: [Int] = []
            while true {
                let pfn = machine.allocator.allocate(
                    order: 10, type: type, node: node, on: machine.cpu)
                if pfn == .none { return zones }
                let zone = machine.frames[pfn].zoneIndex
                if zones.last != zone { zones.append(zone) }
            }
        }
        #expect(zonesOfAll(.unmovable, node: 1) == [4, 1, 0])
        #expect(zonesOfAll(.movable, node: 0) == [2, 5])
        #expect(machine.allocator.freeFrames == 0)
        #expect(machine.events(.pgallocMovable) == 2048)
        #expect(machine.events(.pgallocDMA32) == 1 << 20)
        #expect(machine.events(.pgallocNormal) == 1024 + 3072)
    }

    @Test func `keeps the lowmem reserve from those who could use better zones`() throws {
        var configuration = MemoryConfiguration(frames: (1 << 20) + (1 << 18))
        configuration.minFreeKibibytes = 0
        let machine = try FrameMachine(configuration)
        let reserve = (1 << 18) / 256
        let taken = machine.allocateAll()
        #expect(taken.count == machine.allocator.totalFrames - reserve)
        #expect(machine.allocator.zone(0).freeFrames == reserve)
        for pfn in taken { machine.allocator.free(pfn, on: machine.cpu) }
        try machine.allocator.checkInvariants()
    }

    // MARK: Watermarks

    @Test(arguments: [0, 63])
    func `stops at the min watermark`(batch: Int) throws {
        let machine = try FrameMachine(frames: 16384, batch: batch, minFree: 4000)
        let zone = machine.allocator.zone(0)
        #expect(zone.frames(at: .min) == 1000)
        #expect(zone.frames(at: .low) == 1250)
        #expect(zone.frames(at: .high) == 1500)
        let taken = machine.allocateAll()
        #expect(taken.count == 16384 - 1000)
        #expect(zone.freeFrames == 1000)
        #expect(
            machine.allocator.allocate(order: 3, type: .movable, on: machine.cpu) == .none)
        // Those who cannot wait may take half of the rest.
        var urgent = 0
        while machine.allocator.allocate(
            type: .movable, keeping: .emergency, on: machine.cpu) != .none
        {
            urgent += 1
        }
        #expect(urgent == 500)
        try machine.allocator.checkInvariants()
    }

    @Test func `stops earlier when asked to keep more`() throws {
        let machine = try FrameMachine(frames: 16384, minFree: 4000)
        var taken = 0
        while machine.allocator.allocate(type: .movable, keeping: .high, on: machine.cpu) != .none {
            taken += 1
        }
        #expect(taken == 16384 - 1500)
    }

    // MARK: Per-CPU lists

    @Test func `refills and drains by the batch`() throws {
        let machine = try FrameMachine(frames: 1 << 19)
        let lists = machine.allocator.lists(cpu: 0, zone: 0)
        let zone = machine.allocator.zone(0)
        #expect((lists.batch, lists.usualHigh) == (63, 252))

        var taken = [machine.allocator.allocate(type: .movable, on: machine.cpu)]
        #expect(zone.freeFrames == (1 << 19) - 63)
        #expect(machine.allocator.usedPerCPUFrames == 62)
        for _ in 1..<400 {
            taken.append(machine.allocator.allocate(type: .movable, on: machine.cpu))
        }
        #expect(taken.map(\.index) == Array(0..<400))
        #expect(zone.freeFrames == (1 << 19) - 7 * 63)
        #expect(machine.allocator.usedFrames == 400)

        for pfn in taken { machine.allocator.free(pfn, on: machine.cpu) }
        // 41 were left; 441 passes 252 four times.
        #expect(Int(lists.total.load()) == 441 - 3 * 63)
        #expect(machine.allocator.usedFrames == 0)
        // What was freed last is handed out first.
        #expect(machine.allocator.allocate(type: .movable, on: machine.cpu) == PFN(399))
        machine.allocator.free(PFN(399), on: machine.cpu)
        try machine.allocator.checkInvariants()
        machine.allocator.drain(machine.cpu)
        #expect(machine.allocator.usedPerCPUFrames == 0)
        #expect(zone.freeFrames == 1 << 19)
        #expect(machine.events(.pgallocDMA32) == 401)
        #expect(machine.events(.pgfree) == 401)
        try machine.allocator.checkInvariants()
    }

    @Test(arguments: [(1 << 12, 1), (1 << 15, 7), (1 << 17, 31), (1 << 18, 63), (1 << 24, 63)])
    func `takes smaller batches in smaller zones`(frames: Int, batch: Int) {
        #expect(PerCPUFrames.defaultBatch(managed: frames) == batch)
    }

    @Test func `refills by twice as many until some are given back`() throws {
        let machine = try FrameMachine(frames: 1 << 19, minFree: 32_768)
        let lists = machine.allocator.lists(cpu: 0, zone: 0)
        let zone = machine.allocator.zone(0)
        #expect((lists.batch, lists.usualHigh) == (63, 2016))

        var refills: [Int] = []
        var taken: [PFN] = []
        while refills.count < 8 {
            let before = zone.freeFrames
            taken.append(machine.allocator.allocate(type: .movable, on: machine.cpu))
            if zone.freeFrames < before { refills.append(before - zone.freeFrames) }
        }
        #expect(refills == [63, 126, 252, 504, 1008, 2016, 2016, 2016])

        for pfn in taken { machine.allocator.free(pfn, on: machine.cpu) }
        #expect(Int(lists.total.load()) <= 2016)
        while lists.count(.movable).load() > 0 {
            _ = machine.allocator.allocate(type: .movable, on: machine.cpu)
        }
        let before = zone.freeFrames
        _ = machine.allocator.allocate(type: .movable, on: machine.cpu)
        #expect(before - zone.freeFrames == 63)
        try machine.allocator.checkInvariants()
    }

    @Test(arguments: [
        (63, 0, 1, 252), (63, 1280, 1, 1280), (63, 1280, 2, 640), (63, 1280, 64, 252),
        (63, 80_000, 1, 2016), (0, 1280, 1, 0),
    ])
    func `keeps a CPU's share of the low watermark`(
        batch: Int, low: Int, cpuCount: Int, high: Int
    ) {
        #expect(PerCPUFrames.Limits(batch: batch, low: low, cpuCount: cpuCount).high == high)
    }

    @Test func `drains other CPUs before an allocation fails`() throws {
        var configuration = MemoryConfiguration(frames: 4096)
        configuration.minFreeKibibytes = 0
        configuration.perCPUBatch = 63
        let machine = try FrameMachine(configuration, cpuCount: 2)
        machine.cpus[1].enter()
        let pfn = machine.allocator.allocate(type: .movable, on: machine.cpus[1])
        machine.allocator.free(pfn, on: machine.cpus[1])
        machine.cpus[1].leave()
        #expect(machine.allocator.lists(cpu: 1, zone: 0).total.load() == 63)
        #expect(machine.allocateAll().count == 4096)
        try machine.allocator.checkInvariants()
    }

    @Test func `asks a busy CPU to drain itself`() throws {
        var configuration = MemoryConfiguration(frames: 4096)
        configuration.minFreeKibibytes = 0
        configuration.perCPUBatch = 63
        let machine = try FrameMachine(configuration, cpuCount: 2)
        machine.cpus[1].enter()
        let pfn = machine.allocator.allocate(type: .movable, on: machine.cpus[1])
        let lists = machine.allocator.lists(cpu: 1, zone: 0)
        #expect(machine.allocateAll().count == 4096 - 63)
        #expect(lists.high.load() == 0)
        machine.allocator.free(pfn, on: machine.cpus[1])
        #expect(lists.total.load() == 0)
        #expect(lists.high.load() == 252)
        #expect(machine.allocateAll().count == 63)
        try machine.allocator.checkInvariants()
    }

    @Test func `drains all lists of a busy CPU when one of them is refilled`() throws {
        var configuration = MemoryConfiguration(frames: 4096)
        configuration.perCPUBatch = 63
        let machine = try FrameMachine(configuration, cpuCount: 2)
        let busy = machine.cpus[1]
        busy.enter()
        #expect(machine.allocator.allocate(type: .movable, on: busy) != .none)
        machine.allocator.drainAll(on: machine.cpu)
        #expect(machine.allocator.usedPerCPUFrames == 62)
        #expect(machine.allocator.allocate(type: .unmovable, on: busy) != .none)
        let lists = machine.allocator.lists(cpu: 1, zone: 0)
        #expect(lists.count(.movable).load() == 0)
        #expect(lists.count(.unmovable).load() == 62)
        try machine.allocator.checkInvariants()
    }

    // MARK: Migrate types

    @Test func `takes whole pageblocks for another type at no cost`() throws {
        let machine = try FrameMachine(frames: 8192, batch: 0)
        let pfn = machine.allocator.allocate(type: .unmovable, on: machine.cpu)
        #expect(machine.allocator.pageblockType(of: pfn) == .unmovable)
        #expect(machine.allocator.pageblockType(of: PFN(pfn.index ^ 512)) == .unmovable)
        #expect(machine.events(.extfrag) == 0)
        // The next ones follow it there.
        for _ in 0..<1000 {
            let next = machine.allocator.allocate(type: .unmovable, on: machine.cpu)
            #expect(next.index >> 10 == pfn.index >> 10)
        }
        try machine.allocator.checkInvariants()
    }

    @Test func `mixes types only when no pageblock is free, and says so`() throws {
        let machine = try FrameMachine(frames: 2048, batch: 0)
        let taken = machine.allocateAll(.movable)
        // Every second frame of the first pageblock, and half of the third in one piece.
        for index in stride(from: 0, to: 512, by: 2) {
            machine.allocator.free(PFN(index), on: machine.cpu)
        }
        for index in 1024..<1280 { machine.allocator.free(PFN(index), on: machine.cpu) }
        #expect(taken.count == 2048)

        // The largest block first; with it, half of its pageblock is free, which is enough.
        let first = machine.allocator.allocate(type: .unmovable, on: machine.cpu)
        #expect(first == PFN(1024))
        #expect(machine.events(.extfrag) == 1)
        #expect(machine.allocator.pageblockType(of: first) == .unmovable)
        for _ in 1..<256 {
            #expect(
                machine.allocator.allocate(type: .unmovable, on: machine.cpu).index >> 9 == 2)
        }
        #expect(machine.events(.extfrag) == 1)
        try machine.allocator.checkInvariants()

        // What is left is in pieces among frames of unknown use, which may be unmovable.
        let second = machine.allocator.allocate(type: .unmovable, on: machine.cpu)
        #expect(second.index < 512)
        #expect(machine.events(.extfrag) == 2)
        try machine.allocator.checkInvariants()
    }

    @Test func `leaves a pageblock full of movable frames its type`() throws {
        let machine = try FrameMachine(frames: 1024, batch: 0)
        for pfn in machine.allocateAll(.movable) { machine.frames[pfn].set(.anonymous) }
        for index in 0..<64 { machine.allocator.free(PFN(index), on: machine.cpu) }
        let pfn = machine.allocator.allocate(type: .unmovable, on: machine.cpu)
        #expect(pfn == PFN(0))
        #expect(machine.events(.extfrag) == 1)
        #expect(machine.allocator.pageblockType(of: pfn) == .movable)
        try machine.allocator.checkInvariants()
    }

    @Test func `gives movable requests the smallest of other types' blocks`() throws {
        let machine = try FrameMachine(frames: 1024, batch: 0)
        let taken = machine.allocateAll(.unmovable)
        #expect(taken.count == 1024)
        machine.allocator.free(PFN(3), on: machine.cpu)
        for index in 64..<68 { machine.allocator.free(PFN(index), on: machine.cpu) }
        #expect(machine.allocator.allocate(type: .movable, on: machine.cpu) == PFN(3))
        #expect(machine.allocator.pageblockType(of: PFN(3)) == .unmovable)
        #expect(machine.events(.extfrag) == 1)
        try machine.allocator.checkInvariants()
    }

    @Test func `keeps a pageblock for high-atomic requests and gives it up in need`() throws {
        let machine = try FrameMachine(frames: 16384, batch: 0, minFree: 400)
        let pfn = machine.allocator.allocate(order: 3, type: .highAtomic, on: machine.cpu)
        #expect(machine.allocator.pageblockType(of: pfn) == .highAtomic)
        #expect(Int(machine.allocator.zone(0).counter(.withheld).load()) == 512 - 8)
        try machine.allocator.checkInvariants()
        // The next one comes from there, and so do frames that are freed there.
        let next = machine.allocator.allocate(order: 2, type: .highAtomic, on: machine.cpu)
        #expect(next.index >> 9 == pfn.index >> 9)
        machine.allocator.free(pfn, order: 3, on: machine.cpu)
        try machine.allocator.checkInvariants()

        #expect(machine.allocateAll().count == 16384 - 4 - 100)
        #expect(machine.allocator.pageblockType(of: pfn) == .movable)
        try machine.allocator.checkInvariants()
    }

    @Test func `allocates nothing from isolated pageblocks`() throws {
        let machine = try FrameMachine(frames: 4096)
        let pfn = machine.allocator.allocate(type: .movable, on: machine.cpu)
        machine.allocator.drain(machine.cpu)
        machine.allocator.setPageblockType(of: PFN(0), to: .isolate, on: machine.cpu)
        machine.allocator.setPageblockType(of: PFN(3000), to: .isolate, on: machine.cpu)
        try machine.allocator.checkInvariants()
        machine.allocator.free(pfn, on: machine.cpu)
        let taken = machine.allocateAll()
        #expect(taken.count == 4096 - 1024)
        #expect(!taken.contains { $0.index < 512 || $0.index >> 9 == 5 })
        for pfn in taken { machine.allocator.free(pfn, on: machine.cpu) }
        machine.allocator.drain(machine.cpu)
        machine.allocator.setPageblockType(of: PFN(0), to: .movable, on: machine.cpu)
        machine.allocator.setPageblockType(of: PFN(3000), to: .movable, on: machine.cpu)
        #expect(machine.allocator.zone(0).blockCount(order: 10, type: .movable).load() == 4)
        try machine.allocator.checkInvariants()
    }

    // MARK: Descriptors

    @Test func `hands frames out clean`() throws {
        let machine = try FrameMachine(frames: 4096, batch: 0)
        for order in [0, 4] {
            let pfn = machine.allocator.allocate(order: order, type: .movable, on: machine.cpu)
            for index in pfn.index..<pfn.index + (1 << order) {
                let frame = machine.frames[PFN(index)]
                frame.set([.dirty, .anonymous, .swapBacked, .mlocked])
                frame.counts.store(1)
                frame.setOwner(77, pageOffset: 5)
            }
            machine.allocator.free(pfn, order: order, on: machine.cpu)
            #expect(
                machine.allocator.allocate(order: order, type: .movable, on: machine.cpu) == pfn)
            for index in pfn.index..<pfn.index + (1 << order) {
                let frame = machine.frames[PFN(index)]
                #expect(frame.flags.rawValue & ~FrameFlags.zoneMask == 0)
                #expect(frame.counts.load() == 0)
                #expect(frame.ownerNumber == 0 && frame.pageOffset == 0)
                #expect(!frame.tableLock.isLockedHint)
            }
        }
    }

    @Test func `stops when a frame is freed that is on a list`() async {
        await #expect(processExitsWith: .failure) {
            let machine = try FrameMachine(frames: 4096)
            let pfn = machine.allocator.allocate(type: .movable, on: machine.cpu)
            machine.frames[pfn].set(.onLRU)
            machine.allocator.free(pfn, on: machine.cpu)
        }
    }

    @Test func `reports the figure that is wrong`() throws {
        let machine = try FrameMachine(frames: 4096)
        machine.allocator.zone(0).counter(.free).add(3)
        #expect(throws: AuditFailure("zone 0, free frames", counted: 4099, recomputed: 4096)) {
            try machine.allocator.checkInvariants()
        }
    }
}
