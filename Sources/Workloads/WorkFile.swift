// SPDX-License-Identifier: Apache-2.0
//
// Where files are read and written: everything else in this module works on bytes.

import Foundation

/// Why a file could not be read or written.
package struct FileFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}

/// Work as it lies in files.
package enum WorkFile {
    private static let chunkLength = 1 << 20

    /// What a file's beginning shows it to be.
    package enum Kind: Hashable, Sendable {
        case trace
        case text(ImportFormat)
        /// None of the above: a scenario, if anything.
        case scenario
    }

    /// What a file's beginning shows it to be.
    package static func kind(of path: String) throws(FileFailure) -> Kind {
        let file = try open(path)
        let beginning = try read(file, path, upTo: 16 << 10)
        // A recording that was torn or damaged at its very beginning is still one.
        if Recording.isTrace(beginning) || path.hasSuffix(".mooring") { return .trace }
        return ImportFormat.detect(beginning).map { .text($0) } ?? .scenario
    }

    /// Reads a trace, a scenario, or another tool's text, whichever the file is.
    ///
    /// - Parameter path: The file.
    /// - Returns: The work, and what importing it left out or guessed.
    /// - Throws: ``FileFailure``, ``TraceFileError``, ``ScenarioError`` or ``ImportError``.
    package static func load(_ path: String) throws -> (work: Workload, notes: [ImportNote]) {
        switch try kind(of: path) {
        case .trace: return (.recording(try Recording(traceBytes: bytes(of: path))), [])
        case .scenario:
            return (.scenario(try Scenario(parsing: try text(of: path))), [])
        case .text(let format):
            let imported = try importText(path, as: format)
            return (.recording(imported.recording), imported.notes)
        }
    }

    /// Reads another tool's text.
    package static func importText(_ path: String, as format: ImportFormat) throws -> Imported {
        let file = try open(path)
        var stream = ImportStream(format.makeImporter())
        while true {
            let chunk = try read(file, path, upTo: chunkLength)
            if chunk.isEmpty { return try stream.finish() }
            try stream.feed(chunk)
        }
    }

    /// A scenario's text, without the mark of byte order that some editors put first.
    private static func text(of path: String) throws(FileFailure) -> String {
        guard let text = String(validating: try bytes(of: path), as: UTF8.self),
            !text.unicodeScalars.contains("\0")
        else {
            throw FileFailure(
                description: "\(path) is neither a trace nor text. Name a recording (.mooring), a "
                    + "scenario in UTF-8, or a text of perf script, strace -f or Valgrind lackey.")
        }
        return text.first == "\u{FEFF}" ? String(text.dropFirst()) : text
    }

    /// All of a file.
    package static func bytes(of path: String) throws(FileFailure) -> [UInt8] {
        let file = try open(path)
        var bytes: [UInt8] = []
        while true {
            let chunk = try read(file, path, upTo: chunkLength)
            if chunk.isEmpty { return bytes }
            bytes += chunk
        }
    }

    /// Refuses a path that no file can be written to, as far as can be told without writing.
    package static func requireWritable(_ path: String) throws(FileFailure) {
        guard !path.isEmpty else {
            throw FileFailure(description: "a file without a name cannot be written. Name one.")
        }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
        {
            throw FileFailure(
                description: "\(path) is a directory. Name a file in it, as in "
                    + "\(URL(fileURLWithPath: path).appendingPathComponent("NAME").path).")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard FileManager.default.fileExists(atPath: folder) else {
            throw FileFailure(
                description: "\(path) cannot be written: there is no directory \(folder). Make it, "
                    + "or name another.")
        }
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw FileFailure(
                description: "\(path) cannot be written: no permission to write in \(folder). Name "
                    + "another.")
        }
    }

    /// Writes a file, whole or not at all.
    package static func write(_ bytes: [UInt8], to path: String) throws(FileFailure) {
        try requireWritable(path)
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw FileFailure(description: "\(path) cannot be written: \(reason(error))")
        }
    }

    private static func open(_ path: String) throws(FileFailure) -> FileHandle {
        do {
            return try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        } catch {
            throw FileFailure(description: "\(path) cannot be opened: \(reason(error))")
        }
    }

    private static func read(
        _ file: FileHandle, _ path: String, upTo count: Int
    ) throws(FileFailure) -> [UInt8] {
        do {
            return Array(try file.read(upToCount: count) ?? Data())
        } catch {
            throw FileFailure(description: "\(path) cannot be read: \(reason(error))")
        }
    }

    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
        guard underlying.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
        return String(cString: strerror(Int32(underlying.code)))
    }
}
