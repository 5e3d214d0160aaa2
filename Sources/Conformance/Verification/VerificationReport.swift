// SPDX-License-Identifier: Apache-2.0

import Foundation
import Mooring
import Workloads

/// What a verification says to people and to programs.
package struct VerificationReport: Codable, Sendable {
    /// A disagreement that was found.
    struct FoundDisagreement: Codable, Sendable {
        let kind: String
        let subject: String
        let mooring: String
        let kernel: String
        let operations: Int
        let scenario: String
    }

    /// A deliberate difference, and how many calls were not made because of it.
    struct Difference: Codable, Sendable {
        let place: String
        let excused: Int
    }

    let host: String
    let seed: UInt64
    let jobs: Int
    let compared: Int
    let seconds: Double
    let disagreements: Int
    let found: [FoundDisagreement]
    let knownDifferences: [Difference]
    let skipped: [String: Int]
    let combinations: Int
    let coverage: [Coverage.CallSummary]
    let notTried: [CallCatalog.Untried]
    let framesCompared: Bool
    /// Privileges that the host does not give.
    let notGiven: [String]
    /// Hard limits of the host, in KiB.
    let hardLimits: [String: UInt64]

    package init(
        _ result: VerificationResult, _ options: VerificationOptions, host: String,
        seconds: Double, scenarios: [String]
    ) {
        self.host = host
        seed = options.seed
        jobs = options.jobs
        compared = result.compared
        self.seconds = seconds
        disagreements = result.disagreements
        found = zip(result.findings, scenarios).map { finding, scenario in
            FoundDisagreement(
                kind: finding.disagreement.kind, subject: finding.disagreement.subject,
                mooring: finding.disagreement.values.first ?? "",
                kernel: finding.disagreement.values.dropFirst().first ?? "",
                operations: finding.operations.count, scenario: scenario)
        }
        knownDifferences = zip(KnownDifferences.all, result.excused).map {
            Difference(place: $0.place, excused: $1)
        }
        skipped = result.skipped
        combinations = result.coverage.combinationCount
        coverage = result.coverage.summaries(of: options.calls)
        notTried = CallCatalog.untried
        framesCompared = result.comparedFrames
        notGiven = options.permissions.missing
        hardLimits = options.permissions.hardLimits.reduce(into: [:]) { limits, item in
            if item.value != .max { limits["\(item.key)"] = item.value >> 10 }
        }
    }

    /// The report as text.
    package var text: String {
        let rate = Int(Double(compared) / max(seconds, 0.001))
        var lines = [
            "verify against \(host): seed \(seed), \(jobs) job\(jobs == 1 ? "" : "s")",
            "  compared        \(compared) operations in \(oneDecimal(seconds)) s, "
                + "\(rate) a second",
            "  disagreements   \(disagreements)",
            "  known           \(knownDifferences.count) deliberate differences, "
                + "\(knownDifferences.reduce(0) { $0 + $1.excused }) times met",
            "  skipped         \(skipped.values.reduce(0, +)) operations that this host cannot do",
            "  coverage        \(combinations) combinations of call, flags, areas and outcome",
        ]
        for row in knownDifferences where row.excused > 0 {
            lines.append("    \(row.excused) met: \(row.place)")
        }
        for (reason, count) in skipped.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            lines.append("    \(count) skipped: \(reason)")
        }
        if !notGiven.isEmpty {
            lines.append(
                "  not tried       what takes privileges that this host does not give: "
                    + notGiven.joined(separator: ", "))
        }
        if !hardLimits.isEmpty {
            let limits = hardLimits.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value) KiB" }
            lines.append(
                "  not tried       more than this host's hard limits: "
                    + limits.joined(separator: ", "))
        }
        if !framesCompared {
            lines.append(
                "  not compared    how often each frame is mapped: /proc/kpagecount takes "
                    + "CAP_SYS_ADMIN of the host")
        }
        lines.append("")
        let width = coverage.map(\.call.count).max() ?? 0
        for call in coverage {
            let outcomes = call.outcomes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                .map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            let name = call.call + String(repeating: " ", count: width - call.call.count)
            lines.append("  \(name)  \(call.count) in \(call.combinations) ways: \(outcomes)")
            if !call.neverReached.isEmpty {
                let indent = String(repeating: " ", count: width + 4)
                lines.append(
                    "\(indent)never: " + call.neverReached.joined(separator: ", "))
            }
        }
        lines += ["", "  not tried:"]
        lines += notTried.map { "    \($0.call): \($0.what): \($0.reason)" }
        for found in found {
            lines += [
                "", "DISAGREEMENT about \(found.subject)", "  mooring   \(found.mooring)",
                "  kernel    \(found.kernel)",
                "  shown by  mooring run \(found.scenario) --on both    "
                    + "(\(found.operations) operations)",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func oneDecimal(_ value: Double) -> String {
        String(format: "%.1f", value)
    }
}
