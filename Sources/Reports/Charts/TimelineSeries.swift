// SPDX-License-Identifier: Apache-2.0
//
// The timeline of a run as series of numbers: what each process held at each sample, with the
// small ones summed up, so that a chart has few colours and no series is lost.

import Workloads

/// What processes held over time, ready to draw.
struct TimelineSeries {
    /// One process, or several small ones together.
    struct Band {
        var label: String
        /// Resident bytes at each sample.
        var values: [UInt64]
        /// Its largest value, as text.
        var peak: String
    }

    /// How many processes have a band of their own.
    static let bandLimit = 7

    /// Where the samples lie: nanoseconds of the recording, or steps.
    var places: [Double]
    /// Whether places are nanoseconds.
    var isTimed: Bool
    /// Bands from the bottom up.
    var bands: [Band]
    /// Locked bytes of all processes at each sample.
    var locked: [UInt64]
    /// Resident bytes of all processes at each sample.
    var total: [UInt64]
    /// Where processes were killed, and which.
    var kills: [(place: Double, label: String)]

    init(_ summary: RunSummary) {
        var points = summary.timeline
        // One sample says something about all of the run, and a line needs two.
        if points.count == 1, var first = points.first {
            first.step = 0
            first.time = 0
            points.insert(first, at: 0)
        }
        isTimed = (points.last?.time ?? 0) > (points.first?.time ?? 0)
        let isTimed = isTimed
        places = points.map { isTimed ? Double($0.time) : Double($0.step) }
        locked = points.map(\.total.locked)
        total = points.map(\.total.resident)
        kills = summary.lost.filter { $0.held != nil }.map { lost in
            let place = isTimed ? Double(lost.time) : Double(lost.step)
            return (place, "\(lost.name) \(lost.process.rawValue), \(lost.cause.text)")
        }

        var values: [ProcessID: [UInt64]] = [:]
        for (index, point) in points.enumerated() {
            for process in point.processes {
                values[process.process, default: Array(repeating: 0, count: points.count)][index] =
                    process.figures.resident
            }
        }
        let order = summary.processes.map(\.process).filter { values[$0] != nil }
        let peaks = values.mapValues { $0.max() ?? 0 }
        let ranked = order.enumerated().sorted { one, other in
            (peaks[other.element] ?? 0, one.offset) < (peaks[one.element] ?? 0, other.offset)
        }.map(\.element)
        // A band for the rest is not worth it for one process.
        let limit =
            ranked.count == TimelineSeries.bandLimit + 1
            ? ranked.count : TimelineSeries.bandLimit
        let own = Set(ranked.prefix(limit))
        let names = Dictionary(
            summary.processes.map { ($0.process, $0.name) }, uniquingKeysWith: { first, _ in first }
        )
        bands = order.filter(own.contains).map { process in
            Band(
                label: "\(names[process] ?? "") \(process.rawValue)",
                values: values[process] ?? [], peak: Figures.bytes(peaks[process] ?? 0))
        }
        let rest = ranked.dropFirst(limit)
        guard !rest.isEmpty else { return }
        var sum = Array(repeating: UInt64(0), count: points.count)
        for process in rest {
            for (index, value) in (values[process] ?? []).enumerated() { sum[index] += value }
        }
        bands.append(
            Band(
                label: Figures.count(rest.count, "other process", "other processes"), values: sum,
                peak: Figures.bytes(sum.max() ?? 0)))
    }

    /// The style of a band: its colour, the last for what is summed up.
    func style(_ index: Int) -> String { "s\(index % 8)" }
}
