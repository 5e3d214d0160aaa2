// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct StraceImporterTests {
    private func fixture(_ name: String) throws -> Imported {
        try WorkFile.importText(Fixture.path(name), as: .strace)
    }

    @Test(arguments: [
        "strace-threads.txt", "strace-terminal.txt", "strace-times.txt", "strace-vfork.txt",
    ]) func `real output is recognised, imported without notes, and runs`(name: String) throws {
        guard case .text(.strace) = try WorkFile.kind(of: Fixture.path(name)) else {
            Issue.record("not recognised")
            return
        }
        let imported = try fixture(name)
        #expect(imported.notes == [])
        let again = try Recording(traceBytes: imported.recording.traceBytes())
        #expect(again == imported.recording)
        let summary = try Runner(system: FakeSystem()).run(imported.recording)
        #expect(summary.processes.count == 2)
        #expect(summary.processes.allSatisfy { $0.lastStep != nil })
    }

    @Test func `a thread's calls are its process's, and a fork makes a child`() throws {
        let recording = try fixture("strace-threads.txt").recording
        let steps = recording.steps
        let first = try #require(steps.first { $0.operation.call == .spawn }).operation.process
        let threads = Set(
            steps.filter { $0.operation.process == first && $0.thread != 0 }.map(\.thread))
        #expect(threads.count == 2)
        let forks = steps.compactMap { step -> Bool? in
            guard case .fork(_, let sharesMemory) = step.operation.call else { return nil }
            return sharesMemory
        }
        #expect(forks == [false])
        #expect(recording.processes.map(\.name) == ["t", "true"])
        #expect(recording.command == "./t")
    }

    @Test func `the same program is the same on a terminal`() throws {
        // Two threads and a child run at once, so only each call's number is the same.
        func counts(_ name: String) throws -> [CallKind: Int] {
            let kinds = try fixture(name).recording.steps.map { ($0.operation.call.kind, 1) }
            return Dictionary(kinds, uniquingKeysWith: +)
        }
        #expect(try counts("strace-threads.txt") == counts("strace-terminal.txt"))
    }

    @Test func `a child of vfork shares memory until it executes`() throws {
        let steps = try fixture("strace-vfork.txt").recording.steps
        let children = steps.compactMap { step -> ProcessID? in
            guard case .fork(let child, sharesMemory: true) = step.operation.call else {
                return nil
            }
            return child
        }
        let child = try #require(children.first)
        let own = steps.filter { $0.operation.process == child }.map(\.operation.call.kind)
        #expect(own.first == .exec)
        #expect(own.last == .exit)
    }

    @Test func `times count from the first line`() throws {
        let times = try fixture("strace-times.txt").recording.steps.map(\.time)
        #expect(times == times.sorted())
        #expect(times.last ?? 0 > 1_000_000)
        #expect(times.last ?? 0 < 1_000_000_000)
        let ofDay = try Imported(
            """
            23:59:59.900000 brk(NULL) = 0x1000
            00:00:00.100000 brk(0x2000) = 0x2000
            """, as: .strace)
        #expect(ofDay.recording.steps.last?.time == 200_000_000)
        let relative = try Imported(
            "     0.000000 brk(NULL) = 0x1000\n     0.5 brk(0x2000) = 0x2000", as: .strace)
        #expect(relative.recording.steps.last?.time == 500_000_000)
    }

    @Test(arguments: [
        "[00007ff81c2a4ce7] brk(NULL) = 0x1000\n[????????????????] +++ exited with 0 +++",
        "[  12] brk(NULL) = 0x1000\n+++ exited with 0 +++",
        "[  12] [00007ff81c2a4ce7] brk(NULL) = 0x1000\n > /lib/ld.so(_dl+0x2f0) [0x1ab70]",
    ]) func `numbers, places and callers of calls are passed over`(text: String) throws {
        let plain = try Imported("brk(NULL) = 0x1000\n+++ exited with 0 +++", as: .strace)
        let imported = try Imported(text, as: .strace)
        #expect(imported.recording.steps.first == plain.recording.steps.first)
        #expect(imported.notes == plain.notes)
    }

    @Test func `a place that was drawn by lot becomes a hint`() throws {
        let text = """
            mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT, -1, 0) = 0x40b28000
            mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
            """
        let calls = try Imported(text, as: .strace).recording.steps.map(\.operation.call)
        var hints: [Address] = []
        for case .mmap(let address, _, _, _, _, _) in calls { hints.append(address) }
        #expect(hints == [.absolute(0x40b2_8000), .absolute(0)])
    }

    @Test func `what execve mapped is learnt from what succeeds there`() throws {
        let imported = try Imported(
            """
            7 execve("/bin/x", ["x", "-v"], 0x7ffc /* 3 vars */) = 0
            7 brk(NULL) = 0x555000
            7 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000002000
            7 mprotect(0x400000, 4096, PROT_READ) = 0
            7 mprotect(0x401000, 100, PROT_READ) = 0
            7 mprotect(0x7f0000003000, 8192, PROT_NONE) = 0
            7 mprotect(0x900000, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)
            7 exit_group(0) = ?
            7 +++ exited with 0 +++
            """, as: .strace)
        #expect(
            imported.linesWithOutcomes == [
                "process p7 => ?",
                "p7: exec \"x\" top 0x7f0000004000 break 0x555000 area 0x400000 8K rw "
                    + "area 0x7f0000004000 4K rw => ok",
                "p7: brk 0x0 => 0x555000",
                "p7: mmap 8K r private anonymous => 0x7f0000002000",
                "p7: mprotect 0x400000 4K r => ok", "p7: mprotect 0x401000 100 r => ok",
                "p7: mprotect 0x7f0000003000 8K none => ok",
                "p7: mprotect 0x900000 4K r => ENOMEM", "p7: exit => ?",
            ])
        #expect(imported.recording.command == "x -v")
    }

    @Test func `each call is read`() throws {
        let imported = try Imported(
            """
            memfd_create("a,b)", MFD_CLOEXEC) = 3
            ftruncate(3, 0x3000) = 0
            mmap(0x10000, 12288, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED|MAP_POPULATE, 3, 0x1000) = 0x10000
            fallocate(3, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 4096, 8192) = 0
            mremap(0x10000, 12288, 16384, MREMAP_MAYMOVE|MREMAP_FIXED, 0x20000) = 0x20000
            madvise(0x20000, 4096, MADV_POPULATE_WRITE) = 0
            madvise(0x20000, 4096, 0x63 /* MADV_??? */) = -1 EINVAL (Invalid argument)
            mlock2(0x20000, 4096, MLOCK_ONFAULT) = 0
            mlockall(MCL_CURRENT|MCL_FUTURE) = -1 EPERM (Operation not permitted)
            munlockall() = 0
            msync(0x20000, 4096, MS_ASYNC|MS_INVALIDATE) = 0
            mincore(0x20000, 8192, [1, 0]) = 0
            mincore(0x20000, 16384, [1, 0...]) = 0
            remap_file_pages(0x20000, 4096, PROT_NONE, 2, 0) = 0
            shmget(IPC_PRIVATE, 5000, IPC_CREAT|0600) = 12
            shmat(12, NULL, SHM_RDONLY) = 0x7f0000000000
            shmctl(12, SHM_LOCK, NULL) = 0
            shmctl(12, IPC_RMID, NULL) = 0
            shmdt(0x7f0000000000) = 0
            munlock(0x20000, 4096) = 0
            prlimit64(0, RLIMIT_MEMLOCK, {rlim_cur=64*1024, rlim_max=RLIM64_INFINITY}, NULL) = 0
            brk(NULL) = ?
            mmap(NULL, 2097152, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|21<<MAP_HUGE_SHIFT, -1, 0) = -1 ENOMEM (Cannot allocate memory)
            mmap(NULL, 4096, 0x3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, -1, 0) = 0x7f0000001000
            munmap(0x7f0000001000, 4096) = 0
            """, as: .strace)
        #expect(
            Array(imported.linesWithOutcomes.dropFirst(4)) == [
                "p1: ftruncate f1 12K => ok",
                "p1: mmap 12K rw shared fixed populate at 0x10000 file f1 offset 4K => 0x10000",
                "p1: punch_hole f1 4K 8K => ok",
                "p1: mremap 0x10000 12K 16K maymove fixed at 0x20000 => 0x20000",
                "p1: madvise 0x20000 4K populate_write => ok",
                "p1: madvise 0x20000 4K 99 => EINVAL",
                "p1: mlock2 0x20000 4K onfault => ok", "p1: mlockall current future => EPERM",
                "p1: munlockall => ok", "p1: msync 0x20000 4K async invalidate => ok",
                "p1: mincore 0x20000 8K => 10", "p1: mincore 0x20000 16K => ?",
                "p1: remap_file_pages 0x20000 4K none page 2 => ok",
                "p1: shmat f2 rdonly => 0x7f0000000000", "p1: shmctl f2 lock => ok",
                "p1: shmdt 0x7f0000000000 => ok", "p1: munlock 0x20000 4K => ok",
                "p1: setlimit memlock 64K unlimited => ok", "p1: brk 0x0 => ?",
                "p1: mmap 2M r private anonymous hugetlb flags 0x54000000 => ENOMEM",
                "p1: mmap 4K rw private anonymous => 0x7f0000001000",
                "p1: munmap 0x7f0000001000 4K => ok",
            ])
        #expect(
            imported.lines.prefix(2) == [
                "file f1 = memfd 0 name \"a,b)\"", "file f2 = shm 8K name \"SYSV12\"",
            ])
    }

    @Test func `what is missing or strange is told, not dropped`() throws {
        let imported = try Imported(
            """
            9 hello from the program
            9 brk(NULL) = 0x1000
            9 mmap(NULL, 4096, PROT_READ|PROT_NEW, MAP_PRIVATE, 5, 0) = 0x7000
            9 <... munmap resumed>) = 0
            9 mlock(0x7000, 4096) = -1 ENEWERROR (What)
            """, as: .strace)
        #expect(
            imported.notes.map(\.description) == [
                "lines that strace did not write: 1, the first in line 1",
                "processes whose beginning the text does not show; trace them from their start, "
                    + "with -f and the calls of \"process\": 1, the first in line 2",
                "files of which the text does not show the opening; trace with -y or the calls of "
                    + "\"desc\": 1, the first in line 3",
                "flags without a meaning here, left out (PROT_NEW): 1, the first in line 3",
                "calls of which the text lacks the first half: 1, the first in line 4",
                "errors that have no name here, not compared: 1, the first in line 5",
            ])
    }

    @Test(arguments: [
        ("brk(NULL) = 0x1000\nmunmap(0x1000, 40", 2, "this munmap cannot be read"),
        ("mlock(0x1000) = 0", 1, "argument 2 of mlock should be a number"),
        ("mlock(0x1000, many) = 0", 1, "argument 2 of mlock should be a number"),
        ("mmap(NULL, 4096, PROT_READ, MAP_SHARED, abc, 0) = 0x1000", 1, "should be a descriptor"),
        ("brk(NULL <unfinished ...>\n<... munmap resumed>) = 0", 2, "line 1 left another call"),
    ]) func `a call that cannot be read is an error with its line`(
        text: String, line: Int, says: String
    ) throws {
        let error = #expect(throws: ImportError.self) { try Imported(text, as: .strace) }
        let found = try #require(error)
        #expect(found.line == line)
        #expect(found.message.contains(says), "\(found)")
        #expect(found.remedy.contains("-o FILE"))
    }

    @Test func `no text makes the importer trap`() throws {
        var random = SeededRandom.fromEnvironment()
        let names = ["strace-threads.txt", "strace-terminal.txt", "strace-vfork.txt"]
        let fixtures = try names.map { try Fixture.bytes($0) }
        let snippets = [
            "0xffffffffffffffff", "-1", "18446744073709551615", "99999999999.999999999 ", "(", ")",
            "<unfinished ...>", "<... clone resumed>", "CLONE_VM", "\"", "= ", "=> ", "[pid ",
        ].map { Array($0.utf8) }
        for round in 0..<150 {
            var text = fixtures[round % fixtures.count]
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: text[place] = UInt8.random(in: 0...255, using: &random)
                case 1: text.removeSubrange(place..<min(text.count, place + 9))
                case 2:
                    text.replaceSubrange(
                        place..<min(text.count, place + 6),
                        with: snippets.randomElement(using: &random) ?? [])
                default:
                    text.insert(contentsOf: text[place..<min(text.count, place + 90)], at: place)
                }
                if text.isEmpty { break }
            }
            do {
                var stream = ImportStream(ImportFormat.strace.makeImporter())
                try stream.feed(text)
                _ = try stream.finish()
            } catch {
                #expect(!error.message.isEmpty, "seed \(random.seed), round \(round)")
            }
        }
    }
}
