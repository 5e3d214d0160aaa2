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
        /// What work shows of these once, and not when it is done anew: figures, or what is known of
        /// pages.
        case chance(Set<String>)
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
            place:
                "which pages are there or dirty, where the same work, done anew, does not show it",
            kernel:
                "takes clean pages and writes dirty ones back also by their age (DAMON, flushers)",
            engine:
                "does so when memory is short and when a call asks: the same work, the same state",
            reason: "depends on the host's time and on what else it does; counted here",
            scope: .chance([
                "Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean",
                "Private_Dirty", "Swap", "SwapPss", "VmRSS", "RssAnon", "RssFile", "RssShmem",
                "VmSwap", "page", "frame", "mincore",
            ])),
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
    ]

    /// The row because of which a call is not made by a process that shows these areas.
    package static func row(refusing call: Call, in areas: [AreaState]) -> Int? {
        all.firstIndex { row in
            guard case .calls(let matches) = row.scope else { return false }
            return matches(call, areas)
        }
    }

    /// The row of what a host may do to pages behind a program's back, if a disagreement is of a kind
    /// that this shows in.
    static func chance(for kind: String) -> Int? {
        all.firstIndex {
            if case .chance(let kinds) = $0.scope { kinds.contains(kind) } else { false }
        }
    }

    /// The figures that are not compared.
    static let figures: Set<String> = all.reduce(into: []) { figures, row in
        if case .figures(let names) = row.scope { figures.formUnion(names) }
    }
}
