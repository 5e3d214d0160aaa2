// SPDX-License-Identifier: Apache-2.0
//
// Races that nobody thought of: every two calls at once, on memory of every kind.
//
// STATE   A process has anonymous memory, a shared and a private mapping of one file, some of its
//         pages there and some not, a shared mapping of a file on a device, an attached segment, and
//         a child that shares them all. The two calls come from two CPUs
//         of the process, or one from the process and one from its child.

import Mooring

/// What a call of a pair works on.
private struct Pool {
    let machine: Machine
    let file: Machine.File
    /// Anonymous memory; its pages: written, the zero frame, untouched, written.
    let anonymous: Region
    /// The file, shared; its pages: mapped, in memory, not in memory.
    let shared: Region
    /// The file, private; its pages: copied, mapped, untouched.
    let copied: Region
    /// A device's file, shared; its pages: dirty, clean.
    let device: Region
    let segment: Machine.File
    /// The segment; its pages: written, untouched.
    let attached: Region

    init() throws {
        machine = try Stage.machine(swap: .mebibytes(1))
        file = machine.makeFile(named: "f", kind: .memory, length: .pages(3))
        let task = machine.spawn(on: 1)
        anonymous = try task.mapPrivate(4)
        shared = try task.mapShared(file, 3)
        copied = try task.mapPrivate(3, of: file)
        device = try task.mapShared(
            machine.makeFile(named: "d", kind: .disk, length: .pages(2)), 2)
        segment = try machine.makeSegment(length: .pages(2))
        attached = Region(
            address: try task.shmat(segment), length: ByteCount.pages(2).bytes)
        try task.access(anonymous[0..<1], .write)
        try task.access(anonymous[1..<2], .read)
        try task.access(anonymous[3..<4], .write)
        try task.access(shared[0..<1], .write)
        try task.access(copied[0..<1], .write)
        try task.access(copied[1..<2], .read)
        try task.access(device[0..<1], .write)
        try task.access(device[1..<2], .read)
        try task.access(attached[0..<1], .write)
        _ = try file.write(at: .pages(1), length: .pages(1))
        parent = task
        child = try task.fork()
    }

    let parent: Machine.Task
    let child: Machine.Task
}

/// One call of a pair; what it answers does not matter.
private struct PairCall: Sendable {
    let name: String
    let run: @Sendable (Machine.Task, Pool) throws -> Void

    init(_ name: String, _ run: @escaping @Sendable (Machine.Task, Pool) throws -> Void) {
        self.name = name
        self.run = run
    }

    static let all = [
        PairCall("read") { task, pool in
            try task.access(pool.anonymous, .read)
            try task.access(pool.shared, .read)
            try task.access(pool.copied, .read)
        },
        PairCall("write") { task, pool in
            try task.access(pool.anonymous[0..<3], .write)
            try task.access(pool.shared[0..<2], .write)
            try task.access(pool.copied[0..<2], .write)
        },
        PairCall("munmap") { try $0.munmap($1.anonymous[1..<3]) },
        PairCall("munmap-file") { try $0.munmap($1.shared) },
        PairCall("mprotect") { task, pool in
            try task.mprotect(pool.anonymous[0..<2], .read)
            try task.mprotect(pool.anonymous[0..<2], [.read, .write])
        },
        PairCall("mprotect-file") { try $0.mprotect($1.copied[0..<1], .none) },
        PairCall("mremap-grow") { try $0.mremap($1.anonymous, to: .pages(9), .mayMove) },
        PairCall("mremap-file") { try $0.mremap($1.shared, to: .pages(5), .mayMove) },
        PairCall("dontneed") { try $0.madvise($1.anonymous, .dontNeed) },
        PairCall("dontneed-file") { try $0.madvise($1.copied, .dontNeed) },
        PairCall("free") { try $0.madvise($1.anonymous, .free) },
        PairCall("mlock") { try $0.mlock($1.anonymous) },
        PairCall("mlock-file") { task, pool in
            try task.mlock(pool.shared)
            try task.munlock(pool.shared[0..<1])
        },
        PairCall("mlock-onfault") { task, pool in
            try task.mlock(pool.copied, onFault: true)
            try task.access(pool.copied[1..<3], .read)
        },
        PairCall("mlockall") { task, _ in
            try task.mlockall([.current, .future])
            task.munlockall()
        },
        PairCall("fork") { task, _ in try task.fork().exit() },
        PairCall("map-fixed") { task, pool in
            _ = try task.mmap(
                address: pool.anonymous.address, length: .pages(2), protection: .read,
                flags: [.private, .anonymous, .fixed])
        },
        PairCall("truncate") { try $1.file.truncate(to: .pages(1)) },
        PairCall("punch-hole") { try $1.file.punchHole(at: .bytes(0), length: .pages(1)) },
        PairCall("file-write") { _ = try $1.file.write(at: .bytes(0), length: .pages(3)) },
        PairCall("write-device") { try $0.access($1.device, .write) },
        PairCall("msync") { try $0.msync($1.device, .sync) },
        PairCall("munmap-device") { try $0.munmap($1.device) },
        PairCall("guard") { task, pool in
            try task.madvise(pool.anonymous[0..<3], .guardInstall)
            try task.madvise(pool.anonymous[1..<2], .guardRemove)
        },
        PairCall("populate") { task, pool in
            try task.madvise(pool.anonymous, .populateWrite)
            try task.madvise(pool.copied, .populateWrite)
        },
        PairCall("remap-file-pages") { try $0.remapFilePages($1.shared[0..<1], pageOffset: 1) },
        PairCall("shmat") { task, pool in try task.shmdt(try task.shmat(pool.segment)) },
        PairCall("shmdt") { try $0.shmdt($1.attached.address) },
        PairCall("shm-lock") { task, pool in
            try task.shmLock(pool.segment, locked: true)
            try task.access(pool.attached, .write)
            try task.shmLock(pool.segment, locked: false)
        },
        PairCall("shm-remove") { $1.segment.removeSegment() },
        PairCall("pageout") { try $0.madvise($1.anonymous, .pageOut) },
        PairCall("pageout-file") { task, pool in
            try task.madvise(pool.shared, .pageOut)
            try task.madvise(pool.device, .pageOut)
        },
        PairCall("reclaim") { _, pool in
            pool.machine.scanInactive(.pages(8))
            pool.machine.scanInactive(.pages(8))
        },
        PairCall("mincore") { _ = try $0.mincore($1.shared) },
        PairCall("drain") { $1.machine.drainBatches() },
    ]
}

extension Race {
    /// Every two calls at once, from one process and from a process and its child.
    package static let pairs: [Race] = PairCall.all.indices.flatMap { first in
        PairCall.all.indices[first...].flatMap { second in
            [false, true].map { pair(PairCall.all[first], PairCall.all[second], kin: $0) }
        }
    }

    private static func pair(_ one: PairCall, _ other: PairCall, kin: Bool) -> Race {
        Race(
            name: "\(one.name)+\(other.name)" + (kin ? "+child" : ""),
            summary: "\(one.name) on one CPU, \(other.name) on another"
                + (kin ? ", in a child" : ""),
            mutations: []
        ) {
            let pool = try Pool()
            let second = (kin ? pool.child : pool.parent).on(cpu: 2)
            pool.machine.drainBatches()
            return Scene(
                machine: pool.machine,
                // A call may be refused because of what the other has done.
                cpus: [
                    { try? one.run(pool.parent, pool) }, { try? other.run(second, pool) },
                ],
                check: {
                    pool.machine.drainBatches()
                    try pool.machine.audit()
                    pool.parent.exit()
                    pool.child.exit()
                    pool.file.close()
                    pool.machine.drainBatches()
                })
        }
    }
}
