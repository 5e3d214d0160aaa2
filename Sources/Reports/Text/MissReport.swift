// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// Hits and misses of page accesses, for a terminal and for programs.
package struct MissReport {
    private let list: PageList
    private let counts: [MissCount]

    package init(_ counts: [MissCount], of list: PageList) {
        self.counts = counts
        self.list = list
    }

    /// A table with a row for each size and replacement.
    package var text: String {
        var table = Table([
            .right("memory"), .left("makes room"), .right("misses"), .right("miss ratio"),
            .right("refaults", "pages that came back while they belonged to the working set"),
            .right("activated"), .right("scanned"), .right("reclaimed"),
            .right("accesses/s", "on this host"),
        ])
        for count in counts {
            table.add(
                .bytes(count.memory.bytes), Table.Cell(count.replacement.rawValue),
                .count(count.misses),
                Table.Cell(Figures.fixed(count.missRatio, decimals: 4), .strong),
                .count(count.refaults), .count(count.activated), .count(count.scanned),
                .count(count.reclaimed), .count(Int(count.accessesPerSecond)))
        }
        let head =
            Figures.count(list.pages.count, "access", "accesses") + " to "
            + Figures.count(list.distinct, "page")
        return ([head, ""] + table.lines()).joined(separator: "\n") + "\n"
    }

    /// The same as JSON, ending with a line feed.
    package func encoded() throws -> String {
        try indentedJSON(
            Document(
                accesses: list.pages.count, pages: list.distinct, counts: counts.map(Row.init)))
    }

    private struct Document: Encodable {
        let accesses: Int
        let pages: Int
        let counts: [Row]
    }

    private struct Row: Encodable {
        let memoryBytes: UInt64
        let replacement: String
        let hits: Int
        let misses: Int
        let missRatio: Double
        let refaults: Int
        let activated: Int
        let scanned: Int
        let reclaimed: Int
        let accessesPerSecond: Double

        init(_ count: MissCount) {
            memoryBytes = count.memory.bytes
            replacement = count.replacement.rawValue
            hits = count.accesses - count.misses
            misses = count.misses
            missRatio = count.missRatio
            refaults = count.refaults
            activated = count.activated
            scanned = count.scanned
            reclaimed = count.reclaimed
            accessesPerSecond = count.accessesPerSecond
        }
    }
}
