// SPDX-License-Identifier: Apache-2.0
//
// Reads the output of `strace -f`, best taken with
//
//   strace -f -ttt -o FILE -e trace=memory,process,desc,ipc COMMAND …
//
// strace shows calls only: no faults, and not what execve mapped. What execve mapped is guessed
// from calls that succeed there (`ImportedImage`); where the search for room began, from the first
// mapping that the kernel placed.
//
// ORDER  A thread's first lines may come before the call that made it has returned. They wait
//        until it has: then it is known whose thread or child it is.
// SEE    StraceLine.swift (a line's parts), StraceProcesses.swift (what is remembered),
//        StraceImporter+Calls.swift (each call).

import Mooring

/// Reads the output of `strace -f`.
struct StraceImporter: TextImporter {
    /// A line that waits: for its thread to become known, or for its second half.
    struct Waiting {
        var text: Substring
        var number: Int
        var time: UInt64
    }

    /// Calls that make a process or a thread.
    static let makers: Set<Substring> = ["clone", "clone3", "fork", "vfork", "__clone2"]

    var notes = ImportNotes()
    var steps: [Step] = []
    var files = ImportedFiles()
    var segments: [UInt64: FileID] = [:]
    var images: [ImportedImage] = []
    var processes: [ImportedProcess] = []
    /// Which process a thread belongs to.
    var threads: [Int32: ImportedProcess] = [:]

    /// The first halves of calls that strace interrupted, by thread.
    private var unfinished: [Int32: Waiting] = [:]
    /// Lines of threads that nobody has made yet.
    private var orphans: [Int32: [Waiting]] = [:]
    private var command = "strace"

    /// What lines are taken to be of that name no thread: on a terminal, strace names threads only
    /// once there are several.
    private static let unnamedThread: Int32 = 1
    /// The number that lines without one turned out to belong to.
    private var unnamedIs: Int32?
    /// Threads that strace said it attached to: none of them is the first.
    private var attached: Set<Int32> = []
    /// The beginning of a line into which strace wrote a message.
    private var interrupted: Substring = ""
    private var firstTime: UInt64?
    private var time: UInt64 = 0
    private var dayOffset: UInt64 = 0

    /// The line being read, for errors.
    var line: Substring = ""
    var number = 0

    // MARK: Lines

    mutating func take(_ bytes: ArraySlice<UInt8>, number: Int) throws(ImportError) {
        var text = interrupted + Substring(decoding: bytes, as: UTF8.self)
        interrupted = ""
        line = text
        self.number = number
        if let message = text.firstRange(of: "strace: Process "), text.hasSuffix(" attached") {
            if let thread = Int32(text[message.upperBound...].dropLast(9)) {
                attached.insert(thread)
            }
            interrupted = text[..<message.lowerBound]
            return
        }
        let parts = StraceLine(text)
        if let stamp = parts.time { advance(to: stamp) }
        guard !parts.event.isEmpty else { return }
        text = parts.event
        try take(
            Waiting(text: text, number: number, time: time), of: thread(named: parts.thread))
    }

    private mutating func thread(named number: Int32?) -> Int32 {
        guard let number else { return Self.unnamedThread }
        if unnamedIs == nil, threads[Self.unnamedThread] != nil, threads[number] == nil,
            !attached.contains(number)
        {
            unnamedIs = number
        }
        return number == unnamedIs ? Self.unnamedThread : number
    }

    private mutating func advance(to stamp: StraceLine.Time) {
        let nanoseconds: UInt64
        switch stamp {
        case .relative(let distance):
            time &+= distance
            return
        case .absolute(let value): nanoseconds = value
        case .ofDay(let value):
            let day: UInt64 = 86_400_000_000_000
            // Midnight: the clock falls back by almost a day.
            if let firstTime, value &+ dayOffset &+ day / 2 < firstTime &+ time {
                dayOffset &+= day
            }
            nanoseconds = value &+ dayOffset
        }
        if firstTime == nil { firstTime = nanoseconds }
        let (distance, overflow) = nanoseconds.subtractingReportingOverflow(
            firstTime ?? nanoseconds)
        time = overflow ? time : distance
    }

    private mutating func take(_ waiting: Waiting, of thread: Int32) throws(ImportError) {
        let event = waiting.text
        if threads[thread] == nil {
            let isEnd = event.hasPrefix("+++ ") || event.hasPrefix("--- ")
            guard isEnd || event.hasPrefix("<... ") || Self.beginsCall(event) else {
                noise(event)
                return
            }
            // Only a call still unfinished can be the one that made this thread.
            if unfinished.values.contains(where: { Self.isMaker($0.text) }) {
                orphans[thread, default: []].append(waiting)
                return
            }
            // Of a thread that did nothing else, the end is nothing either.
            if isEnd { return }
            adopt(thread, at: waiting, isExec: event.hasPrefix("execve"))
        }
        line = event
        number = waiting.number
        if event.hasPrefix("+++ ") || event.hasPrefix("--- ") {
            if event.hasPrefix("+++ exited") || event.hasPrefix("+++ killed") {
                end(thread, at: waiting)
            }
        } else if event.hasPrefix("<... ") {
            try resume(waiting, of: thread)
        } else if let cut = event.firstRange(of: "<unfinished ...>") {
            var first = waiting
            first.text = event[..<cut.lowerBound]
            unfinished[thread] = first
        } else if Self.beginsCall(event) {
            try call(waiting, of: thread)
        } else {
            noise(event)
        }
    }

    private static func beginsCall(_ event: Substring) -> Bool {
        event.firstIndex(of: "(").map { StraceCall.isName(event[..<$0]) } ?? false
    }

    private static func isMaker(_ text: Substring) -> Bool {
        makers.contains(text.prefix { $0 != "(" })
    }

    private mutating func noise(_ event: Substring) {
        if !event.hasPrefix("strace: ") {
            notes.add("lines that strace did not write", line: number)
        }
    }

    /// Takes `<... mmap resumed>, …) = …`.
    private mutating func resume(_ waiting: Waiting, of thread: Int32) throws(ImportError) {
        guard let end = waiting.text.firstRange(of: " resumed>") else {
            throw malformed("a resumed call has no name")
        }
        let name = waiting.text.dropFirst(5)[..<end.lowerBound]
        var head = unfinished.removeValue(forKey: thread)
        if head == nil, name == "execve" || name == "execveat" {
            // Another thread's execve returns in the thread whose number is the process's.
            let others = threads[thread]?.threads.sorted() ?? []
            for other in others where head == nil && unfinished[other]?.text.hasPrefix(name) == true
            {
                head = unfinished.removeValue(forKey: other)
            }
        }
        guard let head else {
            if Self.isRelevant(name) {
                notes.add("calls of which the text lacks the first half", line: number)
            }
            return
        }
        guard head.text.prefix(while: { $0 != "(" }) == name else {
            throw malformed(
                "\(name) is resumed, but line \(head.number) left another call unfinished")
        }
        var whole = waiting
        whole.text = head.text + waiting.text[end.upperBound...]
        try call(whole, of: thread)
    }

    private mutating func call(_ waiting: Waiting, of thread: Int32) throws(ImportError) {
        guard let process = threads[thread] else { return }
        let name = waiting.text.prefix { $0 != "(" }
        let isMemory = Self.isRelevant(name)
        guard let call = StraceCall(waiting.text) else {
            guard isMemory else { return }
            throw malformed("this \(name) cannot be read")
        }
        guard !process.hasExited else {
            if isMemory { notes.add("calls of processes that had exited, left out", line: number) }
            return
        }
        try carryOver(call, of: process, thread: thread, time: waiting.time)
    }

    func malformed(_ message: String) -> ImportError {
        ImportError(
            line: number, text: line.utf8, message: message,
            remedy: "Let strace write to a file of its own with -o FILE, so that the program's "
                + "output does not run into its lines; if the file was cut, remove its last line.")
    }

    // MARK: Processes

    func append(
        _ call: Call, of process: ImportedProcess, thread: Int32, time: UInt64,
        recorded: Outcome?, to steps: inout [Step]
    ) {
        steps.append(
            Step(time: time, thread: thread, Operation(process.process, call), recorded: recorded))
    }

    /// Begins a process that no call in the text made.
    private mutating func adopt(_ thread: Int32, at waiting: Waiting, isExec: Bool) {
        let id = ProcessID(rawValue: thread)
        steps.append(Step(time: waiting.time, thread: thread, Operation(id, .spawn)))
        let image = ImportedImage(name: "attached", step: steps.count)
        let process = ImportedProcess(id, memory: ImportedMemory(image: image))
        // An execve that comes first brings its own image.
        if !isExec {
            steps.append(
                Step(time: waiting.time, thread: thread, Operation(id, .exec(image.image))))
            images.append(image)
            process.executed = 1
            notes.add(
                "processes whose beginning the text does not show; trace them from their start, "
                    + "with -f and the calls of \"process\"", line: waiting.number)
        }
        processes.append(process)
        threads[thread] = process
    }

    /// A call has made a thread or a process.
    mutating func made(
        _ number: Int32, by parent: ImportedProcess, flags: Substring, thread: Int32, time: UInt64
    ) throws(ImportError) {
        if flags.contains("CLONE_THREAD") {
            parent.threads.insert(number)
            threads[number] = parent
        } else {
            let sharesMemory = flags.contains("CLONE_VM")
            let child = ImportedProcess(
                ProcessID(rawValue: number),
                memory: sharesMemory ? parent.memory : ImportedMemory(copying: parent.memory))
            child.descriptors = parent.descriptors
            child.name = parent.name
            processes.append(child)
            threads[number] = child
            append(
                .fork(child: child.process, sharesMemory: sharesMemory), of: parent,
                thread: thread, time: time, recorded: .value(UInt64(number)), to: &steps)
        }
        for waiting in orphans.removeValue(forKey: number) ?? [] {
            try take(waiting, of: number)
        }
    }

    private mutating func end(_ thread: Int32, at waiting: Waiting) {
        guard let process = threads.removeValue(forKey: thread) else { return }
        process.threads.remove(thread)
        unfinished[thread] = nil
        if process.threads.isEmpty { exit(process, thread: thread, time: waiting.time) }
    }

    mutating func exit(_ process: ImportedProcess, thread: Int32, time: UInt64) {
        guard !process.hasExited else { return }
        process.hasExited = true
        append(.exit, of: process, thread: thread, time: time, recorded: nil, to: &steps)
    }

    mutating func execute(
        _ path: Substring, arguments: Substring, by process: ImportedProcess, thread: Int32,
        time: UInt64
    ) {
        if steps.allSatisfy({ $0.operation.call == .spawn }) {
            command = arguments.filter { !"[]\",".contains($0) }
        }
        process.executed += 1
        process.name = String((path.split(separator: "/").last ?? path).prefix(15))
        let image = ImportedImage(name: process.name, step: steps.count)
        images.append(image)
        process.memory = ImportedMemory(image: image)
        // The other threads are gone, and the one that is left has the process's number.
        for other in process.threads where other != process.process.rawValue {
            threads[other] = nil
            unfinished[other] = nil
        }
        process.threads = [process.process.rawValue]
        threads[process.process.rawValue] = process
        append(
            .exec(image.image), of: process, thread: process.process.rawValue, time: time,
            recorded: .value(0), to: &steps)
    }

    mutating func finish() throws(ImportError) -> Imported {
        // The call that made these never returned in the text.
        for thread in orphans.keys.sorted() {
            unfinished = unfinished.filter { !Self.isMaker($0.value.text) }
            for waiting in orphans.removeValue(forKey: thread) ?? [] {
                try take(waiting, of: thread)
            }
        }
        guard !steps.isEmpty else {
            throw ImportError(
                line: 0, text: [], message: "the text holds no call",
                remedy: "Import the output of strace -f -o FILE.")
        }
        for image in images { steps[image.step].operation.call = .exec(image.image) }
        var recording = Recording(command: command, source: "strace")
        recording.steps = files.steps + steps
        recording.processes = processes.map {
            RecordedProcess(process: $0.process, image: $0.executed, name: $0.name)
        }
        return Imported(recording: recording, notes: notes.sorted)
    }
}
