// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Explorer
import Foundation
import Mooring
import Races

/// `mooring explore`.
struct ExploreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explore",
        abstract: "Runs the engine's races under every schedule within a bound.",
        subcommands: [List.self, Run.self]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the races.")
        func run() {
            for race in Race.all { print(race.name, race.summary) }
        }
    }

    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Runs races.")
        @Argument var name: String?
        @Option var bound = 2
        @Option var mutate: String?
        @Flag var mutations = false
        @Flag var plain = false
        func run() throws {
            for race in Race.all where name == nil || race.name == name {
                try explore(race, nil)
                if mutations { for mutation in race.mutations { try explore(race, mutation) } }
            }
        }
        func explore(_ race: Race, _ mutation: Mutation?) throws {
            let subject = try EngineSubject(race, mutation: mutation)
            let explorer = try Explorer(subject)
            let report = try explorer.search(
                .exhaustive(bound: bound, reduces: !plain), duration: .seconds(60))
            print(
                race.name, mutation.map { "\($0)" } ?? "-", "schedules", report.schedules, "steps",
                report.steps / max(1, report.schedules), "rate", Int(report.schedulesPerSecond),
                "states", report.states, "ends", report.ends, "points", report.points,
                report.neverPreempted, "pages", subject.writtenPages,
                report.isComplete, report.failure.map { "\($0.finding)" } ?? "ok",
                report.failure.map { "\($0.schedule)" } ?? "")
            if let failure = report.failure {
                let shrunk = try explorer.shrink(failure)
                print("  shrunk:", shrunk.schedule, shrunk.finding)
                print(try explorer.table(of: shrunk))
            }
        }
    }
}
