// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a verification under pressure says to people and to programs.
package struct PressureReport: Codable, Sendable {
    package let result: PressureResult
    let host: String
    let seed: UInt64
    /// What all processes had together, in bytes.
    let memory: UInt64
    let hostHasSwap: Bool
    /// Why the host's processes had more.
    let notLimited: String?
    let seconds: Double

    package init(
        _ result: PressureResult, _ options: PressureOptions, host: String, remark: String?,
        seconds: Double
    ) {
        self.result = result
        self.host = host
        seed = options.seed
        memory = options.memory
        hostHasSwap = options.hasSwap
        notLimited = remark
        self.seconds = seconds
    }

    /// The report as text.
    package var text: String {
        let rate = Int(Double(result.compared) / max(seconds, 0.001))
        var lines = [
            "verify against \(host) with \(memory >> 20) MiB for all processes: seed \(seed)",
            "  compared        \(result.compared) operations in \(String(format: "%.1f", seconds)) s, "
                + "\(rate) a second",
            "  disagreements   \(result.disagreement == nil ? 0 : 1)",
            "  locked          \(result.lockedPages) looks at a locked page: it was in memory",
            "  mooring         \(result.reclaimed) pages reclaimed, \(result.swappedOut) swapped "
                + "out, \(result.majorFaults) faults that waited for a device",
            "  kernel          \(result.timesFull) times without memory, "
                + "\(result.refereeMajorFaults) faults that waited for a device",
        ]
        if let notLimited {
            lines.append("  not limited     the host's processes: \(notLimited)")
            lines.append("                  MADV_PAGEOUT alone takes pages away there")
        }
        if !hostHasSwap {
            lines.append(
                "  not tried       anonymous memory beyond what there is: this host has no swap")
        }
        if let disagreement = result.disagreement {
            lines += [
                "", "DISAGREEMENT: \(disagreement)",
                "  shown by  mooring verify --memory \(memory >> 10)K --ops \(result.compared) --seed "
                    + "\(seed)",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
