// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// What must come to an end, one way or the other, where more is wanted than there is.
@Suite struct ScarceMemoryTests {
    @Test(arguments: MlockDesign.allCases)
    func `who locks a file larger than memory is killed, and others go on`(
        design: MlockDesign
    ) throws {
        let machine = try ReclaimBench.machine {
            $0.mlockDesign = design
            $0.faultAroundPages = 16
        }
        let other = machine.spawn()
        let memory = try other.mmap(
            length: .pages(16), protection: [.read, .write], flags: [.private, .anonymous])
        let task = machine.spawn()
        let region = try machine.mapDisk(task, pages: 6000)
        #expect(throws: Errno.self) { try task.mlock(region) }
        #expect(machine.total(.oomKill) == 1)
        #expect(task.isKilled)
        task.exit()
        try other.access(memory, .write)
        try machine.audit()
    }

    @Test(arguments: [0, 1, 60, 100, 199, 200])
    func `whatever swapping is said to cost, nobody is killed while something can go`(
        swappiness: Int
    ) throws {
        let machine = try ReclaimBench.machine {
            $0.swap = [.mebibytes(64)]
            $0.swappiness = swappiness
        }
        let task = machine.spawn()
        let file = try machine.mapDisk(task, pages: 8000)
        try task.access(file, .read)
        let anonymous = try task.mmap(
            length: .pages(5000), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(anonymous, .write)
        try task.access(file, .read)
        #expect(machine.total(.oomKill) == 0)
        #expect(machine.total(.pswpout) > 0)
        let figures = task.figures()
        #expect(figures.minorFaults >= 0)
        try machine.audit()
    }

    @Test func `pages written to a file in memory go to swap, however often they were written`()
        throws
    {
        let machine = try ReclaimBench.machine { $0.swap = [.mebibytes(64)] }
        let file = machine.makeFile(named: "m", kind: .memory, length: .mebibytes(32))
        #expect(try file.write(at: .bytes(0), length: .mebibytes(14)) == 14 << 20)
        let task = machine.spawn()
        let anonymous = try task.mmap(
            length: .mebibytes(12), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(anonymous, .write)
        #expect(try file.write(at: .bytes(0), length: .mebibytes(32)) == 32 << 20)
        #expect(machine.total(.oomKill) == 0)
        #expect(machine.total(.pswpout) > 0)
        try machine.audit()
        file.close()
    }

    @Test func `the page that a fault copies is not taken for the copy`() throws {
        let machine = try ReclaimBench.machine(contents: .bytes) { $0.swap = [.mebibytes(1)] }
        let parent = machine.spawn()
        let shared = try parent.mapPrivate(pages: 1)
        try parent.write([7], at: shared.address)
        let child = try parent.fork()
        // Nothing is left to be given out, and nothing but that page can be taken.
        let taken = machine.takeAllFrames()
        #expect(throws: AccessFailure.self) { try child.access(shared, .write) }
        #expect(machine.total(.oomKill) > 0)
        machine.giveBack(taken)
        child.exit()
        #expect(try parent.isKilled || parent.read(1, at: shared.address) == [7])
        try machine.audit()
    }
}
