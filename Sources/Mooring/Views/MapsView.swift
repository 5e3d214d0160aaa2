// SPDX-License-Identifier: Apache-2.0
//
// The text of /proc/PID/maps: a line a VMA. smaps begins each of its paragraphs with the same line.
//
// LINUX   A file's device is 00:01 in memory and 08:01 on disk, its inode one more than its number
//         on the machine. There is no [vsyscall] line, as on a kernel started with vsyscall=none.

extension Machine.Task {
    /// What /proc/PID/maps shows.
    public func maps() -> String {
        inspect { space, _ in
            var buffer = TextBuffer()
            space.forEachVMA { $0.appendMapsLine(to: &buffer, in: space) }
            return buffer.text
        }
    }
}

extension VMARef {
    /// Appends its line in maps.
    func appendMapsLine(to buffer: inout TextBuffer, in space: AddressSpace) {
        VMARef.appendMapsLine(
            to: &buffer, start: start, end: end, rights: rightsText,
            offset: file == nil ? 0 : pageOffset << pageShift,
            file: file, name: displayName(in: space))
    }

    /// Appends a line of maps: a name begins in column 73, and without one the line ends in a space.
    static func appendMapsLine(
        to buffer: inout TextBuffer, start: UInt64, end: UInt64, rights: String, offset: UInt64,
        file: FileRef?, name: String
    ) {
        let lineStart = buffer.count
        buffer.append(hexadecimal: start)
        buffer.append("-")
        buffer.append(hexadecimal: end)
        buffer.append(" ")
        buffer.append(rights)
        buffer.append(" ")
        buffer.append(hexadecimal: offset)
        buffer.append(" ")
        buffer.append(file?.deviceText ?? "00:00")
        buffer.append(" ")
        buffer.append(file.map { Int($0.number) + 1 } ?? 0, width: 1)
        buffer.append(" ")
        if !name.isEmpty {
            buffer.pad(to: 72, from: lineStart)
            buffer.append(" ")
            buffer.append(name)
        }
        buffer.append("\n")
    }

    /// Its rights and whether it is shared, in four letters.
    var rightsText: String {
        (flags.contains(.read) ? "r" : "-") + (flags.contains(.write) ? "w" : "-")
            + (flags.contains(.execute) ? "x" : "-") + (flags.contains(.mayShare) ? "s" : "p")
    }

    /// What maps calls it: its file, or what it is for, or nothing.
    func displayName(in space: AddressSpace) -> String {
        if let file { return file.pointer.pointee.name.lineSafe }
        let state = space.pointer
        switch attributes.name {
        case .vdso, .vvar, .vvarClock: return attributes.name.text
        case .none, .stack: break
        }
        if start < state.pointee.breakEnd, end > state.pointee.breakStart { return "[heap]" }
        // Of a stack that was split only the piece that holds the program's arguments.
        if start < state.pointee.stackStart, end >= state.pointee.stackStart {
            return VMAName.stack.text
        }
        return ""
    }
}

extension FileRef {
    /// Its device's two numbers.
    fileprivate var deviceText: String { kind == .memory ? "00:01" : "08:01" }
}

extension String {
    /// This text with its newlines as the kernel escapes them, so that a name stays on its line.
    fileprivate var lineSafe: String {
        guard utf8.contains(10) else { return self }
        return split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\012")
    }
}
