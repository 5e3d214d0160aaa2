// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The middle and the ends of some samples.
package struct Figures: Codable, Hashable, Sendable {
    /// The middle one, or the mean of the two in the middle.
    package var median: Double
    /// The smallest.
    package var min: Double
    /// The largest.
    package var max: Double

    /// The figures of samples; `nil` if there are none.
    package init?(_ samples: [Double]) {
        let sorted = samples.sorted()
        guard let least = sorted.first, let most = sorted.last else { return nil }
        let half = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
        min = least
        max = most
    }
}

/// What a benchmark came to: one row of `mooring bench --json`.
package struct BenchmarkResult: Codable, Hashable, Sendable {
    /// The benchmark's name.
    package var name: String
    /// What one unit of the figures is.
    package var unit: String
    /// The engine's figures.
    package var mooring: Figures?
    /// The kernel's figures.
    package var kernel: Figures?
    /// Why there are none of the kernel.
    package var kernelUnavailable: String?
    /// The kernel's median over the engine's.
    package var speedup: Double?
    /// What was to be reached.
    package var target: BenchmarkTarget
    /// What was not reached, in words; empty if all was.
    package var missed: [String] = []
    /// How many samples of each were taken.
    package var samples: Int
    /// How many pages, pairs, operations or faults a sample timed.
    package var pages: Int

    /// Judges what was measured; `others` holds the rows before this one.
    mutating func judge(beside others: [BenchmarkResult]) {
        if let mooring, let kernel, mooring.median > 0 {
            speedup = kernel.median / mooring.median
        }
        missed = []
        if let most = target.atMost, let median = mooring?.median, median > most {
            missed.append("\(shortText(median)) \(unit), more than \(shortText(most))")
        }
        if let least = target.speedupAtLeast, let speedup, speedup < least {
            missed.append("speedup \(shortText(speedup)), less than \(shortText(least))")
        }
        if let least = target.scaleAtLeast, let median = mooring?.median, median < least {
            missed.append("scale \(shortText(median)), less than \(shortText(least))")
        }
        if let within = target.flatWithin, let name = target.flatAgainst,
            let base = others.first(where: { $0.name == name })?.mooring?.median, base > 0,
            let median = mooring?.median, median > within * base
        {
            missed.append(
                "\(shortText(median / base)) times \(name), more than \(shortText(within))")
        }
    }
}

extension [BenchmarkResult] {
    /// The rows as JSON.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// A number with three digits that matter.
func shortText(_ number: Double) -> String {
    let digits = abs(number) >= 100 ? 0 : abs(number) >= 10 ? 1 : 2
    let text = String(format: "%.\(digits)f", number)
    guard text.contains(".") else { return text }
    var trimmed = Substring(text)
    while trimmed.last == "0" { trimmed.removeLast() }
    if trimmed.last == "." { trimmed.removeLast() }
    return String(trimmed)
}
