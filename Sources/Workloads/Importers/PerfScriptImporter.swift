// SPDX-License-Identifier: Apache-2.0
//
// From the text of `perf script` to a recording: the calls, faults and lives of a program's
// processes, in an order in which they can be carried out one after another.
//
// ORDER   The text is sorted by time, but a call is two lines, and other threads act between
//         them. A call that changes areas counts where it took the lock that all such calls need,
//         which is the order of the kernel. A fork keeps that lock while it copies, and other
//         threads may fault in areas that it has not come to: it counts where the next one takes
//         the lock, at the latest where the new task appears. Of other calls, and in a text that
//         does not tell locks: what gives memory away (munmap, a shrinking brk, MADV_DONTNEED,
//         shmdt) counts from its beginning, as the room may be taken by another thread before it
//         returns; every other call counts from its end, as nobody can use what it made before; a
//         fork counts where the new task appears.
// EXEC    The areas that the kernel maps while it starts a program appear as records, from the
//         new name to the return of execve. Later ones lie over earlier ones. The pages of
//         arguments, which the kernel writes without a fault, become one write to the highest
//         pages of the stack, as many as the new address space had before its first fault.
// LAZY    Two facts of an image come later than it: where brk starts (the first `brk(0)`), and,
//         for some, where the search for room begins. A file's length may even stand at the end
//         of the text. The steps concerned are completed when the fact arrives.
// SEE     PerfScriptImporter+Calls.swift, PerfScriptResidency.swift.

import Mooring

/// Imports what `mooring record`, or `perf script` by hand, wrote about a program.
///
/// The events are those of ``events`` and ``calls``. Only the program counts that the recording's
/// first execve starts, and what descends from it. What such a text cannot tell is not in the
/// recording: limits that setrlimit(2) changed, the ranges of process_madvise(2), failed forks,
/// and reads and writes of files without a mapping. Of a program whose segments are aligned to
/// more than a page, the holes between them look mapped. Mappings of /dev/zero become anonymous.
package struct PerfScriptImporter: TextImporter {
    /// What to do where a text leaves room.
    package struct Options {
        /// The command that was recorded, unless the text says.
        package var command = ""
        /// `uname -sr` of the recording kernel, unless the text says.
        package var source = "perf script"
        /// Whether to import a text in which events are missing.
        package var allowsLostEvents = false
        /// Whether the program may lock memory without limit, unless the text says.
        ///
        /// Recording takes privileges, and the program has them, too.
        package var hasLockPrivilege = true

        package init() {}
    }

    /// The events besides system calls that the importer reads.
    package static let events = [
        "exceptions:page_fault_user", "exceptions:page_fault_kernel",
        "sched:sched_process_exit", "task:task_newtask", "kmem:rss_stat",
        "mmap:vm_unmapped_area", "signal:signal_generate",
    ]

    /// The event that tells in which order threads changed the areas of an address space, and the
    /// filter without which it would tell of faults too.
    package static let lockEvent = (
        name: "mmap_lock:mmap_lock_acquire_returned", filter: "write == 1"
    )

    /// The system calls whose begin and end it reads.
    package static let calls = [
        "mmap", "munmap", "mremap", "mprotect", "pkey_mprotect", "brk", "madvise", "mlock",
        "mlock2", "munlock", "mlockall", "munlockall", "msync", "mincore", "remap_file_pages",
        "shmget", "shmat", "shmdt", "clone", "clone3", "fork", "vfork", "execve", "execveat",
        "memfd_create", "ftruncate",
    ]

    /// The system calls of which the begin is enough.
    package static let callsFromTheirBegin = ["close", "exit", "exit_group"]

    /// How the faults in mapped files were explained.
    struct Explanations: Equatable {
        /// The window of 16 pages accounts for the growth.
        var byWindow = 0
        /// Large folios account for it.
        var byFolios = 0
        /// It grew by less: pages that were not in the page cache.
        var short = 0
        /// It grew by more, and no folios account for it.
        var unexplained = 0
        var missingPages = 0
    }

    var options: Options
    var steps: [Step] = []
    var finished: [RecordedProcess] = []
    var processes: [Int32: PerfScriptProcess] = [:]
    var threads: [Int32: PerfScriptThread] = [:]
    var spaces: [PerfScriptSpace] = []
    var counters: [UInt64: PerfScriptCounters] = [:]
    var files: [PerfScriptFile] = []
    var fileIndexes: [PerfScriptFileKey: Int] = [:]
    /// System V segments by their number.
    var segments: [UInt64: Int] = [:]
    var lengths: [PerfScriptFileKey: UInt64] = [:]
    var explanations = Explanations()
    /// The text tells when a descriptor is closed, so that what is known of it can be trusted.
    var tellsClosing = false
    /// The text tells who takes the lock of an address space.
    var tellsLocks = false
    /// Where each step belongs, as they are not added in that order, and the next place.
    private var orders: [Int] = []
    private var nextOrder = 0
    /// Where the call belongs that is being read, where it is known.
    private var place: (order: Int, time: UInt64)?
    var notes = ImportNotes()
    /// The number of the line that is being read.
    var number = 0
    private var startTime: UInt64?
    private var now: UInt64 = 0
    private var command: String?
    private var source: String?

    package init(options: Options = Options()) { self.options = options }

    /// Imports a whole text.
    ///
    /// - Throws: ``ImportError`` where a line is torn or foreign, events were lost, or the text
    ///   holds no program.
    package static func recording(
        from text: [UInt8], options: Options = Options()
    ) throws(ImportError) -> Recording {
        var stream = ImportStream(PerfScriptImporter(options: options))
        try stream.feed(text)
        return try stream.finish().recording
    }

    // MARK: Lines

    package mutating func take(_ line: ArraySlice<UInt8>, number: Int) throws(ImportError) {
        guard let line = try PerfScriptReader.read(line, number: number) else { return }
        try take(line, number: number)
    }

    private mutating func take(_ line: PerfScriptLine, number: Int) throws(ImportError) {
        self.number = number
        switch line.event {
        case .note(let note):
            take(note)
            return
        case .lost:
            guard options.allowsLostEvents else {
                throw ImportError(
                    line: number, text: [],
                    message: "the kernel lost events here: its buffer was full",
                    remedy: "Record again with a larger buffer (perf record -m 64M), or allow "
                        + "lost events and expect differences.")
            }
            notes.add("lost events", line: number)
            return
        case .name(let name, _, isExec: true) where startTime == nil:
            startTime = line.time
            start(line, name: name)
        default: break
        }
        guard processes[line.process] != nil else { return }
        now = line.time &- (startTime ?? line.time)
        if case .resident(let space, let isOwn, let kind, let bytes) = line.event {
            resident(line, space: space, isOwn: isOwn, kind: kind, bytes: bytes)
            return
        }
        settleFault(of: line)
        takeSettled(line)
    }

    private mutating func takeSettled(_ line: PerfScriptLine) {
        let thread = line.thread
        switch line.event {
        case .fault(let address, let code): fault(line, address: address, code: code)
        case .enter(let name, let arguments):
            threads[thread, default: .init()].lastFault = nil
            begin(line, name, arguments)
        case .exit(let name, let value):
            threads[thread]?.lastFault = nil
            guard let call = threads[thread]?.call, call.name == name else {
                if name.hasPrefix("execve"), value == 0 { finishImage(line) }
                return
            }
            threads[thread]?.call = nil
            place = call.place
            end(line, call, value)
            place = nil
        case .locked: locked(line)
        case .area(let area):
            if processes[line.process]?.build != nil {
                processes[line.process]?.build?.add(area)
            } else {
                threads[thread]?.call?.area = area
            }
        case .unmappedArea(let top): learnTop(line, top)
        case .name(let name, _, isExec: true): beginImage(line, name: name)
        case .name(let name, let named, isExec: false):
            if named == line.process { processes[line.process]?.name = name }
        case .newTask(let child, let flags): newTask(line, child, flags)
        case .threadEnd(let isLast): threadEnd(line, isLast: isLast)
        case .signal(let number, let code, let target):
            if target == thread { signal(line, number: number, code: code) }
        case .resident, .note, .lost, .other: break
        }
    }

    private mutating func take(_ note: PerfScriptNote) {
        switch note {
        case .command(let command): self.command = command
        case .source(let source): self.source = source
        case .lockPrivilege(let has): options.hasLockPrivilege = has
        case .file(let key, let length):
            lengths[key] = length
            if let index = fileIndexes[key] { files[index].statedLength = length }
        }
    }

    /// Adds a step and returns its number.
    @discardableResult
    mutating func add(_ line: PerfScriptLine, _ call: Call, recorded: Outcome? = nil) -> Int {
        let place = place ?? takePlace()
        orders.append(place.order)
        steps.append(
            Step(
                time: place.time, thread: line.thread,
                Operation(ProcessID(rawValue: line.process), call), recorded: recorded))
        return steps.count - 1
    }

    /// The place after all that were taken.
    mutating func takePlace() -> (order: Int, time: UInt64) {
        defer { nextOrder += 1 }
        return (nextOrder, now)
    }

    /// The steps as they are to be carried out; those of one place stay as they were added.
    private var orderedSteps: [Step] {
        steps.indices.sorted { (orders[$0], $0) < (orders[$1], $1) }.map { steps[$0] }
    }

    // MARK: Processes

    /// The first program starts.
    private mutating func start(_ line: PerfScriptLine, name: String) {
        let id = ProcessID(rawValue: line.process)
        spaces.append(PerfScriptSpace(owner: id, image: 0))
        processes[line.process] = PerfScriptProcess(id: id, name: name, space: 0)
        now = 0
        add(line, .spawn, recorded: .value(UInt64(line.process)))
        if options.hasLockPrivilege { add(line, .setLockPrivilege(true), recorded: .value(0)) }
    }

    private mutating func newTask(_ line: PerfScriptLine, _ child: Int32, _ flags: UInt64) {
        let fresh = threads[line.thread]?.freshSpace
        threads[line.thread]?.freshSpace = nil
        threads[child] = PerfScriptThread()
        guard flags & CloneFlags.thread == 0, let parent = processes[line.process] else { return }
        let id = ProcessID(rawValue: child)
        let shares = flags & CloneFlags.memory != 0
        var process = parent
        process.id = id
        process.image = 0
        if shares {
            spaces[parent.space].users += 1
        } else {
            var space = spaces[parent.space]
            space.owner = id
            space.image = 0
            space.users = 1
            space.counter = fresh
            space.files = (threads[line.thread]?.call?.copied ?? space.files).forked()
            space.execStep = nil
            space.populatesNewAreas = false
            process.space = spaces.count
            spaces.append(space)
        }
        processes[child] = process
        processes[line.process]?.copier = nil
        place = threads[line.thread]?.call?.place
        defer { place = nil }
        add(
            line, .fork(child: id, sharesMemory: shares), recorded: .value(UInt64(child)))
    }

    private mutating func threadEnd(_ line: PerfScriptLine, isLast: Bool) {
        let thread = threads.removeValue(forKey: line.thread)
        // The text may not tell signals. A thread whose last deed was a fault may have died of it.
        if thread?.call == nil, let fault = thread?.lastFault,
            case .value = steps[fault].recorded
        {
            steps[fault].recorded = nil
        }
        guard isLast, let process = processes.removeValue(forKey: line.process) else { return }
        leave(process)
        add(line, .exit)
    }

    /// A process stops using its address space.
    mutating func leave(_ process: PerfScriptProcess) {
        spaces[process.space].users -= 1
        let space = spaces[process.space]
        if space.owner == process.id, space.image == process.image, !isStart(space) {
            let counted = space.counter.flatMap { counters[$0] }
            finished.append(
                RecordedProcess(
                    process: process.id, image: space.image, name: process.name,
                    peakResident: counted.map { UInt64(max(0, $0.peak)) },
                    lastResident: counted.flatMap(\.last).map {
                        ResidentFigures(
                            anonymous: UInt64(max(0, $0[0])), file: UInt64(max(0, $0[1])),
                            sharedMemory: UInt64(max(0, $0[2])))
                    }))
        }
        if space.users == 0 {
            if let counter = space.counter { counters[counter] = nil }
            spaces[process.space].files = FileAreas()
        }
    }

    /// Whether this is the empty address space that the first program was started from.
    private func isStart(_ space: PerfScriptSpace) -> Bool {
        space.owner == spaces[0].owner && space.image == 0
    }

    private mutating func signal(_ line: PerfScriptLine, number: Int64, code: Int64) {
        guard let fault = threads[line.thread]?.lastFault,
            case .access(.absolute(let address, _), _) = steps[fault].operation.call
        else { return }
        let signal: Signal
        switch (number, code) {
        case (11, 1): signal = .segmentationUnmapped
        case (11, 2): signal = .segmentationProtected
        case (7, 2): signal = .busPastEnd
        default: return
        }
        steps[fault].recorded = .signal(signal, address: address)
        threads[line.thread]?.lastFault = nil
    }

    // MARK: The end

    package mutating func finish() throws(ImportError) -> Imported {
        guard startTime != nil, !steps.isEmpty else {
            throw ImportError(
                line: 0, text: [], message: "no program starts in this text",
                remedy: "Record with `perf record … -- COMMAND`, and make the text with "
                    + "--show-task-events and --show-mmap-events.")
        }
        for process in processes.values.sorted(by: { $0.id < $1.id }) { leave(process) }
        for file in files {
            guard case .createFile(let id, var description) = steps[file.step].operation.call else {
                continue
            }
            description.length = length(of: file)
            description.largeFolios = file.folios.values.sorted { $0.lowerBound < $1.lowerBound }
            description.name = file.description.name
            steps[file.step].operation.call = .createFile(id, description)
        }
        finished.sort { ($0.process, $0.image) < ($1.process, $1.image) }
        return Imported(
            recording: Recording(
                command: command ?? options.command, source: source ?? options.source,
                steps: orderedSteps, processes: finished),
            notes: notes.sorted)
    }

    private func length(of file: PerfScriptFile) -> UInt64 {
        if file.description.kind != .disk { return file.description.length }
        let told: UInt64? =
            tellsClosing
            ? file.truncatedLength ?? file.statedLength : file.statedLength ?? file.truncatedLength
        return told ?? file.extent
    }
}

/// Flags of clone(2) that decide what a new task shares.
enum CloneFlags {
    static let memory: UInt64 = 0x100
    static let thread: UInt64 = 0x1_0000
}
