// SPDX-License-Identifier: Apache-2.0
//
// Physical memory as a grid: a cell a pageblock (or a few neighbours), coloured by who holds most
// of what is used in it, filled from below as far as it is used. Rows that are free from end to
// end are drawn as one, so that a machine of a terabyte shows what is used of it as closely as one
// of a gigabyte.

import Mooring
import Workloads

/// Physical memory as a picture.
struct PageblockGrid {
    /// A row of cells, or many free ones as one.
    private enum Row {
        case cells(row: Int)
        case free(rows: Range<Int>)
    }

    /// How many rows are drawn at most, about.
    private static let rowLimit = 32
    /// How many free rows are drawn as such.
    private static let freeRowLimit = 3

    private let map: PhysicalMap
    private let columns: Int
    private let size: Double
    /// Rows with the place of their upper edge.
    private let rows: [(row: Row, top: Double)]
    private let height: Double
    private let left = 100.0

    init(_ map: PhysicalMap) {
        // A row is a power of two of cells, so that each begins at a round address.
        let columns = map.cells.count > 256 ? 64 : map.cells.count > 64 ? 32 : 16
        var factor = 1
        var isFree = PageblockGrid.freeRows(map, length: columns)
        var rows = PageblockGrid.rows(isFree)
        while rows.count > PageblockGrid.rowLimit, isFree.count > PageblockGrid.rowLimit {
            factor *= 2
            isFree = PageblockGrid.freeRows(map, length: columns * factor)
            rows = PageblockGrid.rows(isFree)
        }
        self.map = map.folded(to: (map.cells.count + factor - 1) / factor)
        self.columns = columns
        size = columns == 64 ? 15 : 24
        var top = 6.0
        var placed: [(Row, Double)] = []
        for row in rows {
            placed.append((row, top))
            if case .cells = row { top += size } else { top += 26 }
        }
        self.rows = placed.map { (row: $0.0, top: $0.1) }
        height = top + 6
    }

    /// Of each row, whether all of it is free.
    private static func freeRows(_ map: PhysicalMap, length: Int) -> [Bool] {
        stride(from: 0, to: map.cells.count, by: length).map { start in
            map.cells[start..<min(start + length, map.cells.count)]
                .allSatisfy { $0.owner == .free }
        }
    }

    /// The rows that are drawn.
    private static func rows(_ isFree: [Bool]) -> [Row] {
        var rows: [Row] = []
        var row = 0
        while row < isFree.count {
            var end = row
            while end < isFree.count, isFree[end] { end += 1 }
            if end - row > freeRowLimit {
                rows.append(.free(rows: row..<end))
                row = end
            } else {
                // The last row is a part of one as a rule, and is drawn as it is.
                for drawn in row...min(end, isFree.count - 1) { rows.append(.cells(row: drawn)) }
                row = end + 1
            }
        }
        return rows
    }

    var markup: Markup {
        guard !map.cells.isEmpty else {
            return "<p class=\"empty\">The machine has no memory to show.</p>\n"
        }
        let width = left + Double(columns) * size + 4
        var svg: Markup = """
            <div class="scroll"><svg id="pageblocks" class="blocks" \
            style="max-width:\(width)px" viewBox="0 0 \(width) \(height)" role="img" \
            aria-label="Physical memory by pageblock and owner" data-left="\(left)" \
            data-size="\(size)" data-columns="\(columns)" data-step="\(String(cellBytes))" \
            data-rows="\(places)" data-cells="\(letters)">

            """
        svg += labels
        for owner in FrameHolder.allCases { svg += cells(of: owner) }
        svg += "</svg></div>\n"
        let scale =
            "A cell is \(Figures.bytes(cellBytes))"
            + (map.pageblocksPerCell > 1
                ? " (\(Figures.count(map.pageblocksPerCell)) pageblocks)" : " (one pageblock)")
            + "; it is filled as far as its frames are in use."
        return legend.markup + svg
            + "<p class=\"note\">\(scale) <output id=\"pageblock\"></output></p>\n"
    }

    private var cellBytes: UInt64 {
        UInt64(map.pageblocksPerCell) * PhysicalMap.pageblockBytes
    }

    private var legend: Legend {
        Legend(
            entries: map.tallies.map { tally in
                let blocks = Figures.count(tally.pageblocks, "pageblock")
                return Legend.Entry(
                    style: "o-\(tally.owner.name)", label: tally.owner.label,
                    figure: "\(Figures.bytes(tally.bytes)), \(blocks)")
            })
    }

    // MARK: Parts

    /// The cells that a row has.
    private func range(_ row: Int) -> Range<Int> {
        row * columns..<min((row + 1) * columns, map.cells.count)
    }

    /// The rows of cells that are drawn, for the script: number and upper edge of each.
    private var places: String {
        rows.compactMap { row, top in
            guard case .cells(let number) = row else { return nil }
            return "\(number):\(coordinate(top))"
        }.joined(separator: " ")
    }

    /// The cells that are drawn, for the script.
    private var letters: String {
        var drawn: [PageblockCell] = []
        for case (.cells(let row), _) in rows { drawn += map.cells[range(row)] }
        return PhysicalMap(
            cells: drawn, pageblocksPerCell: 1, pageblocks: drawn.count, tallies: []
        ).letters
    }

    /// Addresses at the left, and how much lies where nothing is drawn.
    private var labels: Markup {
        var svg: Markup = "<g class=\"axis\">"
        var next = 0.0
        for (row, top) in rows {
            switch row {
            case .cells(let row):
                // An address that is not round is as well left out, if others say where we are.
                guard top >= next else { continue }
                let address = UInt64(row * columns) * cellBytes
                svg += .label(
                    Figures.exactBytes(address), x: left - 10, y: top + size / 2 + 3, "end")
                next = top + 4 * size - 1
            case .free(let rows):
                let cells = min(rows.upperBound * columns, map.cells.count)
                let free = UInt64(cells - rows.lowerBound * columns) * cellBytes
                let middle = left + Double(columns) * size / 2
                let label = "\(Figures.bytes(free)) free"
                let half = Double(label.count) * 3.4 + 10
                let line = top + 13
                svg += """
                    <path class="skip" d="M\(left) \(line)H\(middle - half)M\(middle + half) \
                    \(line)H\(left + Double(columns) * size)"/>
                    """
                svg += .label(label, x: middle, y: line + 4, "mid")
                next = 0
            }
        }
        return svg + "</g>\n"
    }

    /// All cells of an owner as two paths: the cells, and how far they are full.
    private func cells(of owner: FrameHolder) -> Markup {
        let side = size - (size > 20 ? 2 : 1.5)
        let edge = coordinate(side)
        var back = ""
        var fill = ""
        for case (.cells(let row), let top) in rows {
            for (column, index) in range(row).enumerated() where map.cells[index].owner == owner {
                let x = coordinate(left + Double(column) * size)
                back += "M\(x) \(coordinate(top))h\(edge)v\(edge)h-\(edge)z"
                guard owner != .free, map.cells[index].fullness > 0 else { continue }
                // What is there at all is seen.
                let height = coordinate(max(2, min(1, map.cells[index].fullness) * side))
                fill += "M\(x) \(coordinate(top + side))h\(edge)v-\(height)h-\(edge)z"
            }
        }
        guard !back.isEmpty else { return "" }
        let name = owner.name
        var svg: Markup = "<path class=\"back o-\(name)\" d=\"\(back)\"/>"
        if !fill.isEmpty {
            svg += "<path class=\"o-\(name)\" d=\"\(fill)\"/>"
            if owner == .locked { svg += "<path class=\"hatched\" d=\"\(fill)\"/>" }
        }
        return svg + "\n"
    }
}

extension FrameHolder {
    /// What a legend calls it.
    var label: String {
        switch self {
        case .free: "free"
        case .anonymous: "anonymous"
        case .file: "files"
        case .sharedMemory: "shared memory"
        case .locked: "locked"
        case .pageTables: "page tables"
        case .other: "reserved and other"
        }
    }
}
