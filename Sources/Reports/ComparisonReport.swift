// SPDX-License-Identifier: Apache-2.0

import Workloads

/// The same work on several systems: what `--on both` adds to a report.
package struct ComparisonReport: Sendable {
    /// What became of the run on each system; the first is the one that the report is about.
    package var summaries: [RunSummary]
    /// Where their outcomes differ, from each other or from the recording: the first ones.
    package var differences: [SystemDifference]
    /// How many there are in all.
    package var findingCount: Int
    /// At how many of them the systems differ from each other.
    package var differenceCount: Int

    package init(
        summaries: [RunSummary], differences: [SystemDifference], findingCount: Int,
        differenceCount: Int
    ) {
        self.summaries = summaries
        self.differences = differences
        self.findingCount = findingCount
        self.differenceCount = differenceCount
    }

    /// Takes what `SystemComparison` found.
    package init(_ comparison: SystemComparison) {
        self.init(
            summaries: comparison.summaries, differences: comparison.differences,
            findingCount: comparison.findingCount, differenceCount: comparison.differenceCount)
    }

    /// What the systems are called, in order.
    package var systems: [String] { summaries.map(\.system) }

    /// What ``differences`` are.
    var differenceTitle: String {
        differences.contains { $0.recorded != nil }
            ? "Differences from the recording" : "Differences between the systems"
    }
}
