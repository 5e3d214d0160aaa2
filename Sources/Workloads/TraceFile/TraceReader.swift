// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Recording {
    /// The recording as a trace file.
    package func traceBytes() -> [UInt8] {
        var writer = TraceWriter(command: command, source: source)
        for step in steps { writer.append(step) }
        for process in processes { writer.append(process) }
        return writer.finish()
    }

    /// Reads a trace file, whole or not at all.
    package init(traceBytes bytes: [UInt8]) throws(TraceFileError) {
        var reader = try TraceReader(bytes)
        try reader.readAll()
        self = reader.recording
    }

    /// Reads what a trace file holds before its first damage.
    ///
    /// - Returns: What was read, and the damage; `nil` if there is none.
    /// - Throws: An error if not even the beginning is that of a trace.
    package static func recovering(
        traceBytes bytes: [UInt8]
    ) throws(TraceFileError) -> (recording: Recording, damage: TraceFileError?) {
        var reader = try TraceReader(bytes)
        do throws(TraceFileError) {
            try reader.readAll()
        } catch {
            return (reader.recording, error)
        }
        return (reader.recording, nil)
    }

    /// Whether bytes begin as a trace file does.
    package static func isTrace(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.starts(with: TraceFormat.magic)
    }
}

/// Reads a trace file block by block; the format is in `TraceFile.swift`.
private struct TraceReader {
    private let bytes: [UInt8]
    private var position = TraceFormat.headerLength
    private var reader = StepReader(ByteReader([], texts: []))
    private var hasHead = false
    private(set) var recording = Recording(command: "", source: "")

    private static let recovery =
        "Record it again, or read what stands before the damage with --recover."

    init(_ bytes: [UInt8]) throws(TraceFileError) {
        self.bytes = bytes
        guard Recording.isTrace(bytes) else {
            throw TraceFileError(
                kind: .notATrace, offset: 0, message: "this is no trace file",
                remedy: "Text from strace, perf script or lackey must be imported first.")
        }
        guard bytes.count >= TraceFormat.headerLength else {
            throw TraceFileError(
                kind: .torn, offset: bytes.count, message: "the file ends in its header",
                remedy: "Nothing of it can be read: record it again.")
        }
        let checksum = TraceFormat.number(bytes[12..<16], as: UInt32.self)
        guard CRC32C.checksum(bytes[0..<12]) == checksum else {
            throw TraceFileError(
                kind: .corrupt, offset: 0, message: "the header is damaged",
                remedy: "Nothing of it can be trusted: record it again.")
        }
        let version = TraceFormat.number(bytes[8..<10], as: UInt16.self)
        guard version == TraceFormat.version else {
            throw TraceFileError(
                kind: .version(version), offset: 8,
                message: "version \(version) of the format is not known here, only "
                    + "\(TraceFormat.version)",
                remedy: "Read it with the Mooring that wrote it, or a newer one.")
        }
    }

    /// Reads to the end, or throws at the first damage with `recording` as far as it came.
    mutating func readAll() throws(TraceFileError) {
        while true {
            let start = position
            let (kind, contents) = try block()
            reader.input = ByteReader(contents, texts: reader.input.texts)
            do throws(ByteReader.Failure) {
                let isEnd = try read(kind, startingAt: start)
                guard reader.input.remaining == 0 else {
                    throw ByteReader.Failure(reason: "it holds more than it announces")
                }
                guard !isEnd else { break }
            } catch {
                throw TraceFileError(
                    kind: .malformed, offset: start,
                    message: "the block that begins here makes no sense: \(error.reason)",
                    remedy: "Its checksum is right, so it was written so. " + Self.recovery)
            }
        }
        guard position == bytes.count else {
            throw TraceFileError(
                kind: .malformed, offset: position,
                message: "\(bytes.count - position) bytes follow the end of the recording",
                remedy: "Cut the file at this byte if it was appended to by mistake.")
        }
    }

    private mutating func block() throws(TraceFileError) -> (UInt8, ArraySlice<UInt8>) {
        let start = position
        let contents = start + TraceFormat.blockHeaderLength
        func torn() -> TraceFileError {
            TraceFileError(
                kind: .torn, offset: start,
                message: "the file ends before the recording does; what begins here is missing",
                remedy: Self.recovery)
        }
        guard contents <= bytes.count else { throw torn() }
        let length = Int(TraceFormat.number(bytes[start + 1..<start + 5], as: UInt32.self))
        guard length <= bytes.count - contents else { throw torn() }
        let end = contents + length
        let checksum = CRC32C.checksum(
            bytes[contents..<end], after: CRC32C.checksum(bytes[start..<start + 5]))
        guard checksum == TraceFormat.number(bytes[start + 5..<start + 9], as: UInt32.self) else {
            throw TraceFileError(
                kind: .corrupt, offset: start,
                message: "the block that begins here is damaged: its checksum is wrong",
                remedy: Self.recovery)
        }
        position = end
        return (bytes[start], bytes[contents..<end])
    }

    /// Reads the contents of a block.
    ///
    /// - Returns: Whether it was the end mark.
    private mutating func read(
        _ kind: UInt8, startingAt start: Int
    ) throws(ByteReader.Failure) -> Bool {
        let block = TraceFormat.Block(rawValue: kind)
        guard hasHead || block == .head else {
            throw ByteReader.Failure(reason: "the head is missing")
        }
        switch block {
        case .head:
            guard !hasHead else { throw ByteReader.Failure(reason: "there are two heads") }
            hasHead = true
            recording.command = try reader.input.text()
            recording.source = try reader.input.text()
        case .steps:
            for _ in 0..<(try reader.input.count()) {
                recording.steps.append(try reader.step())
            }
        case .processes:
            for _ in 0..<(try reader.input.count()) {
                let process = ProcessID(rawValue: try reader.input.signed32())
                let image = Int(try reader.input.number(as: Int32.self))
                var recorded = RecordedProcess(
                    process: process, image: image, name: try reader.input.text())
                let known = try reader.input.byte()
                guard known < 4 else {
                    throw ByteReader.Failure(reason: "a process has unknown figures")
                }
                if known & 1 != 0 { recorded.peakResident = try reader.input.number() }
                if known & 2 != 0 {
                    let anonymous = try reader.input.number()
                    let file = try reader.input.number()
                    recorded.lastResident = ResidentFigures(
                        anonymous: anonymous, file: file,
                        sharedMemory: try reader.input.number())
                }
                recording.processes.append(recorded)
            }
        case .end:
            let (steps, processes) = (try reader.input.number(), try reader.input.number())
            guard steps == UInt64(recording.steps.count),
                processes == UInt64(recording.processes.count)
            else {
                throw ByteReader.Failure(reason: "the file has lost or gained blocks")
            }
            return true
        case nil:
            guard kind >= 128 else {
                throw ByteReader.Failure(reason: "a newer Mooring wrote it, of kind \(kind)")
            }
            _ = try reader.input.raw(reader.input.remaining)
        }
        return false
    }
}
