// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Experiments

/// Small sizes: the claims do not depend on them.
private let small: [String: [String: [Int]]] = [
    "locked-exit": ["processes": [1, 4, 16], "pages": [40]],
    "locked-rest": ["locked": [0, 20], "memory": [64], "read": [2], "passes": [3]],
    "scan-locked": ["memory": [64], "locked": [0, 80], "read": [4]],
    "sparse-lock": ["pages": [2048], "every": [32]],
    "soak": ["operations": [20_000], "audit": [10_000]],
]

@Suite struct ExperimentTests {
    private func run(_ name: String) throws -> ExperimentResult {
        let experiment = try #require(Experiment.all.first { $0.name == name })
        return try experiment.run(try #require(small[name]))
    }

    @Test(arguments: Experiment.all.map(\.name))
    func `what an experiment claims holds at a small size`(name: String) throws {
        let result = try run(name)
        #expect(result.claims.count >= 2)
        // What is about time is asked where nothing runs beside it: .ci/run.
        for claim in result.claims where !claim.isMeasured {
            #expect(claim.holds, "\(claim.text)")
        }
    }

    @Test(arguments: Experiment.all.map(\.name))
    func `figures that are not measured are the same each time`(name: String) throws {
        let first = try run(name).figures.filter { !$0.isMeasured }
        #expect(!first.isEmpty)
        #expect(try run(name).figures.filter { !$0.isMeasured } == first)
    }

    @Test func `exits walk reverse maps in the design of 2008, and never in that of 2022`() throws {
        let result = try run("locked-exit")
        let walks = try #require(result.figure("walks"))
        #expect(walks.values[0] == [0, 0, 0])
        #expect(walks.values[1] == [0, 0.75, 0.9375])
        #expect(walks.values[2] == [0, 0, 0])
        let locks = try #require(result.figure("lock"))
        let once: [Double?] = [0.025, 0.025, 0.025]
        #expect(locks.values[2] == once)
        #expect(locks.values[1][2] ?? 0 > 0.9)
        let costs = try #require(result.figure("cost")).values.map { $0.compactMap { $0 } }
        #expect(costs[2][2] == costs[2][0])
        #expect(costs[1][2] > 3 * costs[1][1])
    }

    @Test func `only the design that keeps nothing scans locked pages`() throws {
        let scans = try #require(try run("scan-locked").figure("scanned"))
        #expect(scans.values[0][1] ?? 0 > 2)
        #expect(scans.values[2][1] ?? 9 < 1.1)
    }

    @Test func `locking page by page leaves areas that cannot grow together`() throws {
        let result = try run("sparse-lock")
        #expect(result.notes == ["each page, grown: mremap to twice the length fails with EFAULT"])
        let areas = try #require(result.figure("areas"))
        #expect(areas.values[0] == [1, 1, 1, 1, 1])
        #expect(areas.values[2][1] == 128)
    }

    @Test(arguments: [
        (["page": [1]], "it has processes, pages"), (["pages": [1, 2]], "takes one number"),
        (["pages": [0]], "from 1 to"), (["processes": [1, 5000]], "from 1 to 4096"),
    ]) func `what cannot be set is refused with what can`(
        changes: [String: [Int]], remedy: String
    ) throws {
        let failure = #expect(throws: ExperimentFailure.self) {
            try Experiment.lockedExit.run(changes)
        }
        #expect(try #require(failure).description.contains(remedy))
    }
}
