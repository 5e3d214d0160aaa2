// SPDX-License-Identifier: Apache-2.0
//
// Results as a table for people.

import LinuxHost

/// Rows of `mooring bench` as text.
package enum BenchmarkTable {
    private static let titles = [
        "benchmark", "unit", "mooring", "(min–max)", "at most", "kernel", "(min–max)", "speedup",
        "at least", "",
    ]

    /// Rows in which the engine touches many pages at one call.
    private static let ranges: [KernelTimings.Name] = [
        .anonTouch, .anonRead, .mlockOnFaultTouch, .fileTouch, .copyOnWrite,
    ]

    /// The table with a line of titles; below it how some rows are to be read, and a line for each
    /// that the host's kernel forbids.
    package static func text(_ results: [BenchmarkResult]) -> String {
        let lines = [titles] + results.map(cells)
        let widths = titles.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        var text = ""
        for line in lines {
            var row = ""
            for (column, cell) in line.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                // Names to the left, numbers to the right.
                let isText = column < 2 || column == line.count - 1
                row += isText ? cell + padding : padding + cell
                row += "  "
            }
            text += row.trimmingTrailingSpaces + "\n"
        }
        let ranges = results.map(\.name).filter { name in
            BenchmarkTable.ranges.contains { $0.rawValue == name }
        }
        if !ranges.isEmpty {
            text +=
                "\nOne call of the engine for a whole range, each page with a fault of its own:\n"
            text += "  \(ranges.joined(separator: ", "))\n"
        }
        for result in results {
            if let reason = result.kernelUnavailable {
                text += "\(result.name): no figure of the kernel: \(reason)\n"
            }
        }
        return text
    }

    private static func cells(_ result: BenchmarkResult) -> [String] {
        let target = result.target
        let least = target.speedupAtLeast ?? target.scaleAtLeast
        return [
            result.name, result.unit,
            result.mooring.map { shortText($0.median) } ?? "–",
            result.mooring.map(range) ?? "",
            target.atMost.map(shortText) ?? "",
            result.kernel.map { shortText($0.median) } ?? "–",
            result.kernel.map(range) ?? "",
            result.speedup.map(shortText) ?? "",
            least.map(shortText) ?? "",
            result.missed.isEmpty ? "" : "missed: " + result.missed.joined(separator: "; "),
        ]
    }

    private static func range(_ figures: Figures) -> String {
        "\(shortText(figures.min))–\(shortText(figures.max))"
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = Substring(self)
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
