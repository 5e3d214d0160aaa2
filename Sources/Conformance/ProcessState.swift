// SPDX-License-Identifier: Apache-2.0
//
// What a process looks like from outside, in a form in which two systems can be compared: its
// areas with their flags and figures, its counters, and what pagemap says of each page.
//
// LINUX   Left out is what a system may choose or round: names and inodes, Pss, what is
//         referenced or dirty (the kernel learns it late, from the processor), what is lazily
//         freed (the kernel does it in batches), page tables (which tables a fault makes that ends
//         in a signal), and frame numbers.

import Mooring
import Workloads

/// What a process looks like at one moment.
package struct ProcessState: Equatable {
    /// A line of a view, or a page, that one system shows and another does not.
    package struct Mismatch: Equatable, CustomStringConvertible {
        package var subject: String
        /// The name of the field; `area` for the line of maps, `page` for a page.
        package var kind: String
        package var values: [String]

        package var description: String {
            "\(subject): " + values.joined(separator: " / ")
        }
    }

    private var lines: [Substring]
    private var pages: [Page]

    private struct Page: Equatable {
        var address: UInt64
        var entry: UInt64
    }

    /// The fields of status and of smaps that have to be the same.
    private static let fields: Set<Substring> = [
        "VmSize", "VmLck", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib",
        "VmSwap",
        "Rss", "Anonymous", "Swap", "Locked", "VmFlags",
    ]

    /// Looks at a process.
    package init(of process: ProcessID, on system: any MemorySystem) throws {
        lines = []
        pages = []
        Self.add(try system.text(.status, of: process), to: &lines)
        let smaps = try system.text(.smaps, of: process)
        Self.add(smaps, to: &lines)
        for area in smaps.split(separator: "\n").compactMap(Self.range) {
            // LINUX: only what can be private or shared page by page is worth asking for.
            let count = min(Int((area.upperBound - area.lowerBound) >> pageShift), 4096)
            let entries = try system.pagemap(
                of: process, address: area.lowerBound, pages: count)
            for (index, entry) in entries.enumerated() where entry & Self.bits != 0 {
                pages.append(
                    Page(
                        address: area.lowerBound + UInt64(index) << pageShift,
                        entry: entry & Self.bits))
            }
        }
    }

    /// Present, swapped, of a file or shared, guard, and mapped once.
    private static let bits: UInt64 = 1 << 63 | 1 << 62 | 1 << 61 | 1 << 58 | 1 << 56

    private static func add(_ text: String, to lines: inout [Substring]) {
        for line in text.split(separator: "\n") {
            if range(line) != nil {
                // The addresses, the rights and the offset.
                let columns = line.split(separator: " ", maxSplits: 3)
                lines.append(Substring(columns.prefix(3).joined(separator: " ")))
            } else if let colon = line.firstIndex(of: ":"), fields.contains(line[..<colon]) {
                let words = line.split { $0 == " " || $0 == "\t" }
                lines.append(Substring(words.joined(separator: " ")))
            }
        }
    }

    private static func range(_ line: Substring) -> Range<UInt64>? {
        guard let first = line.utf8.first, first < 0x3A || first > 0x60,
            let dash = line.firstIndex(of: "-"), let space = line.firstIndex(of: " "),
            dash < space, let start = UInt64(line[..<dash], radix: 16),
            let end = UInt64(line[line.index(after: dash)..<space], radix: 16)
        else { return nil }
        return start..<end
    }

    /// The first thing that differs; `nil` if nothing does.
    package func firstMismatch(with other: ProcessState) -> Mismatch? {
        if let index = Self.firstDifference(lines, other.lines) {
            let subject =
                lines.prefix(index + 1).last { Self.range($0) != nil }.map { "area \($0)" }
                ?? "status"
            let line = index < lines.count ? lines[index] : other.lines[index]
            return Mismatch(
                subject: subject,
                kind: Self.range(line) != nil ? "area" : String(line.prefix { $0 != ":" }),
                values: [lines, other.lines].map {
                    $0.indices.contains(index) ? String($0[index]) : "nothing"
                })
        }
        guard let index = Self.firstDifference(pages, other.pages) else { return nil }
        let both = [pages, other.pages].map { $0.indices.contains(index) ? $0[index] : nil }
        let address = both.compactMap { $0?.address }.min() ?? 0
        return Mismatch(
            subject: "page 0x" + String(address, radix: 16), kind: "page",
            values: both.map { $0.map { $0.address == address ? Self.text($0.entry) : nil } ?? nil }
                .map { $0 ?? "absent" })
    }

    private static func firstDifference<Element: Equatable>(
        _ one: [Element], _ other: [Element]
    ) -> Int? {
        for index in 0..<min(one.count, other.count) where one[index] != other[index] {
            return index
        }
        return one.count == other.count ? nil : min(one.count, other.count)
    }

    private static func text(_ entry: UInt64) -> String {
        let names: [(UInt64, String)] = [
            (63, "present"), (62, "swapped"), (61, "file"), (58, "guard"), (56, "exclusive"),
        ]
        return names.filter { entry >> $0.0 & 1 == 1 }.map(\.1).joined(separator: " ")
    }
}
