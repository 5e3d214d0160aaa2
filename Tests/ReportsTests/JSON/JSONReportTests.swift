// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Reports
@testable import Workloads

@Suite struct JSONReportTests {
    private func decoded(_ report: RunReport, _ layout: JSONReport.Layout = .indented) throws
        -> [String: Any]
    {
        let text = try JSONReport(report, layout: layout).encoded()
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(object as? [String: Any])
    }

    @Test func `has the documented keys`() throws {
        var report = RunReport.sample(
            .init(differences: 2, failures: 1, lost: 1, isCompared: true))
        report.summary.operationsByCPU = [40_000, 8_213]
        report.stopped = "at step 3"
        report.summary.leftOut = [LeftOut(reason: "locking is forbidden there.")]
        let object = try decoded(report)
        let documented: Set = [
            "schema", "source", "system", "machine", "operations", "elapsed", "agrees", "stopped",
            "notes", "processes", "lost", "operationsByCPU", "calls", "accesses", "faults", "peak",
            "timeline", "recording",
            "claims", "leftOut", "memory", "fragmentation", "addressSpaces", "comparison",
            "production",
        ]
        #expect(Set(object.keys) == documented)
        #expect(object["schema"] as? String == "mooring.run/1")
        #expect(object["agrees"] as? Bool == false)

        func keys(_ value: Any?) -> Set<String> {
            let object = value as? [String: Any] ?? (value as? [[String: Any]])?.first
            return Set(object.map { Array($0.keys) } ?? [])
        }
        let processes = try #require(object["processes"] as? [[String: Any]])
        #expect(
            keys(processes[1]) == [
                "pid", "name", "parent", "firstStep", "lastStep", "peak", "finalPeakResident",
                "recordedPeakResident", "deviation", "minorFaults", "majorFaults", "images",
            ])
        #expect(
            keys(processes[1]["images"]) == [
                "image", "name", "peakResident", "recordedPeakResident", "deviation",
                "lastResident", "cutShort",
            ])
        #expect(
            keys(object["lost"]) == [
                "pid", "name", "signal", "step", "nanoseconds", "operation", "held", "freeMemory",
                "expected", "skippedSteps",
            ])
        #expect(keys(object["peak"]) == ["resident", "locked", "pageTables"])
        #expect(keys(object["calls"]) == ["name", "count", "failed", "errors"])
        #expect(keys(object["accesses"]) == ["kind", "count", "pages", "signals"])
        #expect(
            keys(object["timeline"])
                == ["step", "nanoseconds", "resident", "locked", "pageTables", "processes"])
        #expect(
            keys(object["recording"])
                == ["compared", "differenceCount", "differenceCounts", "differences"])
        #expect(keys(object["claims"]) == ["checked", "skipped", "failureCount", "failures"])
        #expect(
            keys(object["memory"])
                == ["bytes", "pageblocks", "pageblocksPerCell", "owners", "cells"])
        #expect(keys(object["addressSpaces"]) == ["pid", "name", "moment", "areas"])
        #expect(keys(object["leftOut"]) == ["reason", "operations", "claims"])
        #expect(keys(object["comparison"]) == ["systems", "differenceCount", "differences"])
        let comparison = try #require(object["comparison"] as? [String: Any])
        #expect(
            keys(comparison["systems"]) == [
                "name", "elapsed", "peak", "minorFaults", "majorFaults", "failedCalls",
                "recording", "claims", "leftOut", "processes",
            ])
        let system = try #require((comparison["systems"] as? [[String: Any]])?.last)
        #expect(keys(system["processes"]) == ["pid", "peakResident", "deviation"])
        #expect(
            keys(comparison["differences"]) == ["step", "operation", "recorded", "outcomes"])
    }

    @Test func `sizes are whole numbers of bytes`() throws {
        let report = RunReport.sample(.init(processes: 1))
        let object = try decoded(report)
        let process = try #require((object["processes"] as? [[String: Any]])?.first)
        let peak = try #require(process["peak"] as? [String: Any])
        #expect(peak["resident"] as? Int == 84 << 20)
        #expect((object["timeline"] as? [Any])?.count == 400)
    }

    @Test func `what there is nothing to say of is left out`() throws {
        var report = RunReport.sample(.init(isRecording: false))
        report.picture = nil
        let object = try decoded(report)
        for key in [
            "memory", "fragmentation", "addressSpaces", "comparison", "stopped", "operationsByCPU",
        ] {
            #expect(object[key] == nil)
        }
        #expect((object["source"] as? [String: Any])?.keys.sorted() == ["kind", "name"])
    }

    @Test func `the compact text is one line, and every text the same each time`() throws {
        let report = RunReport.sample(.init(differences: 7))
        let compact = try JSONReport(report, layout: .compact).encoded()
        #expect(compact.filter { $0 == "\n" }.count == 1)
        let again = RunReport.sample(.init(differences: 7))
        #expect(try compact == JSONReport(again, layout: .compact).encoded())
    }
}
