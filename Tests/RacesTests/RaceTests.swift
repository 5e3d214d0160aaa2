// SPDX-License-Identifier: Apache-2.0

import Explorer
import Foundation
import Mooring
import Races
import Testing

/// The engine's races: nothing is found in the engine as it is, and every mistake is found.
@Suite(.enabled(if: EngineSubject.isAvailable)) struct RaceTests {
    @Test(arguments: Race.all)
    func `a race ends well under every schedule within the bound`(_ race: Race) throws {
        let explorer = try Explorer(try EngineSubject(race))
        let report = try explorer.search(.exhaustive(bound: 2))
        #expect(report.failure == nil)
        #expect(report.isComplete)
        // Points are told apart by where they are in the code.
        #expect(report.points > 10)
    }

    @Test(arguments: Race.all)
    func `every mistake of a race is found, shrunk and repeated`(_ race: Race) throws {
        for mutation in race.mutations {
            let explorer = try Explorer(try EngineSubject(race, mutation: mutation))
            let report = try explorer.search(.exhaustive(bound: 2))
            let failure = try #require(report.failure, "\(mutation) is not found")
            let shrunk = try explorer.shrink(failure)
            #expect(shrunk.schedule.changes <= failure.schedule.changes)
            let again = try #require(try explorer.replay(shrunk.schedule))
            #expect(again.finding == shrunk.finding)
            #expect(again.digest == shrunk.digest)
        }
    }

    @Test func `every mistake belongs to a race, or is one of a single call`() {
        let made = Set(Race.all.flatMap(\.mutations) + Mutation.ofCalls)
        #expect(Mutation.allCases.filter { !made.contains($0) } == [])
    }

    @Test func `the article lists the races`() throws {
        let article = try String(
            contentsOf: Self.root.appending(path: "Sources/Mooring/Mooring.docc/Races.md"),
            encoding: .utf8)
        let rows = article.components(separatedBy: "\n").filter { $0.hasPrefix("| ") }
        let expected = Race.all.map { race in
            let mistakes = race.mutations.map { "`\($0)`" }.joined(separator: ", ")
            return "| \(race.name) | \(race.summary) | \(mistakes) |"
        }
        #expect(Array(rows.dropFirst(2)) == expected)
    }

    @Test(arguments: try savedFailures())
    func `a kept failure repeats exactly, and not without its mistake`(
        _ saved: SavedFailure
    ) throws {
        let race = try #require(Race.named(saved.subject))
        let mutation = try #require(
            race.mutations.first { "\($0)" == saved.mutation }, "\(saved.mutation ?? "none")")
        let explorer = try Explorer(try EngineSubject(race, mutation: mutation))
        let again = try explorer.replay(saved.failure.schedule)
        let refresh: Comment = """
            The engine has changed since it was kept. To keep it anew: mooring explore run \
            \(race.name) --mutate \(mutation) --save Tests/RacesTests/Failures
            """
        #expect(again?.finding == saved.finding, refresh)
        #expect(again?.digest == saved.failure.digest, refresh)
        #expect(again?.schedule == saved.failure.schedule, refresh)
        let mended = try Explorer(try EngineSubject(race))
        #expect(try mended.replay(saved.failure.schedule) == nil)
    }

    /// In debug builds a new address space or VMA has between its fields what the stack held before,
    /// which makes one state several: the figures of these are compared in a release build only.
    private static let hasNoise: Set<String> = [
        "table-freed", "fork-fault", "fork-mlockall", "fork-truncation", "fork-reclaim",
        "mremap-link", "shmat-shmdt",
    ]

    /// Where plain search takes too long for a test it is compared at one preemption.
    @Test(arguments: Race.all)
    func `the reduction reaches every end state that plain search reaches`(_ race: Race) throws {
        let explorer = try Explorer(try EngineSubject(race))
        for bound in [2, 1] {
            let plain = try explorer.search(
                .exhaustive(bound: bound, reduces: false), schedules: 3000)
            guard plain.isComplete else { continue }
            let reduced = try explorer.search(.exhaustive(bound: bound))
            withKnownIssue("new records have noise between their fields", isIntermittent: true) {
                #expect(reduced.ends == plain.ends)
            } when: {
                Self.hasNoise.contains(race.name)
            }
            #expect(reduced.schedules < plain.schedules)
            return
        }
        Issue.record("plain search does not end at one preemption")
    }

    /// Mistakes that show without any preemption: what is wrong lies between whole calls, or is a
    /// race on plain memory, which vector clocks find in any order.
    private static let foundInAnyOrder: Set<Mutation> = [
        .owesNothing, .dirtiesGonePages, .freesBeforeFlush,
        .copiesLate, .drainsBusyCPUs, .drainsWithoutEntering,
    ]

    @Test(arguments: Race.all)
    func `a mistake is found only where a call is preempted`(_ race: Race) throws {
        for mutation in race.mutations {
            let explorer = try Explorer(try EngineSubject(race, mutation: mutation))
            let found = try explorer.search(.exhaustive(bound: 0)).failure
            #expect((found != nil) == Self.foundInAnyOrder.contains(mutation), "\(mutation)")
        }
    }

    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func savedFailures() throws -> [SavedFailure] {
        let folder = root.appending(path: "Tests/RacesTests/Failures")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        return try names.map {
            try SavedFailure(
                text: try String(contentsOf: folder.appending(path: $0), encoding: .utf8))
        }
    }
}
