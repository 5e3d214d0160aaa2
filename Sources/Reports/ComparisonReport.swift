// SPDX-License-Identifier: Apache-2.0

import Workloads

/// The same work on several systems: what `--on both` adds to a report.
package struct ComparisonReport: Sendable {
    /// What became of the run on each system; the first is the one that the report is about.
    package var summaries: [RunSummary]
    /// Where their outcomes differ: the first ones.
    package var differences: [SystemDifference]
    package var differenceCount: Int

    package init(
        summaries: [RunSummary], differences: [SystemDifference], differenceCount: Int
    ) {
        self.summaries = summaries
        self.differences = differences
        self.differenceCount = differenceCount
    }

    /// Takes what `SystemComparison` found.
    package init(_ comparison: SystemComparison) {
        self.init(
            summaries: comparison.summaries, differences: comparison.differences,
            differenceCount: comparison.differenceCount)
    }

    /// What the systems are called, in order.
    package var systems: [String] { summaries.map(\.system) }
}
