// SPDX-License-Identifier: Apache-2.0
//
// Reads the text of `perf script --ns -F comm,pid,tid,cpu,time,event,trace` a line at a time.
//
// A line is `COMM TGID/TID [CPU] SECONDS.NANOSECONDS: EVENT: fields`. The name may contain
// spaces, so the place to start from is the bracket of the CPU. The reader works on bytes: a
// recording of a busy second is a hundred thousand lines.

/// Reads one line of a recording's text.
struct PerfScriptReader {
    private let bytes: ArraySlice<UInt8>
    private let number: Int
    private var position: Int
    private let end: Int

    private init(_ line: ArraySlice<UInt8>, number: Int) {
        bytes = line
        self.number = number
        position = line.startIndex
        end = line.endIndex
    }

    /// What a line says; `nil` if it is empty or a comment.
    static func read(
        _ line: ArraySlice<UInt8>, number: Int
    ) throws(ImportError) -> PerfScriptLine? {
        var reader = PerfScriptReader(line, number: number)
        reader.skipSpaces()
        guard reader.position < reader.end else { return nil }
        guard line[reader.position] == UInt8(ascii: "#") else { return try reader.line() }
        return reader.note().map { PerfScriptLine(event: .note($0)) }
    }

    /// Whether a line has the shape of those that this reads.
    static func looksLikeOne(_ line: ArraySlice<UInt8>) -> Bool {
        var reader = PerfScriptReader(line, number: 0)
        reader.skipSpaces()
        if reader.note() != nil { return true }
        return reader.prefix() != nil && reader.event() != nil
    }

    // MARK: A line

    private mutating func line() throws(ImportError) -> PerfScriptLine {
        guard var line = prefix() else {
            throw ImportError(
                line: number, text: bytes, message: "not a line of `perf script`",
                remedy: "The text may be torn, or made with other fields. Make it with "
                    + "`perf script --ns -F comm,pid,tid,cpu,time,event,trace --show-mmap-events "
                    + "--show-task-events --show-lost-events`.")
        }
        guard let event = event() else {
            throw ImportError(
                line: number, text: bytes, message: "an event whose fields are torn",
                remedy: "Make the text again from the recording with `perf script`.")
        }
        line.event = event
        return line
    }

    /// Reads up to the event; `nil` where the line has another shape.
    private mutating func prefix() -> PerfScriptLine? {
        let start = position
        while position < end {
            guard bytes[position] == UInt8(ascii: "[") else {
                position += 1
                continue
            }
            let bracket = position
            position += 1
            guard decimal() != nil, take("]"), let (process, thread) = identity(start, bracket)
            else { continue }
            skipSpaces()
            guard let seconds = decimal(), take("."), let fraction = nanoseconds(), take(":") else {
                continue
            }
            skipSpaces()
            return PerfScriptLine(
                process: process, thread: thread, time: seconds &* 1_000_000_000 &+ fraction)
        }
        return nil
    }

    /// Reads `TGID/TID` backwards from the bracket of the CPU.
    private func identity(_ start: Int, _ bracket: Int) -> (Int32, Int32)? {
        var index = bracket - 1
        while index > start, bytes[index] == space { index -= 1 }
        func number() -> Int32? {
            var value = 0
            var scale = 1
            let last = index
            while index > start, let digit = digit(bytes[index]) {
                guard scale <= 1_000_000_000 else { return nil }
                value += Int(digit) * scale
                scale *= 10
                index -= 1
            }
            return index == last ? nil : Int32(exactly: value)
        }
        guard let thread = number(), bytes[index] == UInt8(ascii: "/") else { return nil }
        index -= 1
        if let process = number() { return (process, thread) }
        return nil
    }

    private mutating func nanoseconds() -> UInt64? {
        let start = position
        guard var value = decimal() else { return nil }
        var digits = position - start
        guard digits <= 9 else { return nil }
        while digits < 9 {
            value *= 10
            digits += 1
        }
        return value
    }

    // MARK: Events

    private mutating func event() -> PerfScriptEvent? {
        if take("kmem:rss_stat: ") { return residentEvent() }
        if take("exceptions:page_fault_") {
            guard let address = hex(after: "address=0x"), address < 1 << 47 else { return .other }
            guard let code = hex(after: "error_code=0x") else { return nil }
            return .fault(address: address, code: code)
        }
        if take("syscalls:sys_enter_") { return enterEvent() }
        if take("syscalls:sys_exit_") {
            guard let name = word(upTo: ":"), let value = hex(after: "0x") else { return nil }
            return .exit(name, Int64(bitPattern: value))
        }
        if take("PERF_RECORD_") { return recordEvent() }
        if take("mmap_lock:mmap_lock_acquire_returned: ") {
            return find("write=true") && find("success=true") ? .locked : .other
        }
        if take("mmap:vm_unmapped_area: ") {
            guard let top = hex(after: "hi=0x") else { return nil }
            return .unmappedArea(top: top)
        }
        if take("task:task_newtask: ") {
            guard let thread = number(after: "pid="), let flags = hex(after: "clone_flags=")
            else { return nil }
            return .newTask(thread: Int32(truncatingIfNeeded: thread), flags: flags)
        }
        if take("sched:sched_process_exit: ") {
            // Kernels before 6.16 do not say whether this was the last thread.
            return .threadEnd(isLast: !find("group_dead=false"))
        }
        if take("signal:signal_generate: ") {
            guard let signal = number(after: "sig="), let code = number(after: "code="),
                let thread = number(after: " pid=")
            else { return nil }
            return .signal(number: signal, code: code, thread: Int32(truncatingIfNeeded: thread))
        }
        return find(":") ? .other : nil
    }

    private mutating func residentEvent() -> PerfScriptEvent? {
        guard let space = number(after: "mm_id="), let own = number(after: "curr="),
            let type = word(after: "type=")
        else { return nil }
        let kind: PerfScriptEvent.ResidentKind
        switch type {
        case "MM_ANONPAGES": kind = .anonymous
        case "MM_FILEPAGES": kind = .file
        case "MM_SHMEMPAGES": kind = .sharedMemory
        default: return .other
        }
        guard let bytes = number(after: "size=") else { return nil }
        return .resident(
            space: UInt64(bitPattern: space), isOwn: own != 0, kind: kind, bytes: bytes)
    }

    private mutating func enterEvent() -> PerfScriptEvent? {
        guard let name = word(upTo: ":") else { return nil }
        var arguments = SIMD8<UInt64>()
        var count = 0
        while count < 8, let value = hex(after: ": 0x") {
            arguments[count] = value
            count += 1
        }
        return .enter(name, arguments)
    }

    private mutating func recordEvent() -> PerfScriptEvent? {
        if take("MMAP2 ") { return areaEvent() }
        if take("COMM exec: ") { return nameEvent(isExec: true) }
        if take("COMM: ") { return nameEvent(isExec: false) }
        if take("LOST") { return .lost }
        return .other
    }

    /// `NAME:TGID/TID`; the name may contain a colon.
    private mutating func nameEvent(isExec: Bool) -> PerfScriptEvent? {
        let start = position
        position = end
        while position > start, bytes[position - 1] != UInt8(ascii: ":") { position -= 1 }
        guard position > start else { return nil }
        let name = String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
        guard decimal() != nil, take("/"), let thread = decimal() else { return nil }
        return .name(name, thread: Int32(truncatingIfNeeded: thread), isExec: isExec)
    }

    /// `TGID/TID: [0xSTART(0xLENGTH) @ OFFSET MAJOR:MINOR INODE GENERATION]: rwxp NAME`.
    private mutating func areaEvent() -> PerfScriptEvent? {
        guard find("["), take("0x"), let start = hex(), take("(0x"), let length = hex(),
            take(") @ ")
        else { return nil }
        // Zero is printed without its prefix.
        guard let offset = take("0x") ? hex() : decimal() else { return nil }
        guard take(" "), let key = fileKey(), take(" "), decimal() != nil, take("]: ") else {
            return nil
        }
        guard position + 4 <= end else { return nil }
        var rights: UInt32 = 0
        if bytes[position] == UInt8(ascii: "r") { rights |= 1 }
        if bytes[position + 1] == UInt8(ascii: "w") { rights |= 2 }
        if bytes[position + 2] == UInt8(ascii: "x") { rights |= 4 }
        let isShared = bytes[position + 3] == UInt8(ascii: "s")
        position += 4
        guard take(" ") else { return nil }
        return .area(
            PerfScriptArea(
                start: start, length: length, offset: offset, key: key, rights: rights,
                isShared: isShared, name: rest()))
    }

    /// `MAJOR:MINOR INODE`, as records and notes write it.
    private mutating func fileKey() -> PerfScriptFileKey? {
        guard let major = hex(), take(":"), let minor = hex(), take(" "), let inode = decimal()
        else { return nil }
        return PerfScriptFileKey(device: major << 32 | minor, inode: inode)
    }

    /// `# mooring: command …`, `source …`, `lock-privilege 0|1` or `file MAJOR:MINOR INODE LENGTH`.
    private mutating func note() -> PerfScriptNote? {
        guard take("# mooring: ") else { return nil }
        if take("command ") { return .command(rest()) }
        if take("source ") { return .source(rest()) }
        if take("lock-privilege ") { return decimal().map { .lockPrivilege($0 != 0) } }
        guard take("file "), let key = fileKey(), take(" "), let length = decimal() else {
            return nil
        }
        return .file(key, length: length)
    }

    // MARK: Words

    private func digit(_ byte: UInt8) -> UInt64? {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
            ? UInt64(byte - UInt8(ascii: "0")) : nil
    }

    private mutating func skipSpaces() {
        while position < end, bytes[position] == space { position += 1 }
    }

    /// Moves past `text` if it stands here.
    private mutating func take(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard position + count <= end else { return false }
        // SAFETY: a static string's code units are there for `utf8CodeUnitCount` bytes.
        let start = text.utf8Start
        for index in 0..<count where bytes[position + index] != start[index] { return false }
        position += count
        return true
    }

    /// Moves past the next `text` of this line; stays where it is if there is none.
    private mutating func find(_ text: StaticString) -> Bool {
        let start = position
        while position < end {
            if take(text) { return true }
            position += 1
        }
        position = start
        return false
    }

    private mutating func decimal() -> UInt64? {
        let start = position
        var value: UInt64 = 0
        while position < end, let digit = digit(bytes[position]) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            value = product &+ digit
            position += 1
        }
        return position == start ? nil : value
    }

    private mutating func hex() -> UInt64? {
        let start = position
        var value: UInt64 = 0
        while position < end {
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return position == start ? nil : value
            }
            guard position - start < 16 else { return nil }
            value = value << 4 | UInt64(digit)
            position += 1
        }
        return position == start ? nil : value
    }

    private mutating func hex(after text: StaticString) -> UInt64? {
        find(text) ? hex() : nil
    }

    private mutating func number(after text: StaticString) -> Int64? {
        guard find(text) else { return nil }
        let isNegative = take("-")
        guard let value = decimal().flatMap(Int64.init(exactly:)) else { return nil }
        return isNegative ? -value : value
    }

    /// The word up to a byte, which is left behind.
    private mutating func word(upTo stop: Unicode.Scalar) -> String? {
        let start = position
        while position < end, bytes[position] != UInt8(ascii: stop) { position += 1 }
        guard position < end else { return nil }
        defer { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func word(after text: StaticString) -> String? {
        guard find(text) else { return nil }
        return word(upTo: " ")
    }

    private mutating func rest() -> String {
        defer { position = end }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }
}

private let space = UInt8(ascii: " ")
