// SPDX-License-Identifier: Apache-2.0
//
// Valgrind's lackey prints every instruction and every access:
//
//   I  0401ab70,3          an instruction of 3 bytes
//    L 04a1c010,8          a load; S a store, M a load and a store of the same place
//
// The engine cares for pages, so an access to the page that the same kind touched last is
// dropped: instructions, loads and stores are folded each for itself. The order between kinds is
// kept where it remains.
//
// No line says what is mapped. The recording begins with a mapping for every run of pages that
// the program touches anywhere, at its own address.

import Mooring

/// Reads the output of `valgrind --tool=lackey --trace-mem=yes`.
struct LackeyImporter: TextImporter {
    /// What its recordings name as their source.
    static let source = "valgrind lackey"
    private static let process = ProcessID(rawValue: 1)
    /// Past the last page that a program can map.
    private static let addressLimit: UInt64 = 0x7FFF_FFFF_F000

    private var command = "lackey"
    private var notes = ImportNotes()
    private var accesses: [Step] = []
    /// The page that each kind of access touched last.
    private var last: [UInt64?] = AccessKind.allCases.map { _ in nil }
    /// The kinds of access to each page, a bit each.
    private var touched: [UInt64: UInt8] = [:]

    static func isAccess(_ line: ArraySlice<UInt8>) -> Bool { kind(of: line) != nil }

    /// What a line is by its first three characters; the address follows them.
    private static func kind(of line: ArraySlice<UInt8>) -> AccessKind? {
        guard line.count > 3 else { return nil }
        let start = line.startIndex
        switch (line[start], line[start + 1], line[start + 2]) {
        case (UInt8(ascii: "I"), 0x20, 0x20): return .execute
        case (0x20, UInt8(ascii: "L"), 0x20): return .read
        case (0x20, UInt8(ascii: "S"), 0x20), (0x20, UInt8(ascii: "M"), 0x20): return .write
        default: return nil
        }
    }

    mutating func take(_ line: ArraySlice<UInt8>, number: Int) throws(ImportError) {
        guard let kind = Self.kind(of: line) else {
            message(line, number)
            return
        }
        guard let (address, size) = Self.place(line.dropFirst(3)) else {
            throw ImportError(
                line: number, text: line,
                message: "this is no access: an address and a size should follow the letter",
                remedy: "Keep the program's own output apart with --log-file=FILE; if the file "
                    + "was cut, remove its last line.")
        }
        let (end, overflow) = address.addingReportingOverflow(size - 1)
        guard !overflow, end < Self.addressLimit else {
            notes.add("accesses outside of what a program can map, left out", line: number)
            return
        }
        let (first, final) = (address >> pageShift, end >> pageShift)
        touch(first, kind)
        if final != first { touch(final, kind) }
    }

    /// The address and size of an access.
    private static func place(_ text: ArraySlice<UInt8>) -> (address: UInt64, size: UInt64)? {
        var address: UInt64 = 0
        var position = text.startIndex
        var digits = 0
        while position < text.endIndex, let digit = hexDigit(text[position]) {
            address = address << 4 | digit
            digits += 1
            position += 1
        }
        guard digits > 0, digits <= 16, position < text.endIndex,
            text[position] == UInt8(ascii: ",")
        else { return nil }
        let size = text[(position + 1)...]
        guard !size.isEmpty, size.count <= 4, size.allSatisfy(Lexer.isDigit) else { return nil }
        return (address, max(1, size.reduce(0) { $0 * 10 + UInt64($1 & 15) }))
    }

    private static func hexDigit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte & 15)
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
            UInt64(byte & 15) + 9
        default: nil
        }
    }

    private mutating func touch(_ page: UInt64, _ kind: AccessKind) {
        guard last[Int(kind.rawValue)] != page else { return }
        last[Int(kind.rawValue)] = page
        touched[page, default: 0] |= 1 << kind.rawValue
        accesses.append(
            Step(
                thread: Self.process.rawValue,
                Operation(
                    Self.process,
                    .access(.absolute(address: page << pageShift, length: 1), kind))))
    }

    /// Takes a line that is no access.
    private mutating func message(_ line: ArraySlice<UInt8>, _ number: Int) {
        let text = String(decoding: line, as: UTF8.self)
        guard text.hasPrefix("==") || text.hasPrefix("--") || text.hasPrefix("**") else {
            if !text.isEmpty { notes.add("lines that lackey did not write", line: number) }
            return
        }
        if let colon = text.firstRange(of: "== Command: ") {
            command = String(text[colon.upperBound...])
        }
    }

    mutating func finish() throws(ImportError) -> Imported {
        guard !accesses.isEmpty else {
            throw ImportError(
                line: 0, text: [], message: "the text holds no access",
                remedy: "Run valgrind with --tool=lackey --trace-mem=yes.")
        }
        var recording = Recording(command: command, source: LackeyImporter.source)
        recording.steps = [Step(thread: 1, Operation(Self.process, .spawn))]
        recording.steps += mappings()
        recording.steps += accesses
        recording.steps.append(Step(thread: 1, Operation(Self.process, .exit)))
        let name = command.split(separator: " ").first?.split(separator: "/").last ?? "lackey"
        recording.processes = [RecordedProcess(process: Self.process, image: 0, name: String(name))]
        return Imported(recording: recording, notes: notes.sorted)
    }

    /// A mapping for each run of touched pages.
    private func mappings() -> [Step] {
        var runs: [(first: UInt64, end: UInt64, kinds: UInt8)] = []
        for (page, kinds) in touched.sorted(by: { $0.key < $1.key }) {
            if let run = runs.last, run.end == page {
                runs[runs.count - 1].end += 1
                runs[runs.count - 1].kinds |= kinds
            } else {
                runs.append((page, page + 1, kinds))
            }
        }
        return runs.map { run in
            var protection: Protection = .read
            if run.kinds & 1 << AccessKind.write.rawValue != 0 { protection.insert(.write) }
            if run.kinds & 1 << AccessKind.execute.rawValue != 0 { protection.insert(.execute) }
            return Step(
                thread: 1,
                Operation(
                    Self.process,
                    .mmap(
                        address: .absolute(run.first << pageShift),
                        length: (run.end - run.first) << pageShift, protection: protection,
                        flags: [.private, .anonymous, .fixed], file: nil, offset: 0)),
                recorded: .value(run.first << pageShift))
        }
    }
}
