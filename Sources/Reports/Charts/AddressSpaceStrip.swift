// SPDX-License-Identifier: Apache-2.0
//
// An address space from low to high addresses: not to scale (it would be one black line in
// 128 TiB of nothing), but in order, with larger areas higher and gaps marked and named.

import Workloads

/// An address space as a picture.
struct AddressSpaceStrip {
    private static let width = 1040.0
    private static let bar = (left: 138.0, right: 398.0)
    private static let name = 414.0
    private static let rights = 752.0
    /// Right edges of the columns of figures.
    private static let figures = (size: 880.0, resident: 1032.0)

    private let picture: AddressSpacePicture
    private let rows: [AddressSpaceRow]

    init(_ picture: AddressSpacePicture) {
        self.picture = picture
        rows = AddressSpaceRow.rows(picture.areas)
    }

    var markup: Markup {
        guard !rows.isEmpty else {
            return "<p class=\"empty\">Nothing is mapped in it.</p>\n"
        }
        var body: Markup = ""
        var top = 26.0
        var end: UInt64?
        for row in rows {
            if let end, row.start > end {
                body += gap(of: row.start - end, at: top)
                top += AddressSpaceStrip.gapHeight
            }
            let height = AddressSpaceStrip.height(row)
            body += area(row, at: top, height: height)
            top += height
            end = row.end
        }
        let height = top + 22
        var svg: Markup = """
            <div class="scroll"><svg class="strip" \
            viewBox="0 0 \(AddressSpaceStrip.width) \(height)" role="img" \
            aria-label="The address space of \(picture.name)">

            """
        svg += heading
        svg += body
        if let end {
            svg += .label(
                String(end, radix: 16), x: AddressSpaceStrip.bar.left - 8, y: top + 12,
                "end mono quiet")
        }
        return legend.markup + svg + "</svg></div>\n"
    }

    private var legend: Legend {
        let kinds = Set(rows.map(\.kind))
        var entries = AddressSpaceRow.Kind.allCases.filter(kinds.contains).map {
            Legend.Entry(style: "k-\($0.rawValue)", label: $0.label)
        }
        entries.append(Legend.Entry(style: "swatch-half", label: "filled as far as it is resident"))
        if rows.contains(where: { $0.locked > 0 }) {
            entries.append(Legend.Entry(style: "swatch-hatch", label: "locked"))
        }
        return Legend(entries: entries)
    }

    private var heading: Markup {
        let figures = AddressSpaceStrip.figures
        var svg: Markup = "<g class=\"axis\">"
        svg += .label("from", x: AddressSpaceStrip.bar.left - 8, y: 14, "end")
        svg += .label("name", x: AddressSpaceStrip.name, y: 14)
        svg += .label("rights", x: AddressSpaceStrip.rights, y: 14)
        svg += .label("size", x: figures.size, y: 14, "end")
        svg += .label("resident", x: figures.resident, y: 14, "end")
        return svg + "</g>\n"
    }

    // MARK: Rows

    private static let gapHeight = 20.0

    /// From 18 pixels for a few pages to 46 for a gigabyte: a step for each doubling.
    private static func height(_ row: AddressSpaceRow) -> Double {
        let pages = max(1, row.mapped >> 12)
        let doublings = Double(UInt64.bitWidth - 1 - pages.leadingZeroBitCount)
        return 18 + max(0, min(doublings - 4, 14)) * 2
    }

    private func gap(of length: UInt64, at top: Double) -> Markup {
        let bar = AddressSpaceStrip.bar
        let middle = top + AddressSpaceStrip.gapHeight / 2
        let centre = (bar.left + bar.right) / 2
        let label = "\(Figures.bytes(length)) unmapped"
        let half = Double(label.count) * 3.2 + 8
        let lines: Markup = """
            <path d="M\(bar.left) \(middle)H\(centre - half)M\(centre + half) \
            \(middle)H\(bar.right)"/>
            """
        return "<g class=\"gap\">\(lines)\(.label(label, x: centre, y: middle + 4, "mid"))</g>\n"
    }

    private func area(_ row: AddressSpaceRow, at top: Double, height: Double) -> Markup {
        let bar = AddressSpaceStrip.bar
        let full = bar.right - bar.left
        let share = row.mapped > 0 ? min(1, Double(row.resident) / Double(row.mapped)) : 0
        let lockedShare = row.mapped > 0 ? min(1, Double(row.locked) / Double(row.mapped)) : 0
        let figures = AddressSpaceStrip.figures
        let style = "k-\(row.kind.rawValue)"
        let resident =
            row.resident == 0 ? "–" : "\(Figures.bytes(row.resident)) · \(Figures.percent(share))"

        var svg: Markup = "<g><title>\(description(row))</title>"
        func fill(_ style: String, _ width: Double) {
            svg += .rectangle(style, x: bar.left, y: top, width: width, height: height - 2)
        }
        fill("back " + style, full)
        // One resident page of many is still seen.
        if share > 0 { fill(style, max(2, share * full)) }
        if lockedShare > 0 { fill("hatched", max(4, lockedShare * full)) }

        func write(_ text: String, _ x: Double, _ style: String) {
            svg += .label(text, x: x, y: top + height / 2 + 3, style)
        }
        write(String(row.start, radix: 16), bar.left - 8, "end mono quiet")
        write(label(row), AddressSpaceStrip.name, "mono")
        write(row.rights, AddressSpaceStrip.rights, "mono quiet")
        write(Figures.bytes(row.mapped), figures.size, "end")
        write(resident, figures.resident, "end")
        return svg + "</g>\n"
    }

    /// The name as far as there is room: the end of a path says more than its beginning.
    private func label(_ row: AddressSpaceRow) -> String {
        let room = 44
        let count = row.areas > 1 ? " ×\(row.areas)" : ""
        var name = printable(row.name)
        if name.isEmpty {
            name = row.areas > 1 && row.kind == .mixed ? "small areas" : row.kind.label
        }
        if name.count + count.count > room {
            let end = name.suffix(room - count.count - 1)
            // A path is cut where one of its names begins.
            name = "…" + (end.firstIndex(of: "/").map { end[$0...] } ?? end)
        }
        return name + count
    }

    private func description(_ row: AddressSpaceRow) -> String {
        var text = "\(Figures.address(row.start))–\(Figures.address(row.end))"
        if !row.rights.isEmpty { text += " \(row.rights)" }
        text += " \(row.name.isEmpty ? row.kind.label : row.name)"
        if row.areas > 1 { text += ", \(Figures.count(row.areas, "area"))" }
        text += ": \(Figures.bytes(row.mapped)), \(Figures.bytes(row.resident)) resident"
        if row.locked > 0 { text += ", \(Figures.bytes(row.locked)) locked" }
        return text
    }
}
