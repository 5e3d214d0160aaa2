// SPDX-License-Identifier: Apache-2.0
//
// What importers of other tools' text have in common. Each reads lines as they come and gives a
// recording at the end: `StraceImporter`, `LackeyImporter`, `PerfScriptImporter`.
//
// Noise (messages of the tool, output of the program in between) is counted and told; a line that
// must mean something and does not is an error.

import Mooring

/// A text that can be imported.
package enum ImportFormat: String, Hashable, Sendable, CaseIterable {
    /// The output of `strace -f`.
    case strace
    /// The output of `valgrind --tool=lackey --trace-mem=yes`.
    case lackey
    /// The output of `perf script`, of the events that `mooring record` records.
    case perfScript = "perf-script"

    /// The format that a text's beginning shows; `nil` if it shows none.
    package static func detect(_ beginning: some Collection<UInt8>) -> ImportFormat? {
        for line in beginning.split(separator: 0x0A).prefix(50) {
            let line = ArraySlice(line)
            if LackeyImporter.isAccess(line) || line.starts(with: Array("==".utf8)) {
                return .lackey
            }
            if PerfScriptReader.looksLikeOne(line) { return .perfScript }
            if StraceLine.looksLikeOne(line) { return .strace }
        }
        return nil
    }

    package func makeImporter() -> any TextImporter {
        switch self {
        case .strace: StraceImporter()
        case .lackey: LackeyImporter()
        case .perfScript: PerfScriptImporter()
        }
    }
}

extension Address {
    /// What a recorded mmap asked for: its hint, or the place that it drew by lot.
    ///
    /// LINUX: with randomisation, as most programs are recorded, each place for MAP_32BIT is drawn
    /// anew. The one that came out is recorded as the hint, which leads there again.
    static func placed(_ hint: UInt64, _ flags: MapFlags, _ result: UInt64?) -> Address {
        .absolute(hint == 0 && flags.contains(.low32Bit) ? result ?? 0 : hint)
    }
}

/// Reads another tool's text line by line.
package protocol TextImporter {
    /// Takes one line, without its end.
    mutating func take(_ line: ArraySlice<UInt8>, number: Int) throws(ImportError)
    /// Ends the text; what it was.
    mutating func finish() throws(ImportError) -> Imported
}

/// What an importer made of a text.
package struct Imported: Sendable {
    package var recording: Recording
    /// What was left out or had to be guessed.
    package var notes: [ImportNote]
}

/// Something an importer left out or guessed, and how often.
package struct ImportNote: Hashable, Sendable, CustomStringConvertible {
    package var reason: String
    package var count: Int
    /// The number of the first line concerned.
    package var firstLine: Int

    package var description: String {
        "\(reason): \(count), the first in line \(firstLine)"
    }
}

/// The notes of an import while it runs, by reason.
struct ImportNotes {
    private var notes: [String: ImportNote] = [:]

    mutating func add(_ reason: String, line: Int) {
        notes[reason, default: ImportNote(reason: reason, count: 0, firstLine: line)].count += 1
    }

    var sorted: [ImportNote] {
        notes.values.sorted { ($0.firstLine, $0.reason) < ($1.firstLine, $1.reason) }
    }
}

/// Why a text could not be imported.
package struct ImportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The number of the line, from 1; 0 if it is about the text as a whole.
    package var line: Int
    /// The line, or its beginning.
    package var text: String
    package var message: String
    /// What to do about it.
    package var remedy: String

    init(line: Int, text: some Collection<UInt8>, message: String, remedy: String) {
        self.line = line
        self.text = String(decoding: text.prefix(200), as: UTF8.self)
        self.message = message
        self.remedy = remedy
    }

    package var description: String {
        (line > 0 ? "line \(line): " : "") + message + (text.isEmpty ? "" : "\n  \(text)")
            + "\n\(remedy)"
    }
}

/// Cuts a stream of bytes into lines for an importer.
package struct ImportStream {
    private var importer: any TextImporter
    /// The beginning of a line whose end has not come yet.
    private var rest: [UInt8] = []
    private var number = 0

    private static let longestLine = 1 << 20

    package init(_ importer: any TextImporter) { self.importer = importer }

    /// Takes more of the text.
    package mutating func feed(_ chunk: [UInt8]) throws(ImportError) {
        var start = chunk.startIndex
        while let end = chunk[start...].firstIndex(of: 0x0A) {
            if rest.isEmpty {
                try take(chunk[start..<end])
            } else {
                rest += chunk[start..<end]
                let line = rest
                rest.removeAll(keepingCapacity: true)
                try take(line[...])
            }
            start = end + 1
        }
        rest += chunk[start...]
        guard rest.count <= Self.longestLine else {
            throw ImportError(
                line: number + 1, text: rest, message: "this line never ends",
                remedy: "Import the text that the tool wrote, not a binary file.")
        }
    }

    /// Ends the text.
    package mutating func finish() throws(ImportError) -> Imported {
        if !rest.isEmpty { try take(rest[...]) }
        guard number > 0 else {
            throw ImportError(
                line: 0, text: [], message: "the text is empty",
                remedy: "Check that the tool wrote it: strace and valgrind write to standard "
                    + "error unless told otherwise.")
        }
        return try importer.finish()
    }

    private mutating func take(_ line: ArraySlice<UInt8>) throws(ImportError) {
        number += 1
        try importer.take(line.last == 0x0D ? line.dropLast() : line, number: number)
    }
}
