// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Explorer
import Foundation
import Mooring
import Races
import Workloads

/// `mooring explore`.
struct ExploreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explore",
        abstract: "Runs races of the engine under every schedule within a bound.",
        discussion: """
            A race is a small machine and what its CPUs do at once. The explorer runs the engine \
            itself, one CPU at a time, and tries who goes on at each lock and atomic operation. \
            What it finds it shrinks, prints as a table, and saves for `replay`.

              mooring explore list                           the races and the mistakes they find
              mooring explore run munmap-fault               one race
              mooring explore run munmap-fault --mutate unmapShares   with a mistake in the engine
              mooring explore run --all --mutate all         all of them, with every mistake
              mooring explore run --pairs                    every two calls at once
              mooring explore replay FILE                    a saved failure, step by step

            It needs a build with `--traits Exploration`, which stops at every atomic read and \
            write, checks plain memory, and can make mistakes.
            """,
        subcommands: [ExploreList.self, ExploreRun.self, ExploreReplay.self])

    /// What a saved failure says of the build, which changes the points of a run.
    static let build = "instrumented"
}

/// `mooring explore list`.
struct ExploreList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the races, and the mistakes that each finds.")

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        if json {
            let rows = Race.all.map { race in
                [
                    "name": race.name, "summary": race.summary,
                    "mutations": race.mutations.map { "\($0)" },
                ] as [String: Any]
            }
            let data = try JSONSerialization.data(
                withJSONObject: rows, options: [.prettyPrinted, .sortedKeys])
            return try Terminal.output(String(decoding: data, as: UTF8.self) + "\n")
        }
        for race in Race.all {
            let mistakes = race.mutations.map { "\($0)" }.joined(separator: ", ")
            try Terminal.output("\(race.name)\n    \(race.summary)\n    mistakes: \(mistakes)\n")
        }
    }
}

/// `mooring explore replay`.
struct ExploreReplay: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Repeats a saved failure and prints its steps.")

    @Argument(help: "What `explore run` saved.")
    var file: String

    @Flag(help: "Print every step, also those far from any change of CPU.")
    var full = false

    func run() throws {
        do { try repeatFailure() } catch { throw CommandFailure("\(error)") }
    }

    private func repeatFailure() throws {
        let bytes = try WorkFile.bytes(of: file)
        let saved: SavedFailure
        do {
            saved = try SavedFailure(text: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw CommandFailure("\(file): \(error). Name what `mooring explore run` saved.")
        }
        guard let race = Race.named(saved.subject) else {
            throw CommandFailure("\(file): there is no race '\(saved.subject)'")
        }
        guard saved.build == ExploreCommand.build else {
            throw CommandFailure(
                "\(file) was saved by a build of another kind, '\(saved.build)'; explore again")
        }
        let mutation = try saved.mutation.map { try ExploreRun.mutation($0) }
        let explorer = try Explorer(try EngineSubject(race, mutation: mutation))
        let table = try explorer.table(of: saved.failure, details: full)
        try Terminal.output(table.text(details: full))
        guard let again = try explorer.replay(saved.failure.schedule),
            again.digest == saved.failure.digest,
            again.finding == saved.finding
        else {
            throw CommandFailure(
                "\(file) does not repeat: the engine has changed since it was saved, "
                    + "when it found: \(saved.finding). To save it anew: \(saved.command)")
        }
        try Terminal.output("Repeated exactly: \(again.schedule)\n")
    }
}

extension SavedFailure {
    /// What finds and saves it again.
    fileprivate var command: String {
        "mooring explore run \(subject)" + (mutation.map { " --mutate \($0)" } ?? "")
    }
}
