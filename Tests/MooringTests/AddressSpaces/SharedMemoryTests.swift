// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct SharedMemoryTests {
    @Test func `a segment is promised whole and shared by all who attach it`() throws {
        let bench = try CallBench()
        let before = bench.committed
        bench.expect(.EINVAL) { _ = try bench.machine.makeSegment(length: .bytes(0)) }
        let segment = try bench.machine.makeSegment(length: .bytes(4 * pageSize - 5), key: 0x1234)
        #expect(bench.committed == before + 4)
        let first = try bench.task.shmat(segment)
        let other = bench.machine.spawn()
        let second = try other.shmat(segment, address: CallBench.base)
        try bench.task.write([7], at: first + 3 * pageSize)
        #expect(try other.read(1, at: second + 3 * pageSize) == [7])
        #expect(segment.file.pointer.pointee.name == "/SYSV00001234 (deleted)")
        try bench.machine.audit()
        try other.shmdt(second)
        bench.expect(.EINVAL) { try other.shmdt(second) }
        other.exit()
        segment.removeSegment()
        // Removed, but attached: still there for all.
        let again = try bench.task.shmat(segment)
        #expect(try bench.task.read(1, at: again + 3 * pageSize) == [7])
        try bench.task.shmdt(again)
        try bench.task.shmdt(first)
        #expect(bench.committed == before)
        bench.expect(.EINVAL) { _ = try bench.task.shmat(segment) }
        try bench.machine.audit()
        segment.close()
        try bench.machine.audit()
    }

    @Test func `attaching checks the address before the segment`() throws {
        let bench = try CallBench()
        let base = CallBench.base
        let segment = try bench.machine.makeSegment(length: .pages(4))
        bench.expect(.EINVAL) { _ = try bench.task.shmat(segment, address: base + 5) }
        bench.expect(.EINVAL) { _ = try bench.task.shmat(segment, flags: .remap) }
        bench.expect(.EINVAL) {
            _ = try bench.task.shmat(segment, address: 5, flags: [.remap, .round])
        }
        bench.expect(.EINVAL) { _ = try bench.task.shmat(segment, address: 0 &- pageSize) }
        bench.expect(.ENOMEM) {
            _ = try bench.task.shmat(segment, address: PageTables.userTop - 2 * pageSize)
        }
        #expect(try bench.task.shmat(segment, address: base + 5, flags: .round) == base)
        #expect(try bench.task.shmat(segment, address: 5, flags: .round) == 0)
        bench.expect(.EINVAL) { _ = try bench.task.shmat(segment, address: base + pageSize) }
        _ = try bench.task.shmat(segment, address: base + pageSize, flags: .remap)
        #expect(bench.layout().suffix(2) == ["0..<1 rw-", "1..<5 rw-"])
        // Each attachment goes by its own address.
        try bench.task.shmdt(base)
        #expect(bench.layout().suffix(1) == ["1..<5 rw-"])
        try bench.task.shmdt(base + pageSize)
        try bench.machine.audit()
    }

    @Test func `detaching finds what is left of a segment and nothing else`() throws {
        let bench = try CallBench()
        let base = CallBench.base
        let segment = try bench.machine.makeSegment(length: .pages(8))
        _ = try bench.task.shmat(segment, address: base)
        try bench.task.munmap(bench.region(0, 1))
        try bench.map(3, 2)
        bench.expect(.EINVAL) { try bench.task.shmdt(base + pageSize) }
        try bench.task.shmdt(base)
        #expect(bench.layout() == ["3..<5 rw-"])
        try bench.machine.audit()
    }

    @Test func `attached for reading it can never be written`() throws {
        let bench = try CallBench()
        let segment = try bench.machine.makeSegment(length: .pages(2))
        _ = try bench.task.shmat(segment, address: CallBench.base, flags: .readOnly)
        #expect(bench.flags(at: 0) == [.read, .mayRead, .mayExecute, .mayShare])
        bench.expect(.EACCES) {
            try bench.task.mprotect(bench.region(0, 1), [.read, .write])
        }
        _ = try bench.task.shmat(
            segment, address: CallBench.base + 4 * pageSize, flags: .execute)
        #expect(bench.flags(at: 4).contains([.read, .write, .execute]))
        try bench.machine.audit()
    }

    @Test func `SHM_LOCK is counted by user, and holds the pages that come`() throws {
        let bench = try CallBench()
        let small = try bench.machine.makeSegment(length: .pages(3))
        let large = try bench.machine.makeSegment(length: .pages(5), owner: 7)
        let address = try bench.task.shmat(small)
        bench.task.setLockPrivilege(false)
        try bench.task.setLimit(.memlock, soft: 4 * pageSize, hard: nil)
        bench.expect(.EPERM) { try bench.task.shmLock(large, locked: true) }
        bench.task.setUser(7)
        bench.expect(.ENOMEM) { try bench.task.shmLock(large, locked: true) }
        bench.task.setUser(0)
        try bench.task.shmLock(small, locked: true)
        try bench.task.shmLock(small, locked: true)
        #expect(bench.locked == 0)
        let third = try bench.machine.makeSegment(length: .pages(2))
        bench.expect(.ENOMEM) { try bench.task.shmLock(third, locked: true) }
        try bench.task.access(Region(address: address, length: 3 * pageSize), .write)
        bench.machine.drainBatches()
        #expect(bench.machine.total(.unevictable) == 3)
        #expect(bench.machine.total(.mlock) == 0)
        try bench.machine.audit()
        try bench.task.shmLock(small, locked: false)
        try bench.task.shmLock(small, locked: false)
        #expect(bench.machine.total(.unevictable) == 0)
        #expect(bench.machine.total(.unevictableRescued) == 3)
        #expect(bench.machine.total(.unevictableScanned) == 3)
        try bench.task.setLimit(.memlock, soft: 0, hard: nil)
        bench.expect(.EPERM) { try bench.task.shmLock(small, locked: true) }
        try bench.machine.audit()
    }

    @Test func `what the future flag locks is attached locked, within the limit`() throws {
        let bench = try CallBench()
        let segment = try bench.machine.makeSegment(length: .pages(4))
        bench.task.setLockPrivilege(false)
        try bench.task.setLimit(.memlock, soft: 4 * pageSize, hard: nil)
        try bench.task.mlockall(.future)
        let address = try bench.task.shmat(segment)
        #expect(bench.locked == 4)
        #expect(bench.resident == 4)
        bench.expect(.EAGAIN) { _ = try bench.task.shmat(segment) }
        try bench.task.shmdt(address)
        try bench.machine.audit()
    }

    @Test func `a locked segment that is removed is counted no more once it is detached`() throws {
        let bench = try CallBench()
        let segment = try bench.machine.makeSegment(length: .pages(4))
        let address = try bench.task.shmat(segment)
        try bench.task.shmLock(segment, locked: true)
        #expect(bench.machine.cache.segmentLocks.pages(of: 0) == 4)
        segment.removeSegment()
        try bench.task.access(Region(address: address, length: 4 * pageSize), .write)
        try bench.task.shmdt(address)
        #expect(bench.machine.cache.segmentLocks.pages(of: 0) == 0)
        try bench.machine.audit()
        segment.close()
        try bench.machine.audit()
    }
}
