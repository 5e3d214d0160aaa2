// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring
import Testing
import Workloads

@testable import LinuxHost

private let page: UInt64 = 4096

@Suite struct `An address space on the host's kernel` {
    @Test func `begins empty`() throws {
        let process = try KernelProcess()
        #expect(process.system.name.hasPrefix("Linux "))
        #expect(try process.text(.maps) == "")
        #expect(try process.text(.smaps) == "")
        #expect(try process.text(.statm) == "0 0 0 0 0 0 0\n")
        #expect(try process.sample == ProcessSample())
        let status = try process.text(.status)
        for name in ["VmPeak", "VmSize", "VmHWM", "VmRSS", "VmData", "VmExe", "VmLib", "VmPTE"] {
            #expect(status.contains("\n\(name):\t       0 kB\n"), "\(name)")
        }
        let rollup = try process.text(.smapsRollup)
        #expect(rollup.hasPrefix("00000000-00000000 ---p "))
        #expect(rollup.contains("\nRss:                   0 kB\n"))
    }

    @Test func `maps, splits and unmaps where a process without random addresses does`() throws {
        let process = try KernelProcess()
        let start = try process.map(8 * page)
        #expect(start == 0x7fff_f7ff_7000)
        #expect(try process.perform(.mprotect(span(start + page, page), .read)) == .value(0))
        #expect(try process.perform(.munmap(span(start + 4 * page, page))) == .value(0))
        #expect(
            try process.areas == [
                "7ffff7ff7000-7ffff7ff8000 rw-p", "7ffff7ff8000-7ffff7ff9000 r--p",
                "7ffff7ff9000-7ffff7ffb000 rw-p", "7ffff7ffc000-7ffff7fff000 rw-p",
            ])
        #expect(try process.perform(.munmap(span(start + 1, page))) == .failed(.EINVAL))
        #expect(try process.sample.virtual == 7 * page)
    }

    @Test func `moves with mremap and keeps what was stored`() throws {
        let process = try KernelProcess()
        let barrier = try process.map(page, .none)
        let start = try process.map(2 * page)
        #expect(start + 2 * page == barrier)
        #expect(try process.perform(.store(span(start, 2 * page), seed: 7)) == .value(0))
        let before = try process.perform(.load(span(start, 2 * page)))
        let moved = try process.perform(
            .mremap(
                span(start, 2 * page), newLength: 64 * page, flags: .mayMove,
                newAddress: .absolute(0)))
        guard case .value(let target) = moved else {
            Issue.record("mremap: \(moved)")
            return
        }
        #expect(target != start)
        #expect(try process.perform(.load(span(target, 2 * page))) == before)
        #expect(
            try process.perform(.access(span(start, 1), .read))
                == .signal(.segmentationUnmapped, address: start))
    }

    @Test func `grows and shrinks its heap with brk`() throws {
        let process = try KernelProcess()
        #expect(try process.perform(.brk(.absolute(0))) == .value(0x5555_5555_c000))
        #expect(
            try process.perform(.brk(.absolute(0x5555_5555_e001))) == .value(0x5555_5555_e001))
        #expect(try process.text(.maps).contains("55555555c000-55555555f000 rw-p"))
        #expect(try process.text(.maps).contains("[heap]"))
        #expect(
            try process.perform(.brk(.absolute(0x5555_5555_c000))) == .value(0x5555_5555_c000))
        #expect(try process.text(.maps) == "")
    }

    @Test func `tells which pages are resident`() throws {
        let process = try KernelProcess()
        let start = try process.map(3000 * page)
        try process.perform(.access(span(start + 2500 * page, 2 * page), .write))
        var expected = [UInt8](repeating: 0, count: 3000)
        expected[2500] = 1
        expected[2501] = 1
        #expect(try process.perform(.mincore(span(start, 3000 * page))) == .pages(expected))
        #expect(try process.perform(.mincore(span(start, 3001 * page))) == .failed(.ENOMEM))
        #expect(try process.perform(.mincore(span(start + 1, page))) == .failed(.EINVAL))

        #expect(try process.sample.anonymous == 2 * page)
        let entries = try process.system.pagemap(of: process.id, address: start, pages: 3000)
        #expect(entries.filter { $0 >> 63 == 1 }.count == 2)
        #expect(entries[2500] >> 63 == 1)
    }

    @Test func `takes advice`() throws {
        let process = try KernelProcess()
        let start = try process.map(16 * page)
        #expect(
            try process.perform(.madvise(span(start, 16 * page), .populateWrite)) == .value(0))
        #expect(try process.sample.resident == 16 * page)
        #expect(try process.perform(.madvise(span(start, 4 * page), .dontNeed)) == .value(0))
        #expect(try process.sample.resident == 12 * page)
        #expect(
            try process.perform(.madvise(span(start, page), Advice(rawValue: 9999)))
                == .failed(.EINVAL))
        #expect(try process.perform(.msync(span(start, page), .sync)) == .value(0))
    }

    @Test func `refuses what would reach the helper itself`() throws {
        let process = try KernelProcess()
        #expect(throws: SystemFailure.self) {
            try process.perform(.munmap(span(0, 0x7fff_ffff_f000)))
        }
        #expect(throws: SystemFailure.self) {
            try process.perform(
                .mmap(
                    address: .absolute(0x6d6f_6f72_0000), length: page, protection: .read,
                    flags: [.private, .anonymous, .fixed], file: nil, offset: 0))
        }
        // What the kernel refuses by itself is a result.
        #expect(try process.perform(.munmap(span(0, .max - 4095))) == .failed(.EINVAL))
    }

    @Test func `puts memory on a node where asked`() throws {
        let process = try KernelProcess()
        let start = try process.map(300 * page)
        try process.perform(.access(span(start, 300 * page), .write))
        let length = 300 * page
        #expect(
            try process.perform(.mbind(span(start, length), mode: 0, nodes: 0, flags: 0))
                == .value(0))
        #expect(
            try process.perform(.mbind(span(start, length), mode: 99, nodes: 1, flags: 0))
                == .failed(.EINVAL))
        #expect(
            try process.perform(.movePages(span(start, length), node: 0, flags: 2))
                == .nodes([Int32](repeating: 0, count: 300)))
        #expect(
            try process.perform(.movePages(span(start, length), node: 0, flags: 99))
                == .failed(.EINVAL))
        #expect(try process.perform(.migratePages(from: 1, to: 1)) == .value(0))
    }
}

@Suite struct `An access on the host's kernel` {
    @Test func `stops at the first page that does not allow it`() throws {
        let process = try KernelProcess()
        let start = try process.map(4 * page)
        try process.perform(.mprotect(span(start + 2 * page, page), .read))
        #expect(try process.perform(.access(span(start, 4 * page), .read)) == .value(0))
        #expect(
            try process.perform(.access(span(start + 100, 4 * page - 100), .write))
                == .signal(.segmentationProtected, address: start + 2 * page))
        #expect(
            try process.perform(.access(span(start + 3 * page + 8, 2 * page), .read))
                == .signal(.segmentationUnmapped, address: start + 4 * page))
        #expect(
            try process.perform(.store(span(start + 2 * page + 5, 10), seed: 1))
                == .signal(.segmentationProtected, address: start + 2 * page + 5))
        // It lives on.
        #expect(try process.perform(.access(span(start, page), .write)) == .value(0))
    }

    @Test func `executes what is executable, whatever lies there`() throws {
        let process = try KernelProcess()
        let start = try process.map(4 * page)
        #expect(
            try process.perform(.access(span(start, page), .execute))
                == .signal(.segmentationProtected, address: start))
        try process.perform(.mprotect(span(start, 4 * page), [.read, .write, .execute]))
        #expect(try process.perform(.access(span(start, 4 * page), .execute)) == .value(0))
        for seed: UInt64 in 0..<200 {
            try process.perform(.store(span(start, 64), seed: seed))
            #expect(try process.perform(.access(span(start, 1), .execute)) == .value(0))
        }
        #expect(
            try process.perform(.access(span(start + 4 * page, 1), .execute))
                == .signal(.segmentationUnmapped, address: start + 4 * page))
    }

    @Test func `stores a pattern that its definition gives too`() throws {
        let process = try KernelProcess()
        let start = try process.map(page) + 3
        try process.perform(.store(span(start, 1001), seed: 42))
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for index: UInt64 in 0..<1001 {
            var z = 42 + index / 8 &+ 0x9e37_79b9_7f4a_7c15
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            z ^= z >> 31
            let byte = UInt8(truncatingIfNeeded: z >> (index % 8 * 8))
            sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        #expect(try process.perform(.load(span(start, 1001))) == .value(sum))
    }

    @Test func `past the end of a file is a bus error`() throws {
        let process = try KernelProcess()
        let file = FileID(rawValue: 1)
        try process.perform(
            .createFile(file, FileDescription(kind: .memory, length: page + 1, name: "short")))
        let start = try process.map(4 * page, [.read, .write], .shared, file: file)
        #expect(
            try process.perform(.access(span(start, 4 * page), .write))
                == .signal(.busPastEnd, address: start + 2 * page))
        #expect(try process.perform(.ftruncate(file, length: page)) == .value(0))
        #expect(
            try process.perform(.access(span(start, 4 * page), .read))
                == .signal(.busPastEnd, address: start + page))
    }
}

@Suite struct `Locking on the host's kernel` {
    @Test func `counts what the process locked and nothing else`() throws {
        let process = try KernelProcess()
        let start = try process.map(16 * page)
        #expect(try process.perform(.mlock(span(start, 4 * page))) == .value(0))
        #expect(try process.sample.locked == 4 * page)
        #expect(try process.sample.resident == 4 * page)
        #expect(
            try process.perform(.mlock2(span(start + 8 * page, page), .onFault)) == .value(0))
        #expect(try process.sample.locked == 5 * page)
        #expect(try process.sample.resident == 4 * page)

        #expect(try process.perform(.mlockall([.current, .future])) == .value(0))
        #expect(try process.sample.locked == 16 * page)
        #expect(try process.sample.resident == 16 * page)
        _ = try process.map(2 * page)
        #expect(try process.sample.locked == 18 * page)
        #expect(try process.text(.smapsRollup).contains("Locked:               72 kB"))

        #expect(try process.perform(.munlock(span(start, page))) == .value(0))
        #expect(try process.sample.locked == 17 * page)
        #expect(try process.perform(.munlockall) == .value(0))
        #expect(try process.sample.locked == 0)
        #expect(try process.perform(.mlock(span(0x1000, page))) == .failed(.ENOMEM))
    }

    @Test(arguments: [UInt64(1) << 47, UInt64(1) << 60, UInt64.max - 0x1fff])
    func `keeps its own areas when advice goes over all that there is`(end: UInt64) throws {
        let process = try KernelProcess()
        let high = try process.map(page)
        let low: UInt64 = 0x10000
        try process.perform(
            .mmap(
                address: .absolute(low), length: page, protection: [.read, .write],
                flags: [.private, .anonymous, .fixed], file: nil, offset: 0))
        for start in [low, high] {
            try process.perform(.access(span(start, 1), .write))
        }
        #expect(try process.sample.resident == 2 * page)
        #expect(
            try process.perform(.madvise(span(low, end - low), .dontNeed)) == .failed(.ENOMEM))
        #expect(try process.sample.resident == 0)
        try process.perform(.access(span(low, 1), .write))
        #expect(try process.sample.resident == page)
    }

    @Test func `heeds the limit exactly unless privileged`() throws {
        let process = try KernelProcess()
        let start = try process.map(8 * page)
        #expect(
            try process.perform(.setLimit(.memlock, soft: 8 * page, hard: 16 * page))
                == .value(0))
        try process.perform(.setLockPrivilege(false))
        #expect(try process.perform(.mlock(span(start, 8 * page))) == .value(0))
        let more = try process.map(page)
        #expect(try process.perform(.mlock(span(more, page))) == .failed(.ENOMEM))
        try process.perform(.munlockall)

        #expect(try process.perform(.mlockall(.current)) == .failed(.ENOMEM))
        try process.perform(.munmap(span(more, page)))
        #expect(try process.perform(.mlockall(.current)) == .value(0))
        try process.perform(.munlockall)

        try process.perform(.setLimit(.memlock, soft: 0, hard: 0))
        #expect(try process.perform(.mlock(span(start, page))) == .failed(.EPERM))
        #expect(try process.perform(.mlockall(.current)) == .failed(.EPERM))
        #expect(throws: HostRefusal.self) {
            try process.perform(.setLimit(.memlock, soft: page, hard: page))
        }
        try process.perform(.setLockPrivilege(true))
        #expect(try process.perform(.mlock(span(start, page))) == .value(0))
    }

    @Test func `that only this host refuses is told apart`() throws {
        let process = try KernelProcess()
        let start = try process.map(8 * page)
        try process.perform(.setLimit(.memlock, soft: 4 * page, hard: 4 * page))
        try process.perform(.setLockPrivilege(false))
        // As if the work's process held the privilege, and the host did not let it.
        try process.system.helper(process.id).isMeantToLock = true
        #expect(try process.perform(.mlock(span(0x1000, 1))) == .failed(.ENOMEM))
        #expect(try process.perform(.mlock(span(start, 4 * page))) == .value(0))
        let refused: [Call] = [
            .mlock(span(start, 8 * page)), .mlock2(span(start + 4 * page, page), .onFault),
            .mlockall(.future), .mlockall(.current),
            .mmap(
                address: .absolute(0), length: page, protection: .read,
                flags: [.private, .anonymous, .locked], file: nil, offset: 0),
            .mremap(
                span(start, 4 * page), newLength: 5 * page, flags: .mayMove,
                newAddress: .absolute(0)),
        ]
        for call in refused {
            let refusal = #expect(throws: HostRefusal.self) { try process.perform(call) }
            #expect(refusal?.reason.contains("16 KiB") == true, "\(call)")
        }
        #expect(try process.sample.locked == 4 * page)
    }
}

@Suite struct `Limits on the host's kernel` {
    @Test func `hold for address space to the page`() throws {
        let process = try KernelProcess()
        _ = try process.map(10 * page)
        try process.perform(.setLimit(.addressSpace, soft: 12 * page, hard: nil))
        _ = try process.map(2 * page)
        #expect(throws: SystemFailure.self) { try process.map(page) }
        #expect(
            try process.perform(.setLimit(.addressSpace, soft: 2, hard: 1)) == .failed(.EINVAL))
    }

    @Test func `hold for data to the page, mapped or heap`() throws {
        let process = try KernelProcess()
        try process.perform(.setLimit(.data, soft: 4 * page, hard: nil))
        _ = try process.map(2 * page)
        let start: UInt64 = 0x5555_5555_c000
        #expect(
            try process.perform(.brk(.absolute(start + 2 * page))) == .value(start + 2 * page))
        #expect(
            try process.perform(.brk(.absolute(start + 3 * page))) == .value(start + 2 * page))
        #expect(throws: SystemFailure.self) { try process.map(page) }
        #expect(try process.map(page, .read) > 0)
    }
}

@Suite struct `Files on the host's kernel` {
    @Test(arguments: [FileDescription.Kind.memory, .disk])
    func `share their pages, grow, shrink and get holes`(kind: FileDescription.Kind) throws {
        let process = try KernelProcess()
        let file = FileID(rawValue: 3)
        try process.perform(
            .createFile(file, FileDescription(kind: kind, length: 8 * page, name: "data")))
        let start = try process.map(8 * page, [.read, .write], .shared, file: file)
        let copy = try process.map(4 * page, [.read, .write], .private, file: file, offset: page)
        try process.perform(.store(span(start + page, page), seed: 5))
        #expect(
            try process.perform(.load(span(copy, page)))
                == process.perform(.load(span(start + page, page))))
        try process.perform(.access(span(copy, page), .write))
        let sample = try process.sample
        #expect(sample.anonymous == page)
        #expect(sample.resident >= 2 * page)
        #expect(kind == .memory ? sample.sharedMemory > 0 : sample.file > 0)

        #expect(
            try process.perform(.punchHole(file, offset: page, length: page)) == .value(0))
        try process.perform(.store(span(start + 2 * page, 8), seed: 1))
        #expect(
            try process.perform(.load(span(start + page, page)))
                == process.perform(.load(span(start + 5 * page, page))))
        #expect(
            try process.perform(.writeFile(file, offset: 0, length: 100_000)) == .value(100_000))
        #expect(
            try process.perform(.readFile(file, offset: page, length: 1 << 20))
                == .value(100_000 - page))
        #expect(try process.perform(.ftruncate(file, length: .max)) == .failed(.EINVAL))
    }

    @Test func `are mapped as their descriptor allows`() throws {
        let process = try KernelProcess()
        let file = FileID(rawValue: 1)
        try process.perform(
            .createFile(
                file,
                FileDescription(kind: .memory, length: page, name: "ro", access: .read)))
        func map(_ protection: Protection, _ flags: MapFlags) throws -> Outcome {
            try process.perform(
                .mmap(
                    address: .absolute(0), length: page, protection: protection, flags: flags,
                    file: file, offset: 0))
        }
        #expect(try map([.read, .write], .shared) == .failed(.EACCES))
        guard case .value(let start) = try map([.read, .write], .private) else {
            Issue.record("a private writable mapping of a read-only file must work")
            return
        }
        #expect(try process.text(.maps).contains("/memfd:ro (deleted)"))
        #expect(try process.perform(.access(span(start, 1), .write)) == .value(0))
    }

    @Test func `can be segments`() throws {
        let process = try KernelProcess()
        let file = FileID(rawValue: 1)
        try process.perform(
            .createFile(file, FileDescription(kind: .sharedMemory, length: 4 * page, name: "s")))
        let outcome = try process.perform(.shmat(file, address: .absolute(0), flags: []))
        guard case .value(let start) = outcome else {
            Issue.record("shmat: \(outcome)")
            return
        }
        try process.perform(.access(span(start, 4 * page), .write))
        #expect(try process.sample.sharedMemory == 4 * page)
        #expect(try process.perform(.shmLock(file, locked: true)) == .value(0))
        #expect(try process.perform(.shmLock(file, locked: false)) == .value(0))
        #expect(try process.perform(.shmdt(.absolute(start + page))) == .failed(.EINVAL))
        #expect(try process.perform(.shmdt(.absolute(start))) == .value(0))
        #expect(try process.text(.maps) == "")
        #expect(throws: SystemFailure.self) { try process.map(page, file: file) }
    }

    @Test func `can be remapped out of order`() throws {
        let process = try KernelProcess()
        let file = FileID(rawValue: 1)
        try process.perform(
            .createFile(file, FileDescription(kind: .memory, length: 4 * page, name: "f")))
        let start = try process.map(4 * page, [.read, .write], .shared, file: file)
        try process.perform(.store(span(start + 3 * page, page), seed: 9))
        #expect(
            try process.perform(
                .remapFilePages(span(start, page), protection: .none, pageOffset: 3, flags: []))
                == .value(0))
        #expect(
            try process.perform(.load(span(start, page)))
                == process.perform(.load(span(start + 3 * page, page))))
    }
}

@Suite struct `Processes on the host's kernel` {
    @Test func `fork with copy on write`() throws {
        let parent = try KernelProcess()
        let start = try parent.map(4 * page)
        let file = FileID(rawValue: 1)
        try parent.perform(
            .createFile(file, FileDescription(kind: .memory, length: page, name: "f")))
        let shared = try parent.map(page, [.read, .write], .shared, file: file)
        try parent.perform(.store(span(start, 4 * page), seed: 1))
        let before = try parent.perform(.load(span(start, 4 * page)))

        let child = try parent.fork()
        #expect(try child.perform(.load(span(start, 4 * page))) == before)
        try child.perform(.store(span(start, page), seed: 2))
        try child.perform(.store(span(shared, page), seed: 3))
        #expect(try parent.perform(.load(span(start, 4 * page))) == before)
        #expect(try child.perform(.load(span(start, 4 * page))) != before)
        #expect(
            try parent.perform(.load(span(shared, page)))
                == child.perform(.load(span(shared, page))))
        #expect(try child.sample.anonymous == 4 * page)
        // The descriptor of the file is inherited.
        #expect(try child.map(page, [.read, .write], .shared, file: file) != 0)

        #expect(try child.perform(.exit) == .value(0))
        #expect(throws: SystemFailure.self) { try child.sample }
        #expect(try parent.perform(.load(span(start, 4 * page))) == before)
    }

    @Test func `start afresh with exec and keep limits and privilege`() throws {
        let process = try KernelProcess()
        let start = try process.map(4 * page)
        try process.perform(.access(span(start, 4 * page), .write))
        try process.perform(.setLimit(.memlock, soft: 2 * page, hard: 4 * page))
        try process.perform(.setLockPrivilege(false))
        try process.perform(.mlockall(.future))
        let image = ExecImage(name: "new", areas: [], mapTop: 0, breakStart: 0)
        #expect(try process.perform(.exec(image)) == .value(0))
        #expect(try process.text(.maps) == "")
        // Faults are counted from the process's birth, memory from exec.
        var sample = try process.sample
        sample.minorFaults = 0
        sample.majorFaults = 0
        #expect(sample == ProcessSample())
        #expect(try process.map(4 * page) == start)
        #expect(try process.perform(.mlock(span(start, 3 * page))) == .failed(.ENOMEM))
        #expect(try process.perform(.mlock(span(start, 2 * page))) == .value(0))
    }

    @Test func `that are unknown are refused`() throws {
        let process = try KernelProcess()
        let other = ProcessID(rawValue: 9)
        #expect(throws: SystemFailure.self) {
            try process.system.perform(Operation(other, .munlockall))
        }
        #expect(throws: SystemFailure.self) {
            try process.perform(.munmap(.region(RegionID(rawValue: 1))))
        }
    }

    @Test func `that the kernel kills end in a signal`() throws {
        let process = try KernelProcess()
        let start = try process.map(page)
        kill(try process.system.pid(of: process.id), SIGKILL)
        #expect(
            try process.perform(.access(span(start, 1), .read))
                == .signal(.outOfMemory, address: 0))
        #expect(throws: SystemFailure.self) { try process.sample }
    }

    @Test func `that are killed are gone`() throws {
        let process = try KernelProcess()
        let pid = try process.system.pid(of: process.id)
        process.system.kill(process.id)
        process.system.kill(process.id)
        #expect(kill(pid, 0) != 0)
        #expect(throws: SystemFailure.self) { try process.sample }
    }

    @Test func `leave nothing behind`() throws {
        var pids: [Int32] = []
        do {
            let process = try KernelProcess()
            let child = try process.fork()
            pids = [
                try process.system.pid(of: process.id), try process.system.pid(of: child.id),
            ]
            #expect(pids.allSatisfy { kill($0, 0) == 0 })
        }
        #expect(pids.allSatisfy { kill($0, 0) != 0 })
    }

    @Test func `do ten thousand operations a second and more`() throws {
        let process = try KernelProcess()
        let start = try process.map(page)
        let clock = ContinuousClock()
        let time = try clock.measure {
            for _ in 0..<5000 {
                try process.perform(.mprotect(span(start, page), .read))
                try process.perform(.mprotect(span(start, page), [.read, .write]))
            }
        }
        #expect(time < .seconds(1), "10000 operations took \(time)")
    }
}

@Suite struct `Views of the host's kernel` {
    @Test func `of the machine come from /proc`() throws {
        let system = try KernelSystem()
        #expect(try system.text(.meminfo).hasPrefix("MemTotal:"))
        #expect(try system.text(.vmstat).contains("pgfault "))
        #expect(try system.text(.zoneinfo).contains("Node 0, zone"))
        #expect(try system.text(.buddyinfo).contains("Node 0, zone"))
        // debugfs may be there or not; where it is not, the failure says so.
        do {
            #expect(try system.text(.unusableIndex).contains("Node 0"))
        } catch let failure as SystemFailure {
            #expect(failure.description.contains("debugfs"))
        }
    }

    @Test func `of a process leave the helper out`() throws {
        let process = try KernelProcess()
        let start = try process.map(4 * page)
        try process.perform(.access(span(start, 3 * page), .write))
        let smaps = try process.text(.smaps)
        #expect(smaps.hasPrefix("7ffff7ffb000-7ffff7fff000 rw-p 00000000 00:00 0"))
        #expect(smaps.contains("\nRss:                  12 kB\n"))
        #expect(!smaps.contains("6d6f6f72"))
        #expect(try process.text(.statm) == "4 3 0 0 0 4 0\n")
        let rollup = try process.text(.smapsRollup)
        #expect(rollup.hasPrefix("7ffff7ffb000-7ffff7fff000 ---p 00000000 00:00 0"))
        #expect(rollup.contains("\nRss:                  12 kB\n"))
        let status = try process.text(.status)
        #expect(status.contains("\nVmSize:\t      16 kB\n"))
        #expect(status.contains("\nVmHWM:\t      12 kB\n"))
        // A table at each of three levels, all the process's own.
        #expect(status.contains("\nVmPTE:\t      12 kB\n"))
    }
}
