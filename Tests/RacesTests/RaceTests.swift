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

    /// The engine has changed since most of them were saved, so a schedule need not repeat; what it
    /// led to must be found.
    @Test(arguments: try savedFailures())
    func `what the engine once did wrong is found again`(_ saved: SavedFailure) throws {
        let race = try #require(Race.named(saved.subject))
        let mutation = try #require(
            race.mutations.first { "\($0)" == saved.mutation }, "\(saved.mutation ?? "none")")
        let explorer = try Explorer(try EngineSubject(race, mutation: mutation))
        let again = try explorer.replay(saved.failure.schedule)
        let found = try again ?? explorer.search(.exhaustive(bound: 2)).failure
        #expect(found?.finding.kind == saved.finding.kind)
        // Without the mistake the same schedule ends well.
        let mended = try Explorer(try EngineSubject(race))
        #expect(try mended.replay(saved.failure.schedule) == nil)
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
