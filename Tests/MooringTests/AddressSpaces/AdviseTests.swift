// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct AdviseTests {
    /// Areas of 4 pages, one for each column of the table of advices.
    private struct Columns {
        let bench: CallBench
        static let count = 7

        init() throws {
            bench = try CallBench()
            let machine = bench.machine
            let memory = machine.makeFile(named: "m", kind: .memory, length: .pages(8))
            let readOnly = machine.makeFile(
                named: "r", kind: .memory, length: .pages(8), access: .read)
            try bench.map(0, 4)
            try bench.map(10, 4, [.read, .write], [.shared, .anonymous])
            try bench.map(20, 4, [.read, .write], .private, file: memory)
            try bench.map(30, 4, [.read, .write], .shared, file: memory)
            try bench.map(40, 4, .read, .shared, file: readOnly)
            try bench.map(50, 4)
            try bench.task.mlock(bench.region(50, 4))
            try bench.map(60, 4, .none)
        }

        func result(_ advice: Advice, column: Int) -> Errno? {
            do throws(Errno) {
                try bench.task.madvise(bench.region(column * 10, 4), advice)
                return nil
            } catch { return error }
        }
    }

    private static let table: [(Advice, [Errno?])] = [
        (.normal, [nil, nil, nil, nil, nil, nil, nil]),
        (.random, [nil, nil, nil, nil, nil, nil, nil]),
        (.sequential, [nil, nil, nil, nil, nil, nil, nil]),
        (.willNeed, [nil, nil, nil, nil, nil, nil, nil]),
        (.dontNeed, [nil, nil, nil, nil, nil, .EINVAL, nil]),
        (.free, [nil, .EINVAL, .EINVAL, .EINVAL, .EINVAL, .EINVAL, nil]),
        (.remove, [.EINVAL, nil, .EACCES, nil, .EACCES, .EINVAL, .EINVAL]),
        (.dontFork, [nil, nil, nil, nil, nil, nil, nil]),
        (.doFork, [nil, nil, nil, nil, nil, nil, nil]),
        (.mergeable, [nil, nil, nil, nil, nil, nil, nil]),
        (.unmergeable, [nil, nil, nil, nil, nil, nil, nil]),
        (.hugePage, [nil, nil, nil, nil, nil, nil, nil]),
        (.noHugePage, [nil, nil, nil, nil, nil, nil, nil]),
        (.dontDump, [nil, nil, nil, nil, nil, nil, nil]),
        (.doDump, [nil, nil, nil, nil, nil, nil, nil]),
        (.wipeOnFork, [nil, .EINVAL, .EINVAL, .EINVAL, .EINVAL, nil, nil]),
        (.keepOnFork, [nil, nil, nil, nil, nil, nil, nil]),
        (.cold, [nil, nil, nil, nil, nil, .EINVAL, nil]),
        (.pageOut, [nil, nil, nil, nil, nil, .EINVAL, nil]),
        (.populateRead, [nil, nil, nil, nil, nil, nil, .EINVAL]),
        (.populateWrite, [nil, nil, nil, nil, .EINVAL, nil, .EINVAL]),
        (.dontNeedLocked, [nil, nil, nil, nil, nil, nil, nil]),
        (.guardInstall, [nil, nil, nil, nil, nil, .EINVAL, nil]),
        (.guardRemove, [nil, nil, nil, nil, nil, nil, nil]),
    ]

    @Test func `each advice suits the mappings that the kernel says`() throws {
        let columns = try Columns()
        for (advice, expected) in AdviseTests.table {
            for column in 0..<Columns.count {
                #expect(
                    columns.result(advice, column: column) == expected[column],
                    "advice \(advice.rawValue), column \(column)")
            }
            try columns.bench.machine.audit()
        }
        #expect(columns.bench.locked == 4)
    }

    @Test func `errors come in the kernel's order`() throws {
        let bench = try CallBench()
        try bench.map(0, 2)
        try bench.map(4, 2)
        let base = CallBench.base
        func call(_ address: UInt64, _ length: UInt64, _ advice: Int32) throws {
            try bench.task.madvise(
                address: address, length: length, advice: Advice(rawValue: advice))
        }
        for advice: Int32 in [5, 6, 7, 26, 100, 101, 104, -1] {
            bench.expect(.EINVAL) { try call(base, 0, advice) }
        }
        bench.expect(.EINVAL) { try call(base + 1, 0, 0) }
        bench.expect(.EINVAL) { try call(base, .max, 0) }
        bench.expect(.EINVAL) { try call(base, 0 &- pageSize, 0) }
        try call(base + 100 * pageSize, 0, 0)
        bench.expect(.ENOMEM) { try call(PageTables.userTop, pageSize, 0) }
        // Both sides of a hole are advised, and the hole is reported in the end.
        bench.expect(.ENOMEM) { try call(base, 6 * pageSize, 1) }
        #expect(bench.flags(at: 0).contains(.randomRead))
        #expect(bench.flags(at: 5).contains(.randomRead))
        // Another error beats the hole and stops the call.
        try bench.task.mlock(bench.region(4, 2))
        bench.expect(.EINVAL) { try call(base, 6 * pageSize, 4) }
        // Populating stops at the hole.
        try bench.task.munlock(bench.region(4, 2))
        try bench.task.madvise(bench.region(4, 2), .dontNeed)
        bench.expect(.ENOMEM) { try call(base, 6 * pageSize, 23) }
        #expect(bench.resident == 2)
        try bench.machine.audit()
    }

    @Test func `flags split a VMA, and equal flags make it one again`() throws {
        let bench = try CallBench()
        try bench.map(0, 8)
        for (advice, back) in [
            (Advice.random, Advice.normal), (.sequential, .normal), (.dontFork, .doFork),
            (.mergeable, .unmergeable), (.dontDump, .doDump), (.wipeOnFork, .keepOnFork),
        ] {
            try bench.task.madvise(bench.region(2, 4), advice)
            #expect(bench.layout().count == 3)
            try bench.task.madvise(bench.region(2, 4), back)
            #expect(bench.layout().count == 1)
        }
        try bench.task.madvise(bench.region(0, 8), .hugePage)
        #expect(bench.flags(at: 0).contains(.hugePage))
        try bench.task.madvise(bench.region(0, 8), .noHugePage)
        #expect(bench.flags(at: 0).isDisjoint(with: .hugePage))
        try bench.machine.audit()
    }

    @Test func `DONTNEED forgets private pages and keeps shared ones`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(4))
        for (flags, expected) in [(MapFlags.private, UInt8(0)), (.shared, 7)] {
            let region = try bench.map(0, 4, [.read, .write], flags, file: file)
            try bench.task.write([7], at: region.address)
            try bench.task.madvise(region, .dontNeed)
            #expect(bench.resident == 0)
            #expect(try bench.task.read(1, at: region.address) == [expected])
            try bench.machine.audit()
        }
        try bench.map(8, 4)
        try bench.task.mlock(bench.region(8, 4))
        let resident = bench.resident
        try bench.task.madvise(bench.region(8, 4), .dontNeedLocked)
        #expect(bench.resident == resident - 4)
        #expect(bench.locked == 4)
        bench.machine.drainBatches()
        #expect(bench.machine.total(.mlock) == 0)
        try bench.machine.audit()
    }

    @Test func `pages given free keep their contents among the file frames until they are taken`()
        throws
    {
        let bench = try CallBench()
        let region = try bench.map(0, 40)
        for page in 0..<40 { try bench.task.write([9], at: bench.region(page, 1).address) }
        bench.machine.drainBatches()
        let anonymous = bench.machine.total(.inactiveAnon) + bench.machine.total(.activeAnon)
        try bench.task.madvise(region, .free)
        bench.machine.drainBatches()
        #expect(bench.machine.total(.pglazyfree) == 40)
        #expect(
            bench.machine.total(.inactiveAnon) + bench.machine.total(.activeAnon)
                == anonymous - 40)
        #expect(bench.machine.total(.inactiveFile) == 40)
        try bench.machine.audit()
        #expect(try bench.task.read(1, at: region.address) == [9])
        try bench.task.mlock(bench.region(0, 10))
        bench.machine.drainBatches()
        try bench.machine.audit()
        try bench.task.munlock(bench.region(0, 10))
        let child = try bench.task.fork()
        try child.write([1], at: region.address)
        try bench.machine.audit()
        child.exit()
        try bench.task.munmap(region)
        try bench.machine.audit()
    }

    @Test func `REMOVE punches a hole into the file`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(8))
        try bench.map(0, 4, [.read, .write], .shared, file: file, offset: .pages(2))
        for page in 0..<4 { try bench.task.write([5], at: bench.region(page, 1).address) }
        try bench.task.madvise(bench.region(1, 1), .remove)
        let values = try (0..<4).map {
            try bench.task.read(1, at: bench.region($0, 1).address)[0]
        }
        #expect(values == [5, 0, 5, 5])
        try bench.machine.audit()
    }

    @Test func `WILLNEED reads ahead, so that no touch waits for the device`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .disk, length: .pages(64))
        let region = try bench.map(0, 64, .read, .private, file: file)
        try bench.task.madvise(region, .willNeed)
        #expect(bench.resident == 0)
        #expect(bench.machine.total(.pgpgin) == 256)
        try bench.task.access(region, .read)
        #expect(bench.machine.total(.pgmajfault) == 0)
        try bench.machine.audit()
    }

    @Test func `populating reads or writes, and says why it stopped`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(2))
        try bench.map(0, 4)
        try bench.task.madvise(bench.region(0, 4), .populateRead)
        #expect(bench.resident == 0)
        try bench.task.madvise(bench.region(0, 4), .populateWrite)
        #expect(bench.resident == 4)
        try bench.map(10, 4, [.read, .write], .shared, file: file)
        bench.expect(.EFAULT) { try bench.task.madvise(bench.region(10, 4), .populateRead) }
        #expect(bench.resident == 6)
        try bench.map(20, 1, .write)
        bench.expect(.EINVAL) { try bench.task.madvise(bench.region(20, 1), .populateRead) }
        try bench.task.madvise(bench.region(1, 1), .guardInstall)
        bench.expect(.EFAULT) { try bench.task.madvise(bench.region(0, 4), .populateRead) }
        bench.expect(.ENOMEM) { try bench.task.mlock(bench.region(0, 4)) }
        try bench.machine.audit()
    }

    @Test func `a guard page raises a signal and survives all but its removal`() throws {
        let bench = try CallBench()
        try bench.map(0, 8)
        try bench.task.access(bench.region(0, 8), .write)
        try bench.task.madvise(bench.region(2, 2), .guardInstall)
        #expect(bench.layout() == ["0..<8 rw-"])
        #expect(bench.resident == 6)
        try bench.machine.audit()
        try bench.task.madvise(bench.region(0, 8), .dontNeed)
        try bench.task.madvise(bench.region(0, 8), .free)
        try bench.task.mprotect(bench.region(0, 8), .none)
        try bench.task.mprotect(bench.region(0, 8), [.read, .write])
        let child = try bench.task.fork()
        for task in [bench.task, child] {
            #expect(
                throws: AccessFailure(
                    signal: .segmentationUnmapped, address: bench.region(2, 1).address)
            ) { try task.access(bench.region(0, 8), .write) }
        }
        try bench.machine.audit()
        child.exit()
        try bench.task.mremap(
            bench.region(0, 8), to: .pages(8), [.mayMove, .fixed],
            at: bench.region(20, 1).address)
        bench.expect(.segmentationUnmapped, at: 22, .read)
        try bench.task.access(bench.region(21, 1), .read)
        try bench.task.madvise(bench.region(20, 8), .guardRemove)
        try bench.task.access(bench.region(20, 8), .write)
        try bench.machine.audit()
        try bench.task.madvise(bench.region(20, 8), .guardInstall)
        try bench.task.munmap(bench.region(20, 8))
        #expect(bench.task.process.space.tableCount.load() == 0)
        try bench.machine.audit()
    }

    @Test func `guard pages of a file survive its truncation`() throws {
        let bench = try CallBench()
        let file = bench.machine.makeFile(named: "f", kind: .memory, length: .pages(8))
        try bench.map(0, 8, [.read, .write], .shared, file: file)
        try bench.task.access(bench.region(0, 8), .write)
        bench.expect(.ENOMEM) { try bench.task.madvise(bench.region(6, 4), .guardInstall) }
        try file.truncate(to: .bytes(0))
        try file.truncate(to: .pages(8))
        try bench.task.access(bench.region(0, 6), .read)
        bench.expect(.segmentationUnmapped, at: 6, .read)
        try bench.machine.audit()
    }

    @Test func `fork leaves out, wipes and keeps what it was told to`() throws {
        let bench = try CallBench()
        try bench.map(0, 12)
        try bench.task.access(bench.region(0, 12), .write)
        for page in [0, 4, 8] {
            try bench.task.write([3], at: bench.region(page, 1).address)
        }
        try bench.task.madvise(bench.region(0, 4), .dontFork)
        try bench.task.madvise(bench.region(4, 4), .wipeOnFork)
        let child = try bench.task.fork()
        #expect(bench.layout(of: child) == ["4..<8 rw-", "8..<12 rw-"])
        #expect(try child.read(1, at: bench.region(4, 1).address) == [0])
        #expect(try child.read(1, at: bench.region(8, 1).address) == [3])
        try bench.machine.audit()
        child.exit()
        try bench.machine.audit()
    }

    @Test func `COLLAPSE wants something in every unit`() throws {
        let bench = try CallBench(contents: .none)
        let unit = 512
        let base = 4 * unit - Int(CallBench.base / pageSize) % unit
        let region = try bench.map(base, 2 * unit)
        bench.expect(.EINVAL) { try bench.task.madvise(region, .collapse) }
        try bench.task.access(bench.region(base, 1), .write)
        bench.expect(.EINVAL) { try bench.task.madvise(region, .collapse) }
        try bench.task.access(bench.region(base + unit, 1), .write)
        try bench.task.madvise(region, .collapse)
        try bench.task.madvise(bench.region(base, 1), .collapse)
        bench.expect(.EINVAL) { try bench.task.madvise(bench.region(base + 1, 1), .collapse) }
        try bench.machine.audit()
    }
}
