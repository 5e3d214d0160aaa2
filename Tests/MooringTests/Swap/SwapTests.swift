// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

/// 16 MiB are 4096 frames.
@Suite struct SwapTests {
    static func machine(
        swap: ByteCount = .mebibytes(64), contents: MachineConfiguration.Contents = .bytes,
        cpus: Int = 1
    ) throws -> Machine {
        try ReclaimBench.machine(contents: contents, cpus: cpus) { $0.swap = [swap] }
    }

    @Test func `a program larger than memory has its data again`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 10_000)
        for page in 0..<10_000 {
            try task.write([UInt8(truncatingIfNeeded: page * 3 + 1)], at: region.page(page).address)
        }
        try machine.audit()
        #expect(machine.total(.pswpout) >= 10_000 - 4096)
        #expect(task.status().contains("VmSwap:\t"))
        let figures = task.figures()
        #expect(figures.swapped + figures.residentAnonymous == 10_000)
        #expect(total("Swap", in: task.smaps()) == figures.swapped * 4)
        for page in 0..<10_000 {
            #expect(
                try task.read(1, at: region.page(page).address)
                    == [UInt8(truncatingIfNeeded: page * 3 + 1)])
        }
        #expect(machine.total(.pswpin) > 5000)
        #expect(machine.total(.swapRa) > 0)
        #expect(machine.total(.oomKill) == 0)
        try machine.audit()
        task.exit()
        machine.endWrites()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.swap.freeSlots == machine.swap.totalSlots)
    }

    @Test func `swapped pages are shared by a fork, and copied when one side writes`() throws {
        let machine = try Self.machine()
        let parent = machine.spawn()
        let region = try parent.mapPrivate(pages: 64)
        for page in 0..<64 { try parent.write([UInt8(page)], at: region.page(page).address) }
        try parent.pageOut(region, machine)
        #expect(parent.figures().swapped == 64)
        let child = try parent.fork()
        #expect(child.figures().swapped == 64)
        #expect(total("SwapPss", in: child.smaps()) == 64 * 4 / 2)
        try machine.audit()
        for page in 0..<64 {
            try child.write([100 + UInt8(page)], at: region.page(page).address)
        }
        try machine.audit()
        for page in 0..<64 {
            #expect(try parent.read(1, at: region.page(page).address) == [UInt8(page)])
            #expect(try child.read(1, at: region.page(page).address) == [100 + UInt8(page)])
        }
        try parent.pageOut(region, machine)
        child.exit()
        try machine.audit()
        for page in 0..<64 {
            #expect(try parent.read(1, at: region.page(page).address) == [UInt8(page)])
        }
        try parent.munmap(region)
        machine.endWrites()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.swap.freeSlots == machine.swap.totalSlots)
    }

    @Test func `calls meet swapped pages`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 40)
        for page in 0..<40 { try task.write([UInt8(page)], at: region.page(page).address) }
        try task.pageOut(region, machine)
        #expect(try task.resident(region) == 0)
        #expect(task.pagemap(region).allSatisfy { $0 & PagemapBits.swapped != 0 })
        #expect(Set(task.pagemap(region)).count == 40)
        let place = try task.mapPrivate(pages: 10)
        let moved = try task.mremap(
            region[0..<10], to: .pages(10), [.mayMove, .fixed], at: place.address)
        try task.mprotect(region[10..<20], .none)
        try task.mprotect(region[10..<20], [.read, .write])
        try task.madvise(region[20..<25], .dontNeed)
        try task.madvise(region[25..<30], .free)
        try task.munmap(region[35..<40])
        try machine.audit()
        #expect(task.figures().swapped == 25)
        for page in 0..<10 {
            #expect(try task.read(1, at: moved.page(page).address) == [UInt8(page)])
        }
        for page in 10..<35 {
            let expected = (20..<30).contains(page) ? 0 : UInt8(page)
            #expect(try task.read(1, at: region.page(page).address) == [expected])
        }
        try task.mlock(region[30..<35])
        try task.pageOut(region[10..<20], machine)
        #expect(throws: Errno.EINVAL) { try task.madvise(region[30..<35], .pageOut) }
        #expect(try task.resident(region[30..<35]) == 5)
        try machine.audit()
    }

    @Test func `mlock brings swapped pages back and keeps them`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 500)
        for page in 0..<500 { try task.write([UInt8(page % 251)], at: region.page(page).address) }
        try task.pageOut(region, machine)
        try task.mlock(region)
        #expect(try task.resident(region) == 500)
        let other = try task.mapPrivate(pages: 8000)
        try task.access(other, .write)
        #expect(try task.resident(region) == 500)
        #expect(machine.total(.mlock) == 500)
        try machine.audit()
    }

    @Test func `memory files are swapped out and come back, truncated or not`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let file = machine.makeFile(named: "m", kind: .memory, length: .pages(2000))
        let region = try task.map(file, pages: 2000)
        for page in 0..<2000 { try task.write([UInt8(page % 250)], at: region.page(page).address) }
        let other = try task.mapPrivate(pages: 7000)
        try task.access(other, .write)
        #expect(file.file.pointer.pointee.swappedPages > 500)
        try machine.audit()
        for page in 0..<1000 {
            #expect(try task.read(1, at: region.page(page).address) == [UInt8(page % 250)])
        }
        try machine.audit()
        try file.truncate(to: .pages(500))
        try machine.audit()
        task.exit()
        file.close()
        machine.endWrites()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.swap.freeSlots == machine.swap.totalSlots)
        #expect(machine.spaces.commitment.committedPages == 0)
    }

    @Test func `a locked segment stays, those of its pages too that came before`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let segment = try machine.makeSegment(length: .pages(300))
        let address = try task.shmat(segment)
        let region = Region(address: address, length: 300 * pageSize)
        try task.access(region[0..<200], .write)
        try task.shmLock(segment, locked: true)
        try task.access(region[200..<300], .write)
        let other = try task.mapPrivate(pages: 8000)
        try task.access(other, .write)
        #expect(segment.file.pointer.pointee.swappedPages == 0)
        #expect(machine.total(.unevictable) == 300)
        try task.shmLock(segment, locked: false)
        machine.drainBatches()
        #expect(machine.total(.unevictable) == 0)
        try machine.audit()
        try task.access(other, .write)
        #expect(segment.file.pointer.pointee.swappedPages > 0)
    }

    @Test func `a full swap area leaves pages where they are`() throws {
        let machine = try Self.machine(swap: .mebibytes(2))
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 4000)
        try task.access(region, .write)
        try machine.audit()
        #expect(machine.total(.oomKill) == 0)
        #expect(machine.swap.freeSlots < 512)
        // More than both hold: the only program there is goes.
        let more = try task.mapPrivate(pages: 2000)
        #expect(throws: AccessFailure.self) { try task.access(more, .write) }
        #expect(task.isKilled)
        try machine.audit()
        task.exit()
        machine.endWrites()
        machine.drainBatches()
        try machine.audit()
        #expect(machine.swap.freeSlots == 512)
    }

    @Test func `a swap device that fails loses nothing that is in memory`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 100)
        for page in 0..<100 { try task.write([UInt8(page)], at: region.page(page).address) }
        machine.setSwapDeviceFailures(.writes)
        try task.madvise(region, .pageOut)
        #expect(machine.total(.pswpout) == 0)
        for page in 0..<100 {
            #expect(try task.read(1, at: region.page(page).address) == [UInt8(page)])
        }
        try machine.audit()
        machine.setSwapDeviceFailures([])
        try task.pageOut(region, machine)
        machine.setSwapDeviceFailures(.reads)
        #expect(throws: AccessFailure(signal: .busPastEnd, address: region.page(7).address)) {
            try task.access(region.page(7), .read)
        }
        try machine.audit()
        machine.setSwapDeviceFailures([])
        #expect(try task.read(1, at: region.page(7).address) == [7])
        try machine.audit()
    }

    @Test func `a page given up cold goes before others`() throws {
        let machine = try Self.machine()
        let task = machine.spawn()
        let kept = try task.mapPrivate(pages: 1000)
        let cold = try task.mapPrivate(pages: 1000)
        try task.access(cold, .write)
        try task.access(kept, .write)
        try task.madvise(cold, .cold)
        #expect(try task.resident(cold) == 1000)
        let more = try task.mapPrivate(pages: 2400)
        for page in 0..<2400 {
            try task.access(more.page(page), .write)
            if page % 50 == 0 { try task.access(kept, .read) }
        }
        #expect(try task.resident(kept) > task.resident(cold))
        try machine.audit()
    }

    @Test func `a machine without swap leaves anonymous memory alone`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 1000)
        try task.access(region, .write)
        try task.madvise(region, .pageOut)
        #expect(try task.resident(region) == 1000)
        #expect(!machine.lists.maySwap)
        try machine.audit()
    }
}

extension Machine.Task {
    /// MADV_PAGEOUT until everything has been written and is out of memory.
    func pageOut(_ region: Region, _ machine: Machine) throws {
        try madvise(region, .pageOut)
        machine.endWrites()
        machine.scanAllInactive()
    }
}
