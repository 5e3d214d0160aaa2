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
            var text = ""
            space.forEachVMA { text += $0.mapsLine(in: space) }
            return text
        }
    }
}

extension VMARef {
    /// Its line in maps.
    func mapsLine(in space: AddressSpace) -> String {
        VMARef.mapsLine(
            start: start, end: end, rights: rightsText,
            offset: file == nil ? 0 : pageOffset << pageShift,
            file: file, name: displayName(in: space))
    }

    /// A line of maps: a name begins in column 73, and without one the line ends in a space.
    static func mapsLine(
        start: UInt64, end: UInt64, rights: String, offset: UInt64, file: FileRef?, name: String
    ) -> String {
        let owner = file.map { "\($0.deviceText) \($0.number + 1)" } ?? "00:00 0"
        let line = "\(hex(start))-\(hex(end)) \(rights) \(hex(offset)) \(owner) "
        return name.isEmpty ? line + "\n" : "\(padded(line, -72)) \(name)\n"
    }

    /// Its rights and whether it is shared, in four letters.
    var rightsText: String {
        (flags.contains(.read) ? "r" : "-") + (flags.contains(.write) ? "w" : "-")
            + (flags.contains(.execute) ? "x" : "-") + (flags.contains(.mayShare) ? "s" : "p")
    }

    /// What maps calls it: its file, or what it is for, or nothing.
    func displayName(in space: AddressSpace) -> String {
        if let file { return file.pointer.pointee.name.lineSafe }
        let state = space.pointer.pointee
        switch rest.pointee.name {
        case .vdso, .vvar, .vvarClock: return rest.pointee.name.text
        case .none, .stack: break
        }
        if start < state.breakEnd, end > state.breakStart { return "[heap]" }
        // Of a stack that was split only the piece that holds the program's arguments.
        if start < state.stackStart, end >= state.stackStart { return VMAName.stack.text }
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
