// SPDX-License-Identifier: Apache-2.0
//
// Resident memory over time, stacked by process, with locked memory as a line.

import Workloads

/// Memory over time as a picture.
struct AreaChart {
    private static let width = 1040.0
    private static let height = 320.0
    private static let plot = (left: 72.0, right: 1024.0, top: 14.0, bottom: 280.0)

    /// More lines than this would hide the picture.
    private static let killLimit = 40

    private let series: TimelineSeries
    private let across: Axis
    private let up: Axis

    init(_ series: TimelineSeries) {
        self.series = series
        let first = series.places.first ?? 0
        let last = series.places.last ?? 1
        across = series.isTimed ? .time(first, last) : .count(first, last)
        up = .bytes(upTo: max(series.total.max() ?? 0, series.locked.max() ?? 0))
    }

    /// The picture and its legend; a sentence where there is nothing to draw.
    var markup: Markup {
        guard series.places.count > 1, series.total.contains(where: { $0 > 0 }) else {
            return "<p class=\"empty\">No process held memory when samples were taken.</p>\n"
        }
        var svg: Markup = """
            <div class="scroll"><svg viewBox="0 0 \(AreaChart.width) \(AreaChart.height)" \
            role="img" aria-label="Resident and locked memory over time">

            """
        svg += grid
        svg += bands
        svg += lockedLine
        svg += labels
        svg += strips
        svg += kills
        svg += "</svg></div>\n"
        return legend.markup + svg
    }

    private var legend: Legend {
        var entries = series.bands.indices.map { index in
            Legend.Entry(
                style: series.style(index), label: series.bands[index].label,
                figure: series.bands[index].peak)
        }
        if let locked = series.locked.max(), locked > 0 {
            entries.append(
                Legend.Entry(
                    style: "locked-line", label: "locked, all processes",
                    figure: Figures.bytes(locked)))
        }
        if let first = series.kills.first {
            entries.append(
                Legend.Entry(
                    style: "kill", label: "lost",
                    figure: series.kills.count == 1
                        ? first.label : Figures.count(series.kills.count, "process", "processes")))
        }
        return Legend(entries: entries)
    }

    // MARK: Places

    private func x(_ sample: Int) -> Double {
        let plot = AreaChart.plot
        return plot.left + across.share(series.places[sample]) * (plot.right - plot.left)
    }

    private func y(_ bytes: UInt64) -> Double {
        let plot = AreaChart.plot
        return plot.bottom - up.share(Double(bytes)) * (plot.bottom - plot.top)
    }

    // MARK: Parts

    private var grid: Markup {
        let plot = AreaChart.plot
        var svg: Markup = "<g class=\"axis\">"
        for tick in up.ticks {
            let height = plot.bottom - up.share(tick.value) * (plot.bottom - plot.top)
            svg += "<path class=\"grid\" d=\"M\(plot.left) \(height)H\(plot.right)\"/>"
            svg += .label(tick.label, x: plot.left - 8, y: height + 4, "end")
        }
        for tick in across.ticks {
            let place = plot.left + across.share(tick.value) * (plot.right - plot.left)
            svg += "<path class=\"tick\" d=\"M\(place) \(plot.bottom)v5\"/>"
            // A label at the right edge would be cut off if it were centred.
            let side = place > plot.right - 24 ? "end" : "mid"
            svg += .label(tick.label, x: place, y: plot.bottom + 18, side)
        }
        let caption = series.isTimed ? "time since the recording began" : "operations"
        let middle = (plot.left + plot.right) / 2
        svg += .label(caption, x: middle, y: plot.bottom + 35, "mid")
        return svg + "</g>\n"
    }

    /// The lower and upper edge of each band at each sample, in bytes.
    private var edges: [[(lower: UInt64, upper: UInt64)]] {
        var floor = Array(repeating: UInt64(0), count: series.places.count)
        return series.bands.map { band in
            band.values.indices.map { sample in
                let lower = floor[sample]
                floor[sample] += band.values[sample]
                return (lower, floor[sample])
            }
        }
    }

    private var bands: Markup {
        var svg: Markup = "<g class=\"bands\">"
        for (index, band) in edges.enumerated() {
            var path = ""
            for run in runs(of: band) {
                // There along the top, and back along the bottom; a value holds until the next
                // sample, since nothing is known of the time between.
                path += steps(run) { band[$0].upper }
                let last = run.upperBound
                path += "V\(coordinate(y(band[last].lower)))"
                for sample in run.reversed().dropFirst() {
                    path += "V\(coordinate(y(band[sample].lower)))H\(coordinate(x(sample)))"
                }
                path += "Z"
            }
            guard !path.isEmpty else { continue }
            svg += "<path class=\"\(series.style(index))\" d=\"\(path)\">"
            let name = series.bands[index].label
            svg += "<title>\(name), at most \(series.bands[index].peak)</title></path>"
        }
        return svg + "</g>\n"
    }

    /// The ranges of samples in which a band is not empty, with one empty sample at either side.
    private func runs(of band: [(lower: UInt64, upper: UInt64)]) -> [ClosedRange<Int>] {
        var runs: [ClosedRange<Int>] = []
        var start: Int?
        for sample in band.indices {
            let isEmpty = band[sample].lower == band[sample].upper
            if !isEmpty, start == nil { start = max(0, sample - 1) }
            if isEmpty, let begun = start {
                runs.append(begun...sample)
                start = nil
            }
        }
        if let start { runs.append(start...band.count - 1) }
        return runs
    }

    /// A line that holds each value until the next sample.
    private func steps(_ run: ClosedRange<Int>, _ value: (Int) -> UInt64) -> String {
        let first = run.lowerBound
        var path = "M\(coordinate(x(first))) \(coordinate(y(value(first))))"
        for sample in run.dropFirst() {
            path += "H\(coordinate(x(sample)))V\(coordinate(y(value(sample))))"
        }
        return path
    }

    private var lockedLine: Markup {
        guard series.locked.contains(where: { $0 > 0 }) else { return "" }
        var path = ""
        for run in runs(of: series.locked.map { (0, $0) }) {
            path += steps(run) { series.locked[$0] }
        }
        return "<path class=\"halo\" d=\"\(path)\"/><path class=\"locked-line\" d=\"\(path)\"/>\n"
    }

    /// A line with a cross on top where a process was killed, above the strips so that it can tell
    /// which.
    private var kills: Markup {
        guard !series.kills.isEmpty else { return "" }
        let plot = AreaChart.plot
        var svg: Markup = "<g class=\"kills\">"
        for kill in series.kills.prefix(AreaChart.killLimit) {
            // One may come before the first sample.
            let share = max(0, across.share(kill.place))
            let place = plot.left + share * (plot.right - plot.left)
            svg += "<path class=\"kill\" d=\"M\(place) \(plot.bottom)V\(plot.top)"
            svg += "m-5 -5l10 10m0 -10l-10 10\"><title>\(kill.label)</title></path>"
        }
        return svg + "</g>\n"
    }

    /// Names in the bands that are high enough for one.
    private var labels: Markup {
        var svg: Markup = "<g class=\"names\">"
        for (index, band) in edges.enumerated() {
            let label = shortened(series.bands[index].label, to: 28)
            let half = Double(label.count) * 3.6 + 6
            guard let place = room(in: band, halfWidth: half) else { continue }
            svg += .label(label, x: place.x, y: place.y + 4, "mid")
        }
        return svg + "</g>\n"
    }

    /// The middle of the highest place in a band that a text of this width and one line fits in.
    private func room(
        in band: [(lower: UInt64, upper: UInt64)], halfWidth: Double
    ) -> (x: Double, y: Double)? {
        var best: (height: Double, x: Double, y: Double)?
        for sample in band.indices {
            let middle = x(sample)
            guard middle - halfWidth >= AreaChart.plot.left,
                middle + halfWidth <= AreaChart.plot.right
            else { continue }
            var top = 0.0
            var bottom = AreaChart.height
            var near = sample
            while near > 0, x(near) > middle - halfWidth { near -= 1 }
            while near < band.count {
                top = max(top, y(band[near].upper))
                bottom = min(bottom, y(band[near].lower))
                if x(near) >= middle + halfWidth { break }
                near += 1
            }
            if bottom - top > max(18, best?.height ?? 0) {
                best = (bottom - top, middle, (top + bottom) / 2)
            }
        }
        return best.map { ($0.x, $0.y) }
    }

    /// Invisible strips over the picture that say what a place shows, without any script.
    private var strips: Markup {
        let plot = AreaChart.plot
        let count = min(120, series.places.count)
        var svg: Markup = "<g class=\"strips\">"
        for strip in 0..<count {
            let first = strip * series.places.count / count
            let next = min((strip + 1) * series.places.count / count, series.places.count - 1)
            let left = x(first)
            let right = max(x(next), left + 0.5)
            guard left < plot.right else { continue }
            let place = series.places[first]
            let moment =
                series.isTimed
                ? Figures.nanoseconds(place) : "operation \(Figures.count(Int(place)))"
            var text = "\(moment): \(Figures.bytes(series.total[first])) resident"
            if series.locked[first] > 0 {
                text += ", \(Figures.bytes(series.locked[first])) locked"
            }
            for band in series.bands where band.values[first] > 0 && series.bands.count > 1 {
                text += "\n\(band.label): \(Figures.bytes(band.values[first]))"
            }
            svg += """
                <rect x="\(left)" y="\(plot.top)" width="\(right - left)" \
                height="\(plot.bottom - plot.top)"><title>
                """
            // A line feed is what breaks a line in a tooltip, and escaping would make it visible.
            svg += text.split(separator: "\n").map { Markup(escaping: String($0)) }
                .reduce(into: Markup()) { $0 += $0.text.isEmpty ? $1 : "\n" + $1 }
            svg += "</title></rect>"
        }
        return svg + "</g>\n"
    }
}
