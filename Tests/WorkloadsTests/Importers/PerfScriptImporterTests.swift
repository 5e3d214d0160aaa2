// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Workloads

@Suite struct PerfScriptImporterTests {
    /// A file of Tests/WorkloadsTests/Fixtures.
    ///
    /// `true.txt` and `life.txt` are recordings of /bin/true and of `life.c`, as `mooring record`
    /// keeps their text; `life.maps` and `life-child.maps` is what life and its child saw last.
    static func fixture(_ name: String) throws -> [UInt8] { try Fixture.bytes(name) }

    static func importing(_ name: String) throws -> Recording {
        try PerfScriptImporter.recording(from: fixture(name))
    }

    private static func error(importing text: String) -> ImportError? {
        do throws(ImportError) {
            _ = try PerfScriptImporter.recording(from: Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    private func calls(_ recording: Recording) -> [Call] {
        recording.steps.map(\.operation.call)
    }

    @Test func `a recording says what was recorded, and where`() throws {
        let recording = try Self.importing("true.txt")
        #expect(recording.command == "/bin/true")
        #expect(recording.source.hasPrefix("Linux 6."))
        #expect(recording.steps.first?.operation.call == .spawn)
        #expect(recording.steps.last?.operation.call == .exit)
        #expect(recording.steps.first?.time == 0)
        #expect(recording.steps.map(\.time) == recording.steps.map(\.time).sorted())
    }

    @Test func `calls that change areas count in the order of the lock`() throws {
        // Each line: the thread, and what it does a microsecond after the line before.
        let lock = "mmap_lock:mmap_lock_acquire_returned: mm=0x1 memcg_id=1 write=true success=true"
        func mmap(_ length: Int) -> String {
            "syscalls:sys_enter_mmap: addr: 0x0, len: 0x\(length)000, prot: 0x1, flags: 0x22, "
                + "fd: 0xffffffff, off: 0x0"
        }
        let munmap = "syscalls:sys_enter_munmap: addr: 0x1000, len: 0x1000"
        let lines: [(thread: Int, event: String)] = [
            (100, "PERF_RECORD_COMM exec: tf:100/100"), (100, lock),
            (100, "task:task_newtask: pid=101 comm=tf clone_flags=10100 oom_score_adj=0"),
            // The later one to begin, and to end, has the lock first.
            (100, mmap(1)), (101, mmap(2)), (101, lock), (100, lock),
            (100, "syscalls:sys_exit_mmap: 0x1000"), (101, "syscalls:sys_exit_mmap: 0x2000"),
            // What gives memory away has not done so before it has the lock.
            (100, munmap), (101, mmap(3)), (101, lock), (101, "syscalls:sys_exit_mmap: 0x4000"),
            (100, lock), (100, "syscalls:sys_exit_munmap: 0x0"),
            // A fork has copied when the next one has the lock, though the child appears later.
            (100, "syscalls:sys_enter_clone: clone_flags: 0x11, newsp: 0x0"), (100, lock),
            (100, lock), (101, munmap), (101, lock),
            (100, "task:task_newtask: pid=102 comm=tf clone_flags=11 oom_score_adj=0"),
            (101, "syscalls:sys_exit_munmap: 0x0"), (100, "syscalls:sys_exit_clone: 0x66"),
            // It fails before it takes the lock.
            (100, munmap), (100, "syscalls:sys_exit_munmap: 0xffffffffffffffea"),
        ]
        let text = lines.enumerated().map { index, line in
            "tf 100/\(line.thread) [000] 1.0000\(10 + index)000: \(line.event)\n"
        }.joined()
        let recording = try PerfScriptImporter.recording(from: Array(text.utf8))
        let steps = recording.steps.drop { $0.operation.call.kind != .mmap }
        #expect(
            steps.map(\.operation.call.kind) == [
                .mmap, .mmap, .mmap, .munmap, .fork, .munmap, .munmap,
            ])
        #expect(steps.map(\.thread) == [101, 100, 101, 100, 100, 101, 100])
        #expect(
            steps.map(\.recorded) == [
                .value(0x2000), .value(0x1000), .value(0x4000), .value(0), .value(102), .value(0),
                .failed(.EINVAL),
            ])
        #expect(recording.steps.map(\.time) == recording.steps.map(\.time).sorted())
    }

    @Test func `an image has the areas that the kernel built, and the facts that came later`()
        throws
    {
        let recording = try Self.importing("true.txt")
        var images: [ExecImage] = []
        for case .exec(let image) in calls(recording) { images.append(image) }
        let image = try #require(images.first)
        #expect(images.count == 1)
        #expect(image.name == "true")
        #expect(image.areas.map(\.address) == image.areas.map(\.address).sorted())
        for (area, next) in zip(image.areas, image.areas.dropFirst()) {
            #expect(area.address + area.length <= next.address)
        }
        #expect(
            image.areas.map(\.purpose) == [
                .segment, .segment, .segment, .segment, .vvar, .vvar, .vdso, .segment, .segment,
                .segment, .segment, .stack,
            ])
        // The loader lies at the top of the place for mappings.
        #expect(image.areas[10].address + image.areas[10].length == image.mapTop)
        #expect(image.breakStart > image.areas[3].address && image.breakStart < 1 << 47)
        let first = calls(recording).firstIndex { if case .brk = $0 { true } else { false } }
        let index = try #require(first)
        #expect(recording.steps[index].recorded == .value(image.breakStart))
    }

    @Test func `files have their path and length, and are in the page cache`() throws {
        var files: [String: FileDescription] = [:]
        for case .createFile(_, let file) in calls(try Self.importing("true.txt")) {
            files[file.name] = file
        }
        #expect(
            files.keys.sorted() == [
                "/etc/ld.so.cache", "/usr/bin/true",
                "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
            ])
        #expect(files["/usr/bin/true"]?.length == 35_664)
        #expect(files.values.allSatisfy { $0.kind == .disk && $0.isCached })
    }

    @Test func `arguments are written to the top of the stack before the program runs`() throws {
        let recording = try Self.importing("true.txt")
        let exec = try #require(
            calls(recording).firstIndex { if case .exec = $0 { true } else { false } })
        guard case .exec(let image) = recording.steps[exec].operation.call,
            let stack = image.areas.last,
            case .access(.absolute(let address, let length), let kind) = recording.steps[exec + 1]
                .operation.call
        else {
            Issue.record("no write follows execve")
            return
        }
        #expect(kind == .write)
        #expect(address + length == stack.address + stack.length)
        #expect(length == 4096)
    }

    @Test func `faults are told by kind and address`() throws {
        var kinds: [AccessKind: Int] = [:]
        for case .access(_, let kind) in calls(try Self.importing("true.txt")) {
            kinds[kind, default: 0] += 1
        }
        #expect(kinds[.execute, default: 0] > 10)
        #expect(kinds[.read, default: 0] > 10)
        #expect(kinds[.write, default: 0] > 20)
    }

    @Test func `peaks are those of the kernel's counters`() throws {
        let recording = try Self.importing("true.txt")
        #expect(recording.processes.count == 1)
        let process = try #require(recording.processes.first)
        #expect(process.name == "true")
        #expect(process.image == 1)
        #expect(process.peakResident == 1_208_320)
        #expect(process.lastResident == ResidentFigures(anonymous: 94_208, file: 1_114_112))
    }

    @Test func `replayed by its own answers, a recording ends in the program's maps`() throws {
        let recording = try Self.importing("life.txt")
        let layout = RecordedLayout(recording)
        let parent = try #require(recording.steps.first?.operation.process)
        var child: ProcessID?
        for case .fork(let id, sharesMemory: false) in calls(recording) { child = id }
        for (process, maps) in [(parent, "life.maps"), (try #require(child), "life-child.maps")] {
            let text = String(decoding: try Self.fixture(maps), as: UTF8.self)
            let expected = RecordedLayout.ranges(ofMaps: text)
            #expect(expected.count > 10)
            #expect(layout.atExit[process] == expected)
        }
    }

    @Test func `threads belong to their process, and children are its own`() throws {
        let recording = try Self.importing("life.txt")
        let parent = try #require(recording.steps.first?.operation.process)
        let threads = Set(
            recording.steps.filter { $0.operation.process == parent }.map(\.thread))
        #expect(threads.count == 3)
        var shared: [Bool] = []
        for case .fork(_, let sharesMemory) in calls(recording) { shared.append(sharesMemory) }
        #expect(shared == [false, true])
        #expect(calls(recording).filter { $0 == .exit }.count == 3)
        #expect(recording.processes.map(\.image) == [1, 0, 1])
        #expect(recording.processes.map(\.name) == ["life", "life", "true"])
    }

    @Test func `files without a path are made by the calls that make them`() throws {
        let recording = try Self.importing("life.txt")
        var memory: FileDescription?
        var segment: FileDescription?
        for case .createFile(_, let file) in calls(recording) {
            if file.kind == .memory { memory = file }
            if file.kind == .sharedMemory { segment = file }
        }
        #expect(memory?.name == "life")
        #expect(memory?.length == 0)
        #expect(segment?.length == 10_000)
        #expect(segment?.name == "/SYSV00000000")
        var lengths: [UInt64] = []
        for case .ftruncate(_, let length) in calls(recording) { lengths.append(length) }
        #expect(lengths == [40_960])
    }

    @Test func `a fault that ended in a signal is told as one`() throws {
        let signals = try Self.importing("life.txt").steps.filter {
            if case .signal = $0.recorded { true } else { false }
        }
        #expect(signals.map(\.recorded) == [.signal(.segmentationUnmapped, address: 8)])
    }

    @Test func `a call that failed keeps its error`() throws {
        let failed = try Self.importing("life.txt").steps.filter {
            $0.operation.call == .munmap(.absolute(address: 1, length: 4096))
        }
        #expect(failed.map(\.recorded) == [.failed(.EINVAL)])
    }

    @Test func `what faults mapped is what the window of 16 pages explains`() throws {
        var importer = PerfScriptImporter()
        for (index, line) in try Self.fixture("true.txt").split(separator: 0x0A).enumerated() {
            try importer.take(line, number: index + 1)
        }
        _ = try importer.finish()
        let found = importer.explanations
        #expect(found.byWindow > 20)
        #expect(found.byFolios + found.unexplained + found.short <= 3)
    }

    @Test func `a recording survives the trace file`() throws {
        let recording = try Self.importing("life.txt")
        let bytes = recording.traceBytes()
        #expect(bytes.count < recording.steps.count * 16)
        #expect(try Recording(traceBytes: bytes) == recording)
    }

    @Test func `a torn line is refused with its number`() throws {
        let text = String(decoding: try Self.fixture("true.txt"), as: UTF8.self)
        let lines = text.split(separator: "\n")
        let torn = lines.prefix(60).joined(separator: "\n") + "\n    true  6953/69"
        let error = try #require(Self.error(importing: torn))
        #expect(error.line == 61)
        #expect(error.description.contains("perf script --ns"))
        let cut =
            lines.prefix(60).joined(separator: "\n")
            + "\n true 6953/6953 [001] 2783.879000000: exceptions:page_fault_user: address=0x7f"
        #expect(Self.error(importing: cut)?.line == 61)
    }

    @Test(arguments: ["", "hello\n", "execve(\"/bin/true\", [\"true\"], 0x7ffd) = 0\n"])
    func `foreign text is refused`(_ text: String) throws {
        let error = try #require(Self.error(importing: text))
        #expect(error.line <= 1)
        #expect(!error.remedy.isEmpty)
    }

    @Test func `no text makes the importer trap`() throws {
        var random = SeededRandom.fromEnvironment()
        let seed = random.seed
        let text = try Self.fixture("life.txt")
        for _ in 0..<60 {
            var damaged = text
            for _ in 0..<40 {
                let place = Int.random(in: 0..<text.count, using: &random)
                // Digits for digits: most lines stay lines, with other numbers in them.
                damaged[place] =
                    damaged[place] >= 0x30 && damaged[place] <= 0x39
                    ? UInt8.random(in: 0x30...0x39, using: &random) : damaged[place]
            }
            damaged[Int.random(in: 0..<text.count, using: &random)] ^= 0x11
            do throws(ImportError) {
                _ = try PerfScriptImporter.recording(from: damaged)
            } catch {
                #expect(!error.remedy.isEmpty, "seed \(seed)")
            }
        }
    }

    @Test func `its texts are told from others`() throws {
        let text = try Self.fixture("true.txt")
        #expect(ImportFormat.detect(text) == .perfScript)
        let body = text.split(separator: 0x0A).drop { $0.first == UInt8(ascii: "#") }
        #expect(ImportFormat.detect(Array(body.joined(separator: [0x0A]))) == .perfScript)
        for name in ["strace-times.txt", "lackey-tiny.txt"] {
            #expect(ImportFormat.detect(try Self.fixture(name)) != .perfScript)
        }
    }

    @Test func `lost events are refused unless they are allowed`() throws {
        var text = String(decoding: try Self.fixture("true.txt"), as: UTF8.self)
        text += " true 6953/6953 [001] 2783.999999999: PERF_RECORD_LOST lost 12\n"
        let error = try #require(Self.error(importing: text))
        #expect(error.message.contains("lost"))
        #expect(error.remedy.contains("larger buffer"))
        var options = PerfScriptImporter.Options()
        options.allowsLostEvents = true
        let recording = try PerfScriptImporter.recording(from: Array(text.utf8), options: options)
        #expect(recording == (try Self.importing("true.txt")))
    }

    @Test func `a name may hold spaces, brackets and slashes`() throws {
        let line = " a [0] 1/2 x  12/34  [001]  5.000000007: PERF_RECORD_COMM exec: a:b:12/34"
        let read = try #require(try PerfScriptReader.read(ArraySlice(line.utf8), number: 1))
        #expect(read.process == 12 && read.thread == 34)
        #expect(read.time == 5_000_000_007)
        guard case .name("a:b", thread: 34, isExec: true) = read.event else {
            Issue.record("\(read.event)")
            return
        }
    }
}
