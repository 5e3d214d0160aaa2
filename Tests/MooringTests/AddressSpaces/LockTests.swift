// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// mlock on what cannot be locked.
///
/// What it does to ordinary memory is claimed by scenarios.
@Suite struct LockTests {
    /// A program as the kernel's loader leaves it: a segment, the kernel's own pages, a stack.
    private struct Program {
        let machine: Machine
        let task: Machine.Task
        let segment = Program.pages(0, 8)
        let vvar = Program.pages(100, 4)
        let vvarClock = Program.pages(104, 2)
        let vdso = Program.pages(106, 2)
        let stack = Program.pages(200, 4)

        private static func pages(_ first: UInt64, _ count: UInt64) -> Region {
            Region(address: CallBench.base + first * pageSize, length: count * pageSize)
        }

        init() throws {
            machine = try Machine(.init(memory: .mebibytes(64)))
            task = machine.spawn()
            try task.execute(
                "program",
                areas: [
                    .init(region: segment, protection: [.read, .write]),
                    .init(region: vvar, protection: .read, purpose: .vvar),
                    .init(region: vvarClock, protection: .read, purpose: .vvarClock),
                    .init(region: vdso, protection: [.read, .execute], purpose: .vdso),
                    .init(region: stack, protection: [.read, .write], purpose: .stack),
                ], mapTop: 0, breakStart: 0)
        }

        var locked: Int { task.process.space.pointer.pointee.lockedPages }

        func isPresent(_ region: Region) -> [Bool] { task.pagemap(region).map { $0 >> 63 == 1 } }

        /// The kernel's own pages: never marked nor counted, and there if they can be faulted in.
        func expectSpecial(vdsoIsPresent: Bool) throws {
            for region in [vvar, vvarClock, vdso] {
                let vma = try #require(task.process.space.tree.find(region.address))
                #expect(vma.start == region.address && vma.length == region.length)
                #expect(vma.flags.isDisjoint(with: .lockMask))
                #expect(!vma.flags.isDisjoint(with: .special))
            }
            #expect(isPresent(vvar) == [false, false, false, false])
            #expect(isPresent(vvarClock) == [false, false])
            #expect(isPresent(vdso) == [vdsoIsPresent, vdsoIsPresent])
            machine.drainBatches()
            try machine.audit()
        }
    }

    @Test func `the kernel's own pages are populated where that is possible, and not locked`()
        throws
    {
        let program = try Program()
        // One range over three special VMAs, and a part of one.
        try program.task.mlock(
            Region(address: program.vvar.address, length: 8 * pageSize))
        try program.task.mlock(program.vvar[1..<2])
        #expect(program.locked == 0)
        #expect(program.machine.total(.mlock) == 0)
        try program.expectSpecial(vdsoIsPresent: true)
        #expect(program.task.status().contains("VmLck:\t       0 kB"))
        try program.task.munlock(program.vdso)
        try program.expectSpecial(vdsoIsPresent: true)
    }

    @Test func `locking on fault populates the kernel's own pages all the same`() throws {
        let program = try Program()
        try program.task.mlock(
            Region(address: program.vvar.address, length: 8 * pageSize), onFault: true)
        // They are not locked on fault either, and nothing keeps them from being populated.
        try program.expectSpecial(vdsoIsPresent: true)
        #expect(program.locked == 0)
    }

    @Test func `mlockall locks everything but the kernel's own pages`() throws {
        let program = try Program()
        try program.task.mlockall([.current, .future])
        #expect(program.locked == 8 + 4)
        try program.expectSpecial(vdsoIsPresent: true)
        #expect(program.isPresent(program.segment).allSatisfy { $0 })
        #expect(program.machine.total(.mlock) == 8 + 4)
        let later = try program.task.mmap(
            length: .pages(2), protection: [.read, .write], flags: [.private, .anonymous])
        #expect(program.locked == 8 + 4 + 2)
        try program.task.munmap(later)
        program.task.munlockall()
        #expect(program.locked == 0)
        try program.expectSpecial(vdsoIsPresent: true)
        #expect(program.machine.total(.mlock) == 0)
    }
}
