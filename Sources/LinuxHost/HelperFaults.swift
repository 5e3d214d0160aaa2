// SPDX-License-Identifier: Apache-2.0
//
// How many page faults a helper's work took: those that the kernel counts for the helper, less
// those on its own pages. A helper touches the same few pages for every request, and faults on
// them only after a fork or an exec: these are counted apart, with a request that touches them all.

import Mooring
import Workloads

/// Page faults of a process.
struct FaultFigures {
    var minor: UInt64 = 0
    var major: UInt64 = 0
}

extension Helper {
    /// The faults of the work.
    func faults() throws -> FaultFigures {
        let all = try allFaults()
        return FaultFigures(
            minor: all.minor - min(all.minor, ownFaults.minor),
            major: all.major - min(all.major, ownFaults.major))
    }

    /// Takes all faults until now for its own.
    func excludeAllFaults() throws {
        _ = try capabilities()
        ownFaults = try allFaults()
    }

    /// Does something after which it faults on its own pages, and takes those for its own.
    func excludingOwnFaults<Result>(_ body: () throws -> Result) throws -> Result {
        let before = try allFaults()
        let result = try body()
        _ = try capabilities()
        let after = try allFaults()
        ownFaults.minor += after.minor - before.minor
        ownFaults.major += after.major - before.major
        return result
    }

    private func allFaults() throws -> FaultFigures {
        let text = try hostText("/proc/\(pid)/stat")
        // The program's name stands in parentheses and may contain anything.
        let columns = (text.split(separator: ")").last ?? "").split(separator: " ")
        guard columns.count > 9, let minor = UInt64(columns[7]), let major = UInt64(columns[9])
        else { throw SystemFailure("/proc/\(pid)/stat has no counts of faults.") }
        return FaultFigures(minor: minor, major: major)
    }
}
