// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Mooring

/// 16 MiB are 4096 frames.
@Suite struct FileReclaimTests {
    @Test func `a file larger than memory is read through without an end`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let region = try machine.mapDisk(task, pages: 20_000)
        try task.access(region, .read)
        try machine.audit()
        #expect(machine.total(.oomKill) == 0)
        let stolen = machine.total(.pgstealFile)
        #expect(stolen >= 20_000 - 4096)
        #expect(machine.total(.pgscanFile) >= stolen)
        #expect(machine.total(.pgscanAnon) == 0)
        // The daemon keeps up with one reader, so that nobody reclaims in its place.
        #expect(machine.total(.pgstealKswapd) == stolen)
        #expect(machine.total(.allocstallMovable) == 0)
        #expect(machine.total(.pageoutrun) > 0)
        #expect(machine.total(.pgmajfault) == 20_000)
    }

    @Test func `what was read last is still there`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let region = try machine.mapDisk(task, pages: 20_000)
        try task.access(region, .read)
        #expect(try task.resident(region[18_000..<20_000]) == 2000)
        #expect(try task.resident(region[0..<10_000]) == 0)
    }

    @Test func `a page that is used between scans outlives those that are not`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let hot = try machine.mapDisk(task, pages: 500, named: "hot")
        let cold = try machine.mapDisk(task, pages: 30_000, named: "cold")
        for chunk in 0..<30 {
            try task.access(hot, .read)
            try task.access(cold[chunk * 1000..<(chunk + 1) * 1000], .read)
        }
        #expect(try task.resident(hot) == 500)
        #expect(machine.total(.pgactivate) >= 500)
        try machine.audit()
    }

    @Test func `a program's memory stays while there are file pages to take`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let own = try task.mapPrivate(pages: 2000)
        try task.access(own, .write)
        try machine.pressWithFile(pages: 10_000)
        #expect(try task.resident(own) == 2000)
        try machine.audit()
    }

    @Test func `locked pages of a file are never taken, nor looked at twice`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let locked = try machine.mapDisk(task, pages: 2000)
        try task.mlock(locked)
        try machine.pressWithFile(pages: 20_000)
        let scanned = machine.total(.pgscanFile)
        #expect(try task.resident(locked) == 2000)
        #expect(scanned * 2 < machine.total(.pgstealFile) * 3)
        #expect(machine.total(.mlock) == 2000)
        try machine.audit()
    }

    @Test func `a frame released too early is locked anew by reclaim`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let locked = try machine.mapDisk(task, pages: 10)
        try task.mlock(locked)
        // What a count that errs low comes to: an unlock that takes the last count away.
        let cpu = machine.cpus[0]
        cpu.enter()
        for page in 0..<10 {
            let frame = machine.frame(of: task, locked.page(page).address)
            let pfn = PFN(frame.pointer - machine.frames[PFN(0)].pointer)
            machine.batches.munlock(pfn, frame, on: cpu)
        }
        machine.batches.drain(on: cpu)
        cpu.leave()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
        try machine.pressWithFile(pages: 12_000)
        #expect(try task.resident(locked) == 10)
        #expect(machine.total(.mlock) == 10)
        #expect(machine.total(.unevictable) == 10)
        try machine.audit()
        try task.munlock(locked)
        machine.drainBatches()
        #expect(machine.total(.mlock) == 0)
        #expect(machine.total(.unevictable) == 0)
    }

    @Test func `what was written reaches the device before its frame is taken`() throws {
        let machine = try ReclaimBench.machine(contents: .bytes)
        let task = machine.spawn()
        let region = try machine.mapDisk(task, pages: 9000)
        for page in 0..<9000 {
            try task.write([UInt8(truncatingIfNeeded: page * 7)], at: region.page(page).address)
        }
        try machine.audit()
        #expect(machine.total(.oomKill) == 0)
        #expect(machine.total(.written) > 4000)
        for page in 0..<9000 {
            #expect(
                try task.read(1, at: region.page(page).address)
                    == [UInt8(truncatingIfNeeded: page * 7)])
        }
        try machine.audit()
    }

    @Test func `a page that comes back soon is known and joins the active list`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        // What was used much is used no more, and a little more is wanted than is left beside it.
        let old = try machine.mapDisk(task, pages: 2000)
        for _ in 0..<3 {
            try task.access(old, .read)
            try machine.pressWithFile(pages: 3000)
        }
        let new = try machine.mapDisk(task, pages: 2600)
        for _ in 0..<6 { try task.access(new, .read) }
        #expect(machine.total(.workingsetRefaultFile) > 1000)
        #expect(machine.total(.workingsetActivateFile) > 0)
        #expect(try task.resident(new) == 2600)
        try machine.audit()
    }

    @Test func `what a truncated file has left is forgotten`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(9000))
        let region = try task.map(file, pages: 9000)
        try task.access(region, .read)
        #expect(file.file.index.state.pointee.traceCount > 4000)
        try file.truncate(to: .pages(0))
        #expect(file.file.index.state.pointee.traceCount == 0)
        try file.truncate(to: .pages(9000))
        let before = machine.total(.workingsetRefaultFile)
        try task.access(region, .read)
        #expect(machine.total(.workingsetRefaultFile) == before)
        try machine.audit()
    }

    @Test func `memory given free is dropped, unless it is written again`() throws {
        let machine = try ReclaimBench.machine(contents: .bytes)
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 200)
        for page in 0..<200 { try task.write([7], at: region.page(page).address) }
        try task.madvise(region, .free)
        for page in 0..<50 { try task.write([8], at: region.page(page).address) }
        try machine.pressWithFile(pages: 12_000)
        #expect(machine.total(.pglazyfreed) == 150)
        for page in 0..<200 {
            #expect(try task.read(1, at: region.page(page).address) == [page < 50 ? 8 : 0])
        }
        try machine.audit()
    }

    @Test func `a page read twice by calls stays longer than one read once`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(300))
        for _ in 0..<3 { _ = try file.read(at: .bytes(0), length: .pages(300)) }
        machine.drainBatches()
        #expect(machine.total(.activeFile) == 300)
        let region = try task.map(file, pages: 300)
        try machine.pressWithFile(pages: 8000)
        #expect(try task.resident(region) == 300)
        try machine.audit()
    }

    @Test func `a device that fails is reported by msync, once`() throws {
        let machine = try ReclaimBench.machine()
        let task = machine.spawn()
        let region = try machine.mapDisk(task, pages: 10)
        try task.access(region, .write)
        machine.setFileDeviceFailures(.writes)
        #expect(throws: Errno.EIO) { try task.msync(region, .sync) }
        machine.setFileDeviceFailures([])
        try task.msync(region, .sync)
        try task.access(region, .write)
        try task.msync(region, .sync)
        #expect(machine.total(.dirty) == 0)
        try machine.audit()
    }
}
