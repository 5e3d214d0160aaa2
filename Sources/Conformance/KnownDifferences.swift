// SPDX-License-Identifier: Apache-2.0
//
// Where the engine differs from the kernel on purpose. There is no other tolerance: what is not a
// row here is compared, and has to be the same. The table in the article on Linux compatibility
// has the same rows, which a test checks.

import Mooring
import Workloads

/// A deliberate difference.
package struct KnownDifference: Sendable {
    /// What is left out of comparisons because of it.
    package enum Scope: Sendable {
        /// Calls that are not made.
        case calls(@Sendable (Call, [AreaState]) -> Bool)
        /// Figures of smaps and status that are not compared.
        case figures(Set<String>)
        /// What work shows that took this long, unless the same work shows it when done anew.
        case workThatTook(Duration)
        /// What a look shows, unless looks within this time show it too.
        case looks(within: Duration)
    }

    /// Where it shows.
    package let place: String
    /// What each of the two does.
    package let kernel: String
    package let engine: String
    /// Why it stays.
    package let reason: String
    package let scope: Scope
}

/// All deliberate differences that `mooring verify` makes allowance for.
package enum KnownDifferences {
    package static let all: [KnownDifference] = [
        KnownDifference(
            place: "madvise PAGEOUT of what is there, COLLAPSE where a huge page fits",
            kernel: "PAGEOUT acts on the pages that it finds on a list",
            engine: "the same; COLLAPSE is checked, and changes nothing",
            reason:
                "which pages those are depends on what else ran; huge pages are not built yet",
            scope: .calls { call, areas in
                guard case .madvise(.absolute(let start, let length), let advice) = call,
                    [.pageOut, .collapse].contains(advice)
                else { return false }
                let (end, wraps) = start.addingReportingOverflow(length)
                let met = areas.overlapping(start, wraps ? .max : end)
                return advice == .pageOut
                    ? met.contains { $0.residentKilobytes > 0 }
                    : met.contains { $0.holdsHugePage }
            }),
        KnownDifference(
            place: "mbind with MPOL_MF_MOVE or MOVE_ALL and a policy that names no node",
            kernel: "moves every page to another frame, which comes out dirty",
            engine: "moves none",
            reason: "migration is not built yet",
            scope: .calls { call, _ in
                guard case .mbind(_, _, let nodes, let flags) = call else { return false }
                return nodes == 0 && flags & 6 != 0
            }),
        KnownDifference(
            place: "files on a disk: what is read besides the page that is wanted",
            kernel: "depends on the device, the file system and what was read before",
            engine: "the window of a fault",
            reason: "no two hosts do the same; work on disk files happens in the page cache",
            scope: .calls { call, areas in
                switch call {
                case .ftruncate(WorkFiles.disk, _), .punchHole(WorkFiles.disk, _, _): return true
                case .writeFile(WorkFiles.disk, let offset, let length):
                    return offset + length > WorkFiles.diskLength
                case .madvise(.absolute(let start, let length), .remove):
                    let (end, wraps) = start.addingReportingOverflow(length)
                    return !wraps && areas.overlapping(start, end).contains { $0.backing == .disk }
                default: return false
                }
            }),
        KnownDifference(
            place: "files on a disk: when dirty pages are written back",
            kernel: "some seconds after they became dirty, and when a call asks for it",
            engine: "when a call asks for it",
            reason: "depends on the time that work takes; what took longer than 4 s is done anew",
            scope: .workThatTook(.seconds(4))),
        KnownDifference(
            place: "Referenced in smaps",
            kernel: "also what the process's calls looked at, learnt in batches of a CPU",
            engine: "what was accessed through an entry",
            reason: "depends on what else ran on the CPU",
            scope: .figures(["Referenced"])),
        KnownDifference(
            place: "LazyFree in smaps",
            kernel: "counted when a CPU's batch of 31 pages is full, or drained for other reasons",
            engine: "counted at once",
            reason: "depends on what else ran on the CPU",
            scope: .figures(["LazyFree"])),
        KnownDifference(
            place: "a look that shows something once",
            kernel: "looks at memory without stopping it: mincore(2) promises a moment's truth",
            engine: "the same at each look",
            reason: "what a second look does not show did not come of a call; 0.1 s are given",
            scope: .looks(within: .milliseconds(100))),
    ]

    /// The row because of which a call is not made by a process that shows these areas.
    package static func row(refusing call: Call, in areas: [AreaState]) -> Int? {
        all.firstIndex { row in
            guard case .calls(let matches) = row.scope else { return false }
            return matches(call, areas)
        }
    }

    /// The row because of which work that shows a disagreement after some time is done anew.
    static func row(doubtingWorkOf duration: Duration) -> Int? {
        all.firstIndex { row in
            guard case .workThatTook(let limit) = row.scope else { return false }
            return duration > limit
        }
    }

    /// How long a difference between looks has to last, and the row that says so.
    static let lasting: (row: Int, time: Duration) = {
        for (row, difference) in all.enumerated() {
            if case .looks(let time) = difference.scope { return (row, time) }
        }
        fatalError("no row says how long a difference lasts")
    }()

    /// The figures that are not compared.
    static let figures: Set<String> = all.reduce(into: []) { figures, row in
        if case .figures(let names) = row.scope { figures.formUnion(names) }
    }
}
