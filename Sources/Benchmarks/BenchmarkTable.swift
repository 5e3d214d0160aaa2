// SPDX-License-Identifier: Apache-2.0
//
// Results as a table for people.

/// Rows of `mooring bench` as text.
package enum BenchmarkTable {
    private static let titles = [
        "benchmark", "unit", "mooring", "(min–max)", "at most", "kernel", "(min–max)", "speedup",
        "at least", "",
    ]

    /// The table with a line of titles; a line below it for each row the host's kernel forbids.
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
