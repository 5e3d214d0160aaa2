// SPDX-License-Identifier: Apache-2.0
//
// Physical memory as a grid: a cell a pageblock (or a few neighbours), coloured by who holds most
// of what is used in it, filled from below as far as it is used.

import Workloads

/// Physical memory as a picture.
struct PageblockGrid {
    /// How many cells there are at most.
    static let cellLimit = 2048

    private let map: PhysicalMap
    private let columns: Int
    private let size: Double
    private let left = 84.0
    private let top = 6.0

    init(_ map: PhysicalMap) {
        self.map = map.folded(to: PageblockGrid.cellLimit)
        // A row is a power of two of cells, so that each begins at a round address.
        columns = self.map.cells.count > 256 ? 64 : self.map.cells.count > 64 ? 32 : 16
        size = columns == 64 ? 15 : 24
    }

    var markup: Markup {
        guard !map.cells.isEmpty else {
            return "<p class=\"empty\">The machine has no memory to show.</p>\n"
        }
        let rows = (map.cells.count + columns - 1) / columns
        let width = left + Double(columns) * size + 4
        let height = top + Double(rows) * size + 6
        var svg: Markup = """
            <div class="scroll"><svg id="pageblocks" class="blocks" \
            style="max-width:\(width)px" viewBox="0 0 \(width) \(height)" role="img" \
            aria-label="Physical memory by pageblock and owner" data-left="\(left)" \
            data-top="\(top)" data-size="\(size)" data-columns="\(columns)" \
            data-step="\(String(cellBytes))" data-cells="\(map.letters)">

            """
        svg += addresses(rows: rows)
        for owner in FrameOwner.allCases { svg += cells(of: owner) }
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
                    style: "o-\(tally.owner.rawValue)", label: tally.owner.label,
                    figure: "\(Figures.bytes(tally.bytes)), \(blocks)")
            })
    }

    private func addresses(rows: Int) -> Markup {
        var svg: Markup = "<g class=\"axis\">"
        // Labels need twelve pixels, and a round step.
        let every = rows > 16 ? 4 : rows > 8 ? 2 : 1
        for row in stride(from: 0, to: rows, by: every) {
            let address = UInt64(row * columns) * cellBytes
            let height = top + (Double(row) + 0.5) * size + 4
            svg += "<text x=\"\(left - 10)\" y=\"\(height)\" class=\"end\">"
            svg += "\(address == 0 ? "0" : Figures.bytes(address))</text>"
        }
        return svg + "</g>\n"
    }

    /// All cells of an owner as two paths: the cells, and how far they are full.
    private func cells(of owner: FrameOwner) -> Markup {
        let side = size - (size > 20 ? 2 : 1.5)
        var back = ""
        var fill = ""
        for (index, cell) in map.cells.enumerated() where cell.owner == owner {
            let x = coordinate(left + Double(index % columns) * size)
            let y = top + Double(index / columns) * size
            let edge = coordinate(side)
            back += "M\(x) \(coordinate(y))h\(edge)v\(edge)h-\(edge)z"
            guard owner != .free, cell.fullness > 0 else { continue }
            // What is there at all is seen.
            let height = max(2, min(1, cell.fullness) * side)
            fill += "M\(x) \(coordinate(y + side))h\(edge)v-\(coordinate(height))h-\(edge)z"
        }
        guard !back.isEmpty else { return "" }
        let name = owner.rawValue
        var svg: Markup = "<path class=\"back o-\(name)\" d=\"\(back)\"/>"
        if !fill.isEmpty {
            svg += "<path class=\"o-\(name)\" d=\"\(fill)\"/>"
            if owner == .locked { svg += "<path class=\"hatched\" d=\"\(fill)\"/>" }
        }
        return svg + "\n"
    }
}

extension FrameOwner {
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
