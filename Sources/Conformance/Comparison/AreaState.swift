// SPDX-License-Identifier: Apache-2.0
//
// One area as smaps shows it, as numbers: read from the kernel's text and from the engine's by the
// same reader, so that a comparison of two address spaces is a comparison of two arrays.

import Mooring
import Workloads

/// One area of an address space, as a paragraph of smaps shows it.
package struct AreaState: Equatable, Sendable {
    /// Where an area's pages come from, as far as maps tells.
    package enum Backing: UInt8, Sendable, CaseIterable {
        case anonymous
        /// A memfd, shared anonymous memory or a System V segment.
        case memory
        case disk
    }

    package var start: UInt64
    package var end: UInt64
    /// The offset in the file, in bytes.
    package var offset: UInt64
    /// The four letters of the rights, the first in the lowest byte.
    var rights: UInt32
    package var backing: Backing
    /// A bit a code of VmFlags, in the order of ``codes``.
    var flags: UInt64 = 0
    /// The figures in kilobytes, in the order of ``figureNames``.
    var figures = SIMD32<UInt32>()

    /// The names of the figures that are compared; `THPeligible` is no size but a yes or no.
    static let figureNames: [String] = allFigureNames.filter {
        !KnownDifferences.figures.contains($0)
    }

    private static let allFigureNames: [String] = [
        "Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean",
        "Private_Dirty", "Referenced", "Anonymous", "KSM", "LazyFree", "AnonHugePages",
        "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap",
        "SwapPss", "Locked", "THPeligible",
    ]

    /// The codes of VmFlags that are known; the last bit stands for any other.
    static let codes: [String] = [
        "rd", "wr", "ex", "sh", "mr", "mw", "me", "ms", "gd", "gu", "pf", "lo", "io", "sr", "rr",
        "dc", "de", "lf", "ac", "nr", "ht", "sf", "wf", "dd", "sd", "mm", "hg", "nh", "mg", "dp",
        "sl",
    ]

    /// Whether a code of VmFlags is set.
    package func has(_ code: String) -> Bool {
        Self.codes.firstIndex(of: code).map { flags >> $0 & 1 == 1 } ?? false
    }

    /// The rights as maps writes them.
    package var rightsText: String {
        withUnsafeBytes(of: rights.littleEndian) { String(decoding: $0, as: UTF8.self) }
    }

    /// The codes of VmFlags, those that this reader does not know as `??`.
    var flagsText: String {
        var names = Self.codes.enumerated().filter { flags >> $0.offset & 1 == 1 }.map(\.element)
        if flags >> 63 == 1 { names.append("??") }
        return names.joined(separator: " ")
    }

    /// The area as a line of maps.
    var line: String {
        "\(String(start, radix: 16))-\(String(end, radix: 16)) \(rightsText) "
            + "\(String(offset, radix: 16)) \(backing)"
    }

    /// The area without what its pages change.
    var shape: AreaState {
        var shape = self
        shape.figures = .init()
        shape.flags = 0
        return shape
    }

    /// Rss.
    var residentKilobytes: UInt32 { Self.resident.map { figures[$0] } ?? 0 }

    private static let resident = figureNames.firstIndex(of: "Rss")

    /// Whether a huge page fits.
    var holdsHugePage: Bool {
        let hugePage: UInt64 = 2 << 20
        let first = (start + hugePage - 1) & ~(hugePage - 1)
        return first <= end && end - first >= hugePage
    }

    /// The area as a span of addresses.
    var span: Span { .absolute(address: start, length: end - start) }
}

extension [AreaState] {
    /// Reads the text of smaps.
    init(smaps text: String) {
        self = []
        reserveCapacity(64)
        var text = text
        // The figures come in the same order in each paragraph.
        var next = 0
        text.withUTF8 { bytes in
            forEachLine(of: bytes) { line in
                if line.first.map(isLowercaseHex) == true {
                    if let area = AreaState(mapsLine: line) { append(area) }
                    next = 0
                } else if !isEmpty {
                    self[count - 1].take(line, &next)
                }
            }
        }
    }

    /// The areas that meet a range; `self` is in order of addresses.
    package func overlapping(_ start: UInt64, _ end: UInt64) -> ArraySlice<AreaState> {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].end <= start { low = middle + 1 } else { high = middle }
        }
        var past = low
        while past < count, self[past].start < end { past += 1 }
        return self[low..<past]
    }
}

extension AreaState {
    /// Reads `start-end rights offset device inode name`.
    fileprivate init?(mapsLine line: Line) {
        var reader = NumberReader(line)
        let start = reader.hexadecimal()
        let end = reader.hexadecimal()
        guard start < end, reader.at + 4 < line.count else { return nil }
        var rights: UInt32 = 0
        for index in 0..<4 { rights |= UInt32(line[reader.at + index]) << (8 * index) }
        reader.at += 5
        let offset = reader.hexadecimal()
        let major = reader.hexadecimal()
        let minor = reader.hexadecimal()
        self.init(
            start: start, end: end, offset: offset, rights: rights,
            backing: (major, minor) == (0, 0) ? .anonymous : (major == 0 ? .memory : .disk))
    }

    /// Takes in a line below the first; `next` is the index of the figure that is likely to come.
    fileprivate mutating func take(_ line: Line, _ next: inout Int) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        let name = key(of: line, length: colon)
        if name == flagsKey { return takeFlags(line, from: colon + 1) }
        let isNext = next < figureKeys.count && figureKeys[next] == name
        guard let index = isNext ? next : figureKeys.firstIndex(of: name) else { return }
        figures[index] = UInt32(truncatingIfNeeded: NumberReader(line, colon + 1).decimal())
        next = index + 1
    }

    private mutating func takeFlags(_ line: Line, from start: Int) {
        var at = start
        while at + 1 < line.count {
            guard line[at] != UInt8(ascii: " ") else {
                at += 1
                continue
            }
            let code = UInt16(line[at]) << 8 | UInt16(line[at + 1])
            flags |= 1 << (codeKeys.firstIndex(of: code) ?? 63)
            at += 2
        }
    }
}

// MARK: Reading lines

/// A line without its end.
typealias Line = UnsafeBufferPointer<UInt8>

/// Visits the lines of a text.
func forEachLine(of bytes: UnsafeBufferPointer<UInt8>, _ body: (Line) -> Void) {
    var start = 0
    for index in bytes.indices where bytes[index] == 10 {
        body(Line(rebasing: bytes[start..<index]))
        start = index + 1
    }
}

private func isLowercaseHex(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || byte &- 0x61 < 6
}

/// Reads numbers one after another from a line.
struct NumberReader {
    private let line: Line
    var at: Int

    init(_ line: Line, _ at: Int = 0) {
        self.line = line
        self.at = at
    }

    /// The digits from here on, and past the character behind them.
    mutating func hexadecimal() -> UInt64 {
        var value: UInt64 = 0
        while at < line.count, isLowercaseHex(line[at]) {
            let byte = line[at]
            value = value << 4 | UInt64(byte < 0x3A ? byte - 0x30 : byte - 0x57)
            at += 1
        }
        at += 1
        return value
    }

    /// The digits behind the blanks from here on.
    func decimal() -> UInt64 {
        var value: UInt64 = 0
        var at = self.at
        while at < line.count, line[at] == 0x20 || line[at] == 9 { at += 1 }
        while at < line.count, line[at] &- 0x30 < 10 {
            value = value &* 10 &+ UInt64(line[at] - 0x30)
            at += 1
        }
        return value
    }
}

/// What tells names of fields apart: their length, and their first, middle and last letter.
func key(of line: Line, length: Int) -> UInt32 {
    guard length > 0 else { return 0 }
    return UInt32(length) << 24 | UInt32(line[0]) << 16 | UInt32(line[length / 2]) << 8
        | UInt32(line[length - 1])
}

/// The same of a name.
func key(of name: String) -> UInt32 {
    var name = name
    return name.withUTF8 { key(of: $0, length: $0.count) }
}

private let figureKeys: [UInt32] = AreaState.figureNames.map { key(of: $0) }
private let flagsKey = key(of: "VmFlags")
private let codeKeys: [UInt16] = AreaState.codes.map { code in
    code.utf8.reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
}
