// SPDX-License-Identifier: Apache-2.0
//
// Records a program: perf(1) watches it, `perf script` turns what it saw into text, and the
// importer of that text makes the recording.
//
// STATE   Everything intermediate lies in a folder of its own under TMPDIR, which is removed
//         whatever happens, unless the caller asks to keep it.
// SEE     Workloads/Importers/PerfScriptImporter.swift, RecorderFacilities.swift.

import Glibc
import Mooring
import Workloads

/// Records the memory operations of a program with its children and threads.
package struct Recorder {
    /// How to record.
    package struct Options {
        /// The size of each CPU's buffer, in MiB; a power of two.
        package var bufferInMebibytes = 16
        /// Ends the program after this long, and keeps what was recorded until then.
        package var timeLimit: Duration?
        /// Makes a recording of what is left where events were lost.
        package var allowsLostEvents = false
        /// Keeps the text that was imported in a file.
        package var textPath: String?

        package init() {}
    }

    /// What the recorder is doing.
    package enum Progress: Hashable, Sendable {
        case recording
        case reading
        case importing
        case writing
    }

    /// What came of it.
    package struct Result: Sendable {
        package var recording: Recording
        /// The program's exit status, as a shell has it: 128 and more for a signal.
        package var exitStatus: Int32
        /// Whether the time limit ended the program.
        package var reachedTimeLimit: Bool
        /// What the recording lacks because this kernel does not tell it.
        package var shortcomings: [String]
        /// What the import left out or had to guess.
        package var notes: [ImportNote]
        /// The size of the trace file.
        package var lengthInBytes: Int
    }

    /// Runs a command, and writes what it did as a trace file.
    ///
    /// The command has this process's standard input, output and error. It starts as it is given,
    /// found along PATH, in the current folder.
    ///
    /// - Parameters:
    ///   - command: The program and its arguments.
    ///   - path: The trace file to make; it is replaced when the recording is complete.
    ///   - options: How to record.
    ///   - progress: Told what is being done.
    /// - Returns: The recording, and how the program ended.
    /// - Throws: ``RecorderError`` where the host forbids or lacks something, `FileFailure` where the
    ///   trace cannot be written, and `ImportError` where events were lost.
    package static func record(
        command: [String], to path: String, options: Options = Options(),
        progress: (Progress) -> Void = { _ in }
    ) throws -> Result {
        let facilities = try RecorderFacilities()
        guard let program = command.first, HostPath.find(program) != nil else {
            throw RecorderError(
                problem: "there is no program \(command.first ?? "")",
                remedy: "Name one that exists and is executable.")
        }
        // Before the program runs: what it did could not be kept.
        try WorkFile.requireWritable(path)
        if let kept = options.textPath { try WorkFile.requireWritable(kept) }
        let folder = try ScratchFolder()
        defer { folder.remove() }

        progress(.recording)
        let (status, limited) = try run(command, facilities, in: folder, options)
        progress(.reading)
        var text = try script(facilities, in: folder)
        progress(.importing)
        text = notes(for: command, about: text) + text
        if let kept = options.textPath { try WorkFile.write(text, to: kept) }
        var importing = PerfScriptImporter.Options()
        importing.allowsLostEvents = options.allowsLostEvents
        var stream = ImportStream(PerfScriptImporter(options: importing))
        try stream.feed(text)
        let imported = try stream.finish()
        let recording = imported.recording
        progress(.writing)
        let bytes = recording.traceBytes()
        try WorkFile.write(bytes, to: path)
        return Result(
            recording: recording, exitStatus: status, reachedTimeLimit: limited,
            shortcomings: facilities.shortcomings, notes: imported.notes,
            lengthInBytes: bytes.count)
    }

    /// What recording would lack on this host.
    ///
    /// - Throws: ``RecorderError`` where nothing can be recorded.
    package static func shortcomings() throws -> [String] { try RecorderFacilities().shortcomings }

    // MARK: perf

    private static func run(
        _ command: [String], _ facilities: RecorderFacilities, in folder: ScratchFolder,
        _ options: Options
    ) throws(RecorderError) -> (status: Int32, limited: Bool) {
        let lock = PerfScriptImporter.lockEvent
        let arguments =
            [
                "perf", "record", "-q", "-d", "-m", "\(options.bufferInMebibytes)M", "-o",
                folder.data, "-e", facilities.events.joined(separator: ","),
            ] + (facilities.tellsLocks ? ["-e", lock.name, "--filter", lock.filter] : []) + ["--"]
            + command
        // An interrupt from the terminal is for the program; what it did until then is kept.
        let interrupt = signal(SIGINT, SIG_IGN)
        defer { signal(SIGINT, interrupt) }
        let child = try ChildProcess(facilities.perf, arguments)
        let result = child.wait(atMost: options.timeLimit)
        guard access(folder.data, R_OK) == 0, HostPath.hasContents(folder.data) else {
            throw RecorderError(
                problem: "`perf record` recorded nothing (exit status \(result.status)); what it "
                    + "said stands above",
                remedy: "If it is about permission: run with sudo, or sudo sysctl "
                    + "kernel.perf_event_paranoid=-1. If it is about mmap: a smaller buffer, or "
                    + "sudo sysctl kernel.perf_event_mlock_kb=65536. If it is about an event: the "
                    + "kernel hides it, as in a container or under lockdown.")
        }
        return result
    }

    private static func script(
        _ facilities: RecorderFacilities, in folder: ScratchFolder
    ) throws -> [UInt8] {
        let arguments = [
            "perf", "script", "-i", folder.data, "--ns", "-F",
            "comm,pid,tid,cpu,time,event,trace", "--show-mmap-events", "--show-task-events",
            "--show-lost-events",
        ]
        let child = try ChildProcess(
            facilities.perf, arguments, output: folder.text, errors: folder.errors)
        let status = child.wait(atMost: nil).status
        guard status == 0 else {
            let said = HostPath.contents(folder.errors) ?? ""
            throw RecorderError(
                problem: "`perf script` failed with status \(status): \(said)",
                remedy: "A perf of the same kernel version as the running one reads it.")
        }
        return try WorkFile.bytes(of: folder.text)
    }

    // MARK: What events do not tell

    private static func notes(for command: [String], about text: [UInt8]) -> [UInt8] {
        var name = utsname()
        uname(&name)
        var notes = "# mooring: command \(command.joined(separator: " "))\n"
        notes += "# mooring: source \(word(name.sysname)) \(word(name.release))\n"
        notes += "# mooring: lock-privilege \(geteuid() == 0 ? 1 : 0)\n"
        for file in PerfScriptImporter.mappedFiles(in: text) {
            var found = stat()
            // The number of the device differs on overlay and Btrfs; path and inode decide.
            guard stat(file.path, &found) == 0, found.st_ino == file.inode, found.st_size >= 0
            else { continue }
            notes += "# mooring: file \(file.identity) \(found.st_size)\n"
        }
        return Array(notes.utf8)
    }

    /// A field of utsname, which the importer of C sees as a tuple of characters.
    private static func word(_ field: some Any) -> String {
        withUnsafeBytes(of: field) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension HostPath {
    /// Whether a file has more than nothing in it.
    fileprivate static func hasContents(_ path: String) -> Bool {
        var found = stat()
        return stat(path, &found) == 0 && found.st_size > 0
    }
}
