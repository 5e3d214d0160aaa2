// SPDX-License-Identifier: Apache-2.0
//
// Reads figures out of the kernel's text formats.

import Mooring

/// One VMA as maps or smaps shows it.
package struct AreaText: Hashable, Sendable {
    package var range: Range<UInt64>
    /// The column of `rwxp`.
    package var permissions: Substring
    package var offset: UInt64
    /// The path, or a name in brackets; empty for anonymous memory.
    package var name: Substring
    /// What follows each field's colon in smaps, without the spaces around it.
    package var fields: [Substring: Substring] = [:]

    /// A field in bytes, where it is a number.
    package func bytes(_ field: String) -> UInt64? {
        fields[field[...]].flatMap(ViewText.quantity)
    }

    /// The two-letter flags of `VmFlags`.
    package var flags: Set<Substring> { Set((fields["VmFlags"] ?? "").split(separator: " ")) }
}

/// Reads the kernel's text formats.
package enum ViewText {
    /// The VMAs of maps or smaps; lines that are neither are passed over.
    package static func areas(_ text: String) -> [AreaText] {
        var areas: [AreaText] = []
        for line in text.split(separator: "\n") {
            if let area = area(line) {
                areas.append(area)
            } else if let (name, value) = field(line), !areas.isEmpty {
                areas[areas.count - 1].fields[name] = value
            }
        }
        return areas
    }

    private static func area(_ line: Substring) -> AreaText? {
        let columns = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard columns.count >= 5, let dash = columns[0].firstIndex(of: "-"),
            let start = UInt64(columns[0][..<dash], radix: 16),
            let end = UInt64(columns[0][columns[0].index(after: dash)...], radix: 16),
            start <= end, let offset = UInt64(columns[2], radix: 16)
        else { return nil }
        return AreaText(
            range: start..<end, permissions: columns[1], offset: offset,
            name: columns.count > 5 ? columns[5].drop { $0 == " " } : "")
    }

    /// The two halves of a line such as `VmLck:      40 kB`.
    private static func field(_ line: Substring) -> (Substring, Substring)? {
        guard let colon = line.firstIndex(of: ":") else { return nil }
        return (line[..<colon], trimmed(line[line.index(after: colon)...]))
    }

    /// What follows the colon of a field of status, smaps_rollup or meminfo.
    package static func field(_ name: String, in text: String) -> Substring? {
        for line in text.split(separator: "\n") {
            if let field = field(line), field.0 == name { return field.1 }
        }
        return nil
    }

    /// The names of the fields of a text, for suggestions.
    static func fields(of text: String) -> [String] {
        text.split(separator: "\n").compactMap { field($0).map { String($0.0) } }
    }

    /// The counters of vmstat.
    package static func counters(_ text: String) -> [String: UInt64] {
        var counters: [String: UInt64] = [:]
        for line in text.split(separator: "\n") {
            let columns = line.split(separator: " ")
            if columns.count == 2 { counters[String(columns[0])] = UInt64(columns[1]) }
        }
        return counters
    }

    /// A number as a view shows it: `40 kB` in bytes, a bare number as it is.
    package static func quantity(_ text: Substring) -> UInt64? {
        guard text.hasSuffix(" kB") else { return UInt64(text) }
        guard let kibibytes = UInt64(trimmed(text.dropLast(3))) else { return nil }
        let (bytes, overflow) = kibibytes.multipliedReportingOverflow(by: 1024)
        return overflow ? nil : bytes
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
