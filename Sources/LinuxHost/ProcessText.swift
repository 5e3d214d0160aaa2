// SPDX-License-Identifier: Apache-2.0
//
// A helper's views of itself, without the helper: what a process would show that had done the
// same work and nothing else.
//
// The first helper does no work, so whatever its views show is a helper's own: `HelperFootprint`.
// Areas are left out by address, figures are subtracted. What stays inexact is said at
// `HelperFootprint.removed(fromStatus:)`.

/// What an idle helper shows in its views.
struct HelperFootprint {
    /// Areas, the kernel's vsyscall page included.
    private let areas: [Range<UInt64>]
    /// Figures of status, in kB.
    private let status: [Substring: UInt64]
    /// The seven figures of statm, in pages.
    private let statm: [UInt64]

    /// Takes the views of an idle helper.
    init(maps: String, status: String, statm: String) {
        areas = maps.split(separator: "\n").compactMap { areaRange(of: $0) }
        var figures: [Substring: UInt64] = [:]
        for line in status.split(separator: "\n") {
            guard let figure = Figure(line) else { continue }
            figures[figure.name] = figure.kilobytes
        }
        // A helper unmapped the kernel's first stack; its children never had it.
        figures["VmPeak"] = figures["VmSize"]
        figures["VmHWM"] = figures["VmRSS"]
        self.status = figures
        self.statm = statm.split { $0 == " " || $0 == "\n" }.compactMap { UInt64($0) }
    }

    /// A figure of status in kB that is a helper's own.
    func own(_ name: Substring) -> UInt64 { status[name] ?? 0 }

    private func owns(_ range: Range<UInt64>) -> Bool { areas.contains { $0.overlaps(range) } }

    /// maps or smaps without the helper's areas.
    ///
    /// Random work asks for it after each operation, so it makes no string of a line.
    func removed(fromAreas text: String) -> String {
        var text = text
        return text.withUTF8 { bytes in
            String(unsafeUninitializedCapacity: bytes.count) { kept in
                var count = 0
                var start = 0
                while start < bytes.count {
                    let end = paragraphEnd(of: bytes, from: start)
                    let paragraph = UnsafeBufferPointer(rebasing: bytes[start..<end])
                    if areaRange(at: paragraph).map(owns) != true {
                        _ = UnsafeMutableBufferPointer(rebasing: kept[count...])
                            .initialize(from: paragraph)
                        count += paragraph.count
                    }
                    start = end
                }
                return count
            }
        }
    }

    /// Where the paragraph ends that begins at `start`: a line of maps, and those of figures that
    /// follow in smaps, whose names begin with capitals.
    private func paragraphEnd(of bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var at = start
        repeat {
            at = bytes[at...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.count
        } while at < bytes.count && (0x41...0x5A).contains(bytes[at])
        return at
    }

    /// smaps_rollup without the helper's areas, given smaps taken with it.
    ///
    /// Pss of the helper's own areas is known to a kB only, so it may be off by one.
    func removed(fromRollup text: String, smaps: String) -> String {
        var own: [Substring: UInt64] = [:]
        var span: Range<UInt64>?
        var isOwn = false
        for line in smaps.split(separator: "\n") {
            if let range = areaRange(of: line) {
                isOwn = owns(range)
                if !isOwn {
                    span = (span?.lowerBound ?? range.lowerBound)..<range.upperBound
                }
            } else if isOwn, let figure = Figure(line) {
                own[figure.name, default: 0] += figure.kilobytes
            }
        }
        var result = ""
        for line in text.split(separator: "\n") {
            if areaRange(of: line) != nil {
                let rest = line.drop { $0 != " " }
                result += hexadecimal(span?.lowerBound ?? 0) + "-"
                result += hexadecimal(span?.upperBound ?? 0) + rest + "\n"
            } else {
                result += subtracting(own, from: line) + "\n"
            }
        }
        return result
    }

    /// status without the helper's memory.
    ///
    /// Exact but for VmPeak after an exec, where the kernel's first stack was part of it.
    func removed(fromStatus text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for line in text.utf8.split(separator: 10) {
            // Those of memory: Vm..., Rss...
            let isOfMemory = line.first == UInt8(ascii: "V") || line.first == UInt8(ascii: "R")
            result += isOfMemory ? subtracting(status, from: Substring(line)) : Substring(line)
            result += "\n"
        }
        return result
    }

    /// statm without the helper's memory.
    func removed(fromStatm text: String) -> String {
        let figures = text.split { $0 == " " || $0 == "\n" }.compactMap { UInt64($0) }
        return zip(figures, statm).map { String($0 - min($0, $1)) }.joined(separator: " ") + "\n"
    }

    private func subtracting(_ own: [Substring: UInt64], from line: Substring) -> Substring {
        guard let figure = Figure(line), let part = own[figure.name], part != 0 else {
            return line
        }
        return figure.line(with: figure.kilobytes - min(figure.kilobytes, part))
    }
}

/// A line of the form `Name:   123 kB`.
private struct Figure {
    let name: Substring
    let kilobytes: UInt64
    private let head: Substring
    /// The width that the number is right-aligned in.
    private let width: Int

    init?(_ line: Substring) {
        let bytes = line.utf8
        guard bytes.last == UInt8(ascii: "B"), bytes.dropLast(2).last == UInt8(ascii: " "),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        let rest = bytes[bytes.index(after: colon)...].dropLast(3)
        let padding = rest.prefix { $0 == UInt8(ascii: "\t") }
        let digits = rest.drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
        guard let value = UInt64(Substring(digits)) else { return nil }
        name = line[..<colon]
        kilobytes = value
        head = line[..<padding.endIndex]
        width = rest.count - padding.count
    }

    /// The same line with another number.
    func line(with value: UInt64) -> Substring {
        let digits = String(value)
        let spaces = String(repeating: " ", count: max(0, width - digits.count))
        return head + spaces + digits + " kB"
    }
}

/// The addresses at the start of a line of maps, or `nil` for a line of another kind.
func areaRange(of line: Substring) -> Range<UInt64>? {
    guard let dash = line.firstIndex(of: "-"), let space = line.firstIndex(of: " "), dash < space,
        let start = UInt64(line[..<dash], radix: 16),
        let end = UInt64(line[line.index(after: dash)..<space], radix: 16), start < end
    else { return nil }
    return start..<end
}

/// The addresses that a line of maps begins with, or `nil` for a line of another kind.
private func areaRange(at line: UnsafeBufferPointer<UInt8>) -> Range<UInt64>? {
    var at = 0
    func number() -> UInt64 {
        var value: UInt64 = 0
        while at < line.count {
            let digit = line[at] &- 0x30
            let letter = line[at] &- 0x61
            guard digit < 10 || letter < 6 else { break }
            value = value << 4 | UInt64(digit < 10 ? digit : letter + 10)
            at += 1
        }
        at += 1
        return value
    }
    let start = number()
    let end = number()
    return start < end ? start..<end : nil
}

/// An address as maps writes it: at least eight digits.
private func hexadecimal(_ address: UInt64) -> String {
    let digits = String(address, radix: 16)
    return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
}
