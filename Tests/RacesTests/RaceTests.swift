// SPDX-License-Identifier: Apache-2.0

import Explorer
import Races
import Testing

/// The engine's races: nothing is found in the engine as it is, and every mistake is found.
@Suite struct RaceTests {
    @Test(arguments: Race.all)
    func `a race ends well under every schedule within the bound`(_ race: Race) throws {
        let explorer = try Explorer(try EngineSubject(race))
        let report = try explorer.search(.exhaustive(bound: 2))
        #expect(report.failure == nil)
        #expect(report.isComplete)
        // Points are told apart by where they are in the code.
        #expect(report.points > 10)
    }

    @Test(.enabled(if: EngineSubject.canMakeMistakes), arguments: Race.all)
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
}
