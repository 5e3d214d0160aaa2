// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct RemapTests {
    private let fixed: RemapFlags = [.mayMove, .fixed]

    private func write(_ value: UInt8, at page: Int, _ bench: CallBench) throws {
        try bench.task.write([value], at: bench.region(page, 1).address)
    }

    private func read(at page: Int, _ bench: CallBench) throws -> UInt8 {
        try bench.task.read(1, at: bench.region(page, 1).address)[0]
    }

    private func address(_ page: Int, _ bench: CallBench) -> UInt64 {
        bench.region(page, 1).address
    }

    @Test func `errors come in the kernel's order`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        func call(
            _ first: Int, _ old: UInt64, _ new: UInt64, _ flags: UInt32, _ to: UInt64 = 0,
            skew: UInt64 = 0
        ) throws {
            _ = try bench.task.mremap(
                address: bench.region(first, 1).address + skew, length: old, newLength: new,
                flags: RemapFlags(rawValue: flags), newAddress: to)
        }
        let page = pageSize
        // What is wrong with the arguments comes before what is wrong with the place.
        bench.expect(.EINVAL) { try call(50, page, page, 8) }
        bench.expect(.EINVAL) { try call(50, page, page, 1, skew: 1) }
        bench.expect(.EINVAL) { try call(50, page, 0, 1) }
        bench.expect(.EINVAL) { try call(50, page, .max, 1) }
        bench.expect(.EINVAL) { try call(50, page, page, 2, address(90, bench)) }
        bench.expect(.EINVAL) { try call(50, page, page, 4) }
        bench.expect(.EINVAL) { try call(50, page, 2 * page, 5) }
        bench.expect(.EINVAL) { try call(50, page, page, 3, address(90, bench) + 1) }
        bench.expect(.EINVAL) { try call(50, page, page, 3, PageTables.userTop - page) }
        bench.expect(.EINVAL) { try call(50, 4 * page, page, 3, address(52, bench)) }
        bench.expect(.EFAULT) { try call(50, page, page, 0, 77) }
        bench.expect(.EFAULT) { try call(50, 0, page, 0) }
        bench.expect(.EFAULT) { try call(50, 0 &- page, page, 1) }
        bench.expect(.EINVAL) { try call(0, 0 &- page, page, 1) }
        bench.expect(.EINVAL) { try call(0, 0, page, 0) }
        bench.expect(.EINVAL) { try call(0, 0, page, 1) }
        bench.expect(.EFAULT) { try call(2, 4 * page, 8 * page, 1) }
        try call(0, 9 * page, 9 * page, 0)
        #expect(bench.layout() == ["0..<4 rw-"])
        try bench.machine.audit()
    }

    @Test func `grows in place and merges with what it touches`() throws {
        let bench = try CallBench()
        let before = bench.committed
        try bench.map(0, 2)
        try bench.map(4, 2)
        try bench.task.mremap(bench.region(0, 2), to: .pages(4))
        #expect(bench.layout() == ["0..<6 rw-"])
        #expect(bench.committed == before + 6)
        // The middle cannot grow where it is.
        bench.expect(.ENOMEM) { try bench.task.mremap(bench.region(1, 2), to: .pages(3)) }
        #expect(bench.committed == before + 6)
        try bench.task.mremap(bench.region(0, 6), to: .pages(1))
        #expect(bench.layout() == ["0..<1 rw-"])
        #expect(bench.committed == before + 1)
        try bench.machine.audit()
    }

    @Test func `a move takes the pages along and keeps their contents`() throws {
        let bench = try CallBench()
        try bench.map(0, 8)
        for page in 0..<8 { try write(UInt8(page + 1), at: page, bench) }
        try bench.task.mremap(
            bench.region(2, 4), to: .pages(4), fixed, at: address(101, bench))
        #expect(bench.layout() == ["0..<2 rw-", "6..<8 rw-", "101..<105 rw-"])
        #expect(bench.resident == 8)
        for page in 0..<4 { #expect(try read(at: 101 + page, bench) == UInt8(page + 3)) }
        bench.expect(.segmentationUnmapped, at: 3, .read)
        try bench.machine.audit()
        // Back again, all is one as before.
        try bench.task.mremap(bench.region(101, 4), to: .pages(4), fixed, at: address(2, bench))
        #expect(bench.layout() == ["0..<8 rw-"])
        for page in 0..<8 { #expect(try read(at: page, bench) == UInt8(page + 1)) }
        try bench.machine.audit()
    }

    @Test func `whole tables move by one entry of the level above`() throws {
        let bench = try CallBench(contents: .none)
        let huge = 512
        let base = 4 * huge - Int(CallBench.base / pageSize) % huge
        try bench.map(base, 3 * huge)
        try bench.task.access(bench.region(base, 3 * huge), .write)
        let tables = bench.task.process.space.tableCount.load()
        try bench.task.mremap(
            bench.region(base, 3 * huge), to: .pages(UInt64(3 * huge)), fixed,
            at: address(base + 16 * huge, bench))
        #expect(bench.task.process.space.tableCount.load() == tables)
        #expect(bench.resident == 3 * huge)
        try bench.machine.audit()
        // A page off, entries move one by one and need a table more.
        try bench.task.mremap(
            bench.region(base + 16 * huge, 3 * huge), to: .pages(UInt64(3 * huge)), fixed,
            at: address(base + 1, bench))
        #expect(bench.resident == 3 * huge)
        #expect(bench.task.process.space.tableCount.load() == tables + 1)
        try bench.machine.audit()
        try bench.task.munmap(bench.region(base, 4 * huge))
        #expect(bench.task.process.space.tableCount.load() == 0)
        try bench.machine.audit()
    }

    @Test func `moves within one table and across a border of tables`() throws {
        let bench = try CallBench()
        for (from, to) in [(0, 8), (8, 505), (505, 509), (509, 0)] {
            if from == 0 {
                try bench.map(0, 4)
                for page in 0..<4 { try write(UInt8(page + 1), at: page, bench) }
            }
            if abs(from - to) < 4 { continue }
            try bench.task.mremap(
                bench.region(from, 4), to: .pages(4), fixed, at: address(to, bench))
            for page in 0..<4 { #expect(try read(at: to + page, bench) == UInt8(page + 1)) }
            try bench.machine.audit()
        }
    }

    @Test func `each VMA of a range moves, and what is under a hole stays`() throws {
        let bench = try CallBench()
        try bench.map(0, 2)
        try write(7, at: 1, bench)
        try bench.map(4, 2, .read)
        try bench.map(100, 10, .none)
        try bench.task.mremap(bench.region(0, 6), to: .pages(6), fixed, at: address(102, bench))
        #expect(
            bench.layout() == [
                "100..<102 ---", "102..<104 rw-", "104..<106 ---", "106..<108 r--",
                "108..<110 ---",
            ])
        #expect(try read(at: 103, bench) == 7)
        try bench.machine.audit()
    }

    @Test func `the source and the destination may be of one VMA`() throws {
        let bench = try CallBench()
        try bench.map(0, 10)
        try write(5, at: 0, bench)
        try write(9, at: 4, bench)
        try bench.task.mremap(bench.region(0, 2), to: .pages(2), fixed, at: address(4, bench))
        #expect(bench.layout() == ["2..<4 rw-", "4..<6 rw-", "6..<10 rw-"])
        #expect(try read(at: 4, bench) == 5)
        try bench.machine.audit()
    }

    @Test func `an untouched VMA merges wherever it comes to lie`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        try bench.task.mremap(bench.region(0, 4), to: .pages(4), fixed, at: address(4, bench))
        #expect(bench.layout() == ["4..<8 rw-"])
        try bench.task.mremap(
            bench.region(4, 4), to: .pages(4), [.mayMove, .fixed, .dontUnmap],
            at: address(8, bench))
        #expect(bench.layout() == ["4..<12 rw-"])
        try write(1, at: 9, bench)
        try bench.task.mremap(
            bench.region(8, 4), to: .pages(4), [.mayMove, .fixed, .dontUnmap],
            at: address(12, bench))
        #expect(bench.layout() == ["4..<12 rw-", "12..<16 rw-"])
        #expect(try read(at: 13, bench) == 1)
        #expect(try read(at: 9, bench) == 0)
        try bench.machine.audit()
    }

    @Test func `DONTUNMAP leaves the source mapped and empty`() throws {
        let bench = try CallBench()
        let before = bench.committed
        try bench.map(0, 4)
        try write(3, at: 1, bench)
        let moved = try bench.task.mremap(
            bench.region(0, 4), to: .pages(4), [.mayMove, .dontUnmap])
        #expect(bench.committed == before + 8)
        #expect(try bench.task.read(1, at: moved.address + pageSize) == [3])
        #expect(try read(at: 1, bench) == 0)
        try write(4, at: 1, bench)
        #expect(try bench.task.read(1, at: moved.address + pageSize) == [3])
        try bench.machine.audit()
        let file = bench.machine.makeFile(named: "f", kind: .disk, length: .pages(4))
        try bench.map(20, 4, [.read, .write], .private, file: file)
        try write(8, at: 21, bench)
        try bench.task.mremap(
            bench.region(20, 4), to: .pages(4), [.mayMove, .fixed, .dontUnmap],
            at: address(40, bench))
        #expect(try read(at: 41, bench) == 8)
        #expect(try read(at: 21, bench) == 0)
        try bench.machine.audit()
    }

    @Test func `DONTUNMAP unlocks all of a locked VMA, whose pages stay counted for good`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        try bench.task.mlock(bench.region(0, 4))
        try bench.task.mremap(
            bench.region(1, 2), to: .pages(2), [.mayMove, .fixed, .dontUnmap],
            at: address(50, bench))
        #expect(bench.locked == 6)
        #expect(bench.flags(at: 50).contains(.locked))
        #expect(!bench.flags(at: 1).contains(.locked))
        #expect(!bench.flags(at: 0).contains(.locked))
        try bench.machine.audit()
        try bench.task.munmap(bench.region(0, 60))
        #expect(bench.locked == 4)
        try bench.machine.audit()
    }

    @Test func `old size 0 maps shared pages once more`() throws {
        let bench = try CallBench()
        let before = bench.committed
        try bench.map(0, 4, [.read, .write], [.shared, .anonymous])
        try write(6, at: 2, bench)
        bench.expect(.ENOMEM) {
            try bench.task.mremap(bench.region(0, 0), to: .pages(4))
        }
        let copy = try bench.task.mremap(bench.region(0, 0), to: .pages(8), .mayMove)
        #expect(try bench.task.read(1, at: copy.address + 2 * pageSize) == [6])
        #expect(bench.committed == before + 4)
        try bench.task.write([7], at: copy.address + 2 * pageSize)
        #expect(try read(at: 2, bench) == 7)
        try bench.machine.audit()
        try bench.task.munmap(bench.region(0, 4))
        #expect(bench.committed == before + 4)
        try bench.task.munmap(copy)
        #expect(bench.committed == before)
        try bench.machine.audit()
    }

    @Test func `a locked area is populated as it grows, one locked on fault never`() throws {
        let bench = try CallBench()
        for onFault in [false, true] {
            try bench.map(0, 2)
            try bench.task.mlock(bench.region(0, 2), onFault: onFault)
            let before = bench.resident
            try bench.task.mremap(bench.region(0, 2), to: .pages(4))
            #expect(bench.resident == before + (onFault ? 0 : 2))
            try bench.map(4, 1, .none)
            let moved = try bench.task.mremap(bench.region(0, 4), to: .pages(8), .mayMove)
            #expect(bench.resident == before + (onFault ? 0 : 6))
            #expect(bench.locked == 8)
            let flags = bench.task.process.space.tree.find(moved.address)?.flags ?? []
            #expect(flags.contains(.lockOnFault) == onFault)
            try bench.machine.audit()
            try bench.task.munmap(moved)
            try bench.task.munmap(bench.region(0, 8))
        }
        #expect(bench.locked == 0)
        try bench.machine.audit()
    }

    @Test func `limits refuse growth, and leave the destination alone`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        try bench.map(100, 8, .none)
        bench.task.setLockPrivilege(false)
        try bench.task.setLimit(.memlock, soft: 4 * pageSize, hard: nil)
        try bench.task.mlock(bench.region(0, 4))
        bench.expect(.EAGAIN) { try bench.task.mremap(bench.region(0, 4), to: .pages(5)) }
        bench.expect(.EFAULT) { try bench.task.mremap(bench.region(0, 5), to: .pages(6)) }
        try bench.task.munlock(bench.region(0, 4))
        try bench.task.setLimit(.addressSpace, soft: 13 * pageSize, hard: nil)
        bench.expect(.ENOMEM) {
            try bench.task.mremap(
                bench.region(0, 4), to: .pages(8), fixed, at: address(100, bench))
        }
        #expect(bench.layout() == ["0..<4 rw-", "100..<108 ---"])
        try bench.task.mremap(bench.region(0, 4), to: .pages(5), fixed, at: address(100, bench))
        #expect(bench.layout() == ["100..<105 rw-", "105..<108 ---"])
        try bench.machine.audit()
    }

    @Test func `a move needs room for six VMAs`() throws {
        let bench = try CallBench(maxMapCount: 8)
        for index in 0..<3 { try bench.map(index * 4, 2) }
        bench.expect(.ENOMEM) {
            try bench.task.mremap(
                bench.region(50, 2), to: .pages(2), fixed, at: address(100, bench))
        }
        try bench.task.munmap(bench.region(4, 2))
        try bench.task.mremap(bench.region(0, 2), to: .pages(2), fixed, at: address(100, bench))
        try bench.machine.audit()
    }

    @Test func `a forked child moves pages that it shares with its parent`() throws {
        let bench = try CallBench()
        try bench.map(0, 4)
        try write(1, at: 0, bench)
        let child = try bench.task.fork()
        try child.mremap(bench.region(0, 4), to: .pages(4), fixed, at: address(30, bench))
        try bench.machine.audit()
        try child.write([2], at: address(30, bench))
        #expect(try read(at: 0, bench) == 1)
        #expect(try child.read(1, at: address(30, bench)) == [2])
        try bench.machine.audit()
        child.exit()
        try bench.machine.audit()
    }
}
