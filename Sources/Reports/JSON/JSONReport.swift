// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Workloads

/// A report for programs.
///
/// The keys are stable: a later version may add some, and takes away or changes the meaning of one
/// only under another `schema`. Sizes are whole numbers of bytes and times seconds, unless the key
/// says otherwise. Keys in brackets are left out where there is nothing to say.
///
/// ```
/// schema                "mooring.run/1"
/// source                kind ("recording" | "scenario"), name, [command], [recordedOn]
/// system                what did the work: "mooring", "Linux 6.18.44"
/// machine               [configuration], [moment]: when memory and fragmentation were so
/// operations            how many were carried out
/// elapsed               seconds
/// agrees                whether nothing differs, every claim holds, every peak is near the
///                       recorded one, no process was lost, and the run went to its end; the
///                       command's exit status says the same
/// [stopped]             why the run ended before the work did
/// notes                 [ text ]
/// processes             [ pid, name, [parent], firstStep, [lastStep],
///                         peak { resident, locked, pageTables }, finalPeakResident,
///                         [recordedPeakResident], [deviation] (0.05 is 5 % more),
///                         minorFaults, majorFaults,
///                         images [ image, name, peakResident, [recordedPeakResident],
///                                  [deviation], lastResident { anonymous, file, sharedMemory },
///                                  [recordedLastResident], cutShort ] ]: address spaces in order,
///                       0 what fork left; finalPeakResident and what follows is the last one's
/// lost                  [ pid, name, [signal] or call and error, step, [line], nanoseconds,
///                         operation, [held] { resident, locked, pageTables },
///                         [freeMemory], expected, skippedSteps ]: processes that the work goes on
///                       with, and the run had to do without
/// [operationsByCPU]     [ operations ], where there is more than one CPU
/// calls                 [ name, count, failed, errors { "ENOMEM": count } ]
/// accesses              [ kind ("read" | "write" | "execute"), count, pages, signals ]
/// faults                [ kind, count ]
/// peak                  resident, locked, pageTables: sums over processes
/// timeline              [ step, nanoseconds, resident, locked, pageTables,
///                         processes [ pid, resident, locked, pageTables ] ]
/// recording             compared, differenceCount, differenceCounts { "outcome": count },
///                       differences [ kind, step, operation, recorded, got ]: the first ones
/// claims                checked, skipped, failureCount, failures [ line, text, got ]
/// leftOut               [ reason, operations (not carried out), claims (passed over) ]
/// [memory]              bytes, pageblocks, pageblocksPerCell,
///                       owners [ owner, pageblocks, bytes ],
///                       cells: two letters a cell: owner (F free, A anonymous, M file, S shared
///                       memory, L locked, T page tables, O other) and fullness (0 to 9)
/// [fragmentation]       [ zone, orders [ order, freeBlocks, unusable, fragmentation ] ],
///                       indexes in thousandths, fragmentation -1000 where a request would succeed
/// [addressSpaces]       [ pid, name, moment,
///                         areas [ start, end (hexadecimal texts), rights, name, resident,
///                                 locked ] ]
/// [comparison]          systems [ name, elapsed, peak, minorFaults, majorFaults, failedCalls,
///                         recording { compared, differenceCount },
///                         claims { checked, failureCount }, leftOut,
///                         processes [ pid, peakResident, [deviation]: of the program that is
///                           off most ] ],
///                       differenceCount (between the systems),
///                       differences [ step, [line], operation, [recorded], outcomes ], those of
///                         one system from the recording included
/// production            command, version, [date], details
/// ```
package struct JSONReport {
    /// How the text is laid out.
    package enum Layout: Sendable {
        /// One line.
        case compact
        /// For people too.
        case indented
    }

    private let report: RunReport
    private let layout: Layout

    package init(_ report: RunReport, layout: Layout = .indented) {
        self.report = report
        self.layout = layout
    }

    /// The text, with a line feed at its end.
    ///
    /// - Throws: `EncodingError`, where a figure is not a number.
    package func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if layout == .indented { encoder.outputFormatting.insert(.prettyPrinted) }
        let data = try encoder.encode(JSONRun(report))
        return String(decoding: data, as: UTF8.self) + "\n"
    }
}
