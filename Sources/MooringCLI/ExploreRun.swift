// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Explorer
import Foundation
import Mooring
import Races
import Workloads

/// `mooring explore run`.
struct ExploreRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Looks for schedules of races that end badly.")

    /// How schedules are chosen.
    enum Method: String, ExpressibleByArgument, CaseIterable {
        case exhaustive
        case pct
        case random
    }

    @Argument(help: "The race.")
    var name: String?

    @Flag(help: "All races.")
    var all = false

    @Flag(help: "Every two calls at once, on memory of every kind.")
    var pairs = false

    @Option(help: "The most preemptions of a schedule; for pct, how often priorities change.")
    var bound = 2

    @Option(help: "The most schedules of a race.")
    var schedules = 1_000_000

    @Option(help: "The most seconds for a race.")
    var seconds = 60.0

    @Option(help: "How schedules are chosen: exhaustive, pct or random.")
    var method: Method = .exhaustive

    @Option(help: "Where chance begins, for pct and random.")
    var seed: UInt64 = 1

    @Flag(help: "Also try schedules that differ only in the order of independent steps.")
    var noReduction = false

    @Option(help: "A mistake to make in the engine, or 'all' for each that a race must find.")
    var mutate: String?

    @Option(
        help: """
            Save every failing schedule in this directory. Without it what is not expected, and what \
            a single race finds, is saved here.
            """, completion: .directory)
    var save: String?

    @Flag(help: "Also list the places that were never left by a preemption.")
    var places = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard [all, pairs, name != nil].filter(\.self).count == 1 else {
            throw ValidationError(
                "Name a race, or give --all or --pairs; `mooring explore list` has them.")
        }
        guard !pairs || mutate == nil else {
            throw ValidationError("--pairs makes no mistakes; leave --mutate out.")
        }
        if all, let mutate, let mutation = try? ExploreRun.mutation(mutate) {
            guard Race.all.contains(where: { $0.mutations.contains(mutation) }) else {
                throw ValidationError(
                    "No race is about '\(mutate)'; `mooring verify --mutate \(mutate)` finds it.")
            }
        }
        guard (0...1000).contains(bound) else {
            throw ValidationError("--bound must be 0 to 1000, not \(bound).")
        }
        guard schedules > 0 else { throw ValidationError("--schedules must be at least 1.") }
        guard seconds > 0, seconds <= 1e9 else {
            throw ValidationError("--seconds must be positive, and at most a billion.")
        }
    }

    /// One search: a race, and the mistake that is made.
    private struct Task {
        let race: Race
        let mutation: Mutation?
    }

    func run() throws {
        do { try runTasks() } catch { throw CommandFailure("\(error)") }
    }

    private func runTasks() throws {
        var results: [ExploreResult] = []
        let tasks = try tasks()
        // Better now than after a search of minutes.
        for task in tasks { try WorkFile.requireWritable(path(for: task)) }
        if !json { try Terminal.output(ExploreResult.heading + "\n") }
        for task in tasks {
            let result = try explore(task)
            results.append(result)
            // Of hundreds of pairs only what was found is worth a line.
            if json || (pairs && result.isAsExpected) { continue }
            var text = result.line + "\n"
            if let table = result.table { text += "\n\(table)\n" }
            for place in result.placesNeverPreempted { text += "    never preempted: \(place)\n" }
            try Terminal.output(text)
        }
        if json { try printJSON(results) } else { try Terminal.output(summary(of: results)) }
        let bad = results.filter { !$0.isAsExpected }
        guard bad.isEmpty else {
            throw CommandFailure(
                bad.map(\.complaint).joined(separator: "\n"))
        }
    }

    /// The last line: what was tried, and how much of it was not finished.
    private func summary(of results: [ExploreResult]) -> String {
        let schedules = results.reduce(0) { $0 + $1.schedules }
        let unfinished = results.count { $0.isUnfinished }
        let saved = results.compactMap(\.file)
        var text = "\(results.count) \(pairs ? "pairs" : "searches"), \(schedules) schedules"
        text += unfinished > 0 ? "; \(unfinished) not finished" : ""
        switch saved.count {
        case 0: break
        case 1: text += "; saved in \(saved[0])"
        default: text += "; \(saved.count) failures saved in \(save ?? ".")"
        }
        return text + "\n"
    }

    private func tasks() throws -> [Task] {
        let races: [Race]
        if let name {
            guard let race = Race.named(name) else {
                throw CommandFailure(
                    "there is no race '\(name)'; `mooring explore list` has them")
            }
            races = [race]
        } else {
            races = pairs ? Race.pairs : Race.all
        }
        guard let mutate else { return races.map { Task(race: $0, mutation: nil) } }
        if mutate == "all" {
            return races.flatMap { race in
                [Task(race: race, mutation: nil)]
                    + race.mutations.map { Task(race: race, mutation: $0) }
            }
        }
        let mutation = try ExploreRun.mutation(mutate)
        return races.filter { !all || $0.mutations.contains(mutation) }
            .map { Task(race: $0, mutation: mutation) }
    }

    /// The mistake with a name.
    static func mutation(_ name: String) throws -> Mutation {
        guard let mutation = Mutation.allCases.first(where: { "\($0)" == name }) else {
            throw CommandFailure(
                "there is no mistake '\(name)'; there are "
                    + Mutation.allCases.map { "\($0)" }.joined(separator: ", "))
        }
        return mutation
    }

    private func explore(_ task: Task) throws -> ExploreResult {
        let explorer = try Explorer(try EngineSubject(task.race, mutation: task.mutation))
        let label = [task.race.name, task.mutation.map { "\($0)" }].compactMap(\.self)
            .joined(separator: " ")
        Terminal.status(label)
        let report = try explorer.search(
            searchMethod, schedules: schedules, duration: .seconds(seconds)
        ) { report in
            Terminal.status("\(label): \(report.schedules) schedules, \(report.states) states")
        }
        var result = ExploreResult(task.race, task.mutation, report)
        result.isUnfinished =
            method == .exhaustive && !report.isComplete && report.failure == nil
        result.mustFinish = !pairs
        if let failure = report.failure {
            Terminal.status("\(label): shrinking")
            let shrunk = try explorer.shrink(failure)
            result.shrunk(shrunk)
            // What everything finds as it should is one line each.
            if !result.isAsExpected || name != nil {
                result.table = try explorer.table(of: shrunk).description
                result.file = try saveFailure(shrunk, task)
            } else if save != nil {
                result.file = try saveFailure(shrunk, task)
            }
        }
        if places {
            result.placesNeverPreempted = try explorer.placesNeverPreempted().map(\.description)
        }
        Terminal.clearLine()
        return result
    }

    private var searchMethod: SearchMethod {
        switch method {
        case .exhaustive: .exhaustive(bound: bound, reduces: !noReduction)
        case .pct: .priorities(changes: bound, seed: seed)
        case .random: .random(seed: seed)
        }
    }

    private func saveFailure(_ failure: Failure, _ task: Task) throws -> String {
        let mutation = task.mutation.map { "\($0)" }
        let saved = SavedFailure(
            failure, of: task.race.name, mutation: mutation, build: ExploreCommand.build)
        let path = path(for: task)
        try WorkFile.write(Array(saved.text.utf8), to: path)
        return path
    }

    private func path(for task: Task) -> String {
        let name = [task.race.name, task.mutation.map { "\($0)" }].compactMap(\.self)
            .joined(separator: "-")
        return ((save ?? ".") as NSString).appendingPathComponent("\(name).schedule.json")
    }
}

/// What came of one search.
struct ExploreResult: Encodable {
    let race: String
    let mutation: String?
    let schedules: Int
    let steps: Int
    let states: Int
    let endStates: Int
    let points: Int
    let pointsNeverPreempted: Int
    let isComplete: Bool
    /// Whether a search of all schedules came to a limit before its end.
    var isUnfinished = false
    /// Whether that counts as a failure.
    var mustFinish = true
    let seconds: Double
    var finding: String?
    /// Of the shrunk schedule.
    var changes: Int?
    var schedule: String?
    var table: String?
    var file: String?
    var placesNeverPreempted: [String] = []

    init(_ race: Race, _ mutation: Mutation?, _ report: SearchReport) {
        self.race = race.name
        self.mutation = mutation.map { "\($0)" }
        schedules = report.schedules
        steps = report.steps
        states = report.states
        endStates = report.ends
        points = report.points
        pointsNeverPreempted = report.neverPreempted
        isComplete = report.isComplete
        seconds =
            report.schedulesPerSecond > 0 ? Double(schedules) / report.schedulesPerSecond : 0
        finding = report.failure?.finding.description
    }

    mutating func shrunk(_ failure: Failure) {
        finding = failure.finding.description
        changes = failure.schedule.changes
        schedule = failure.schedule.description
    }

    /// A mistake is to be found, and without one nothing, after all was tried.
    var isAsExpected: Bool {
        mutation == nil ? finding == nil && !(isUnfinished && mustFinish) : finding != nil
    }

    var complaint: String {
        let name = [race, mutation].compactMap(\.self).joined(separator: " with ")
        if let finding { return "\(name): \(finding)" + (file.map { "; saved in \($0)" } ?? "") }
        if isUnfinished {
            return "\(name): not finished after \(schedules) schedules; "
                + "raise --schedules or --seconds"
        }
        // Of those that the race is about, each must be found.
        let others = Race.all.filter { race in race.mutations.contains { "\($0)" == mutation } }
        return "\(name): the mistake was not found"
            + (others.contains { $0.name == race } || others.isEmpty
                ? "" : "; it belongs to " + others.map(\.name).joined(separator: ", "))
    }

    static let heading =
        "race                      mistake                 schedules    states   ends  points  "
        + "unpreempted  seconds  changes  outcome"

    var line: String {
        func left(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(1, width - text.count)) + text
        }
        let outcome =
            finding
            ?? (isUnfinished ? "not finished" : mutation != nil ? "not found" : "nothing found")
            + (isComplete ? ", all tried" : "")
        return left(race, 26) + left(mutation ?? "", 22) + right("\(schedules)", 11)
            + right("\(states)", 10) + right("\(endStates)", 7) + right("\(points)", 8)
            + right("\(pointsNeverPreempted)", 13)
            + right(String(format: "%.2f", seconds), 9)
            + right(changes.map { "\($0)" } ?? "", 9) + "  " + outcome
    }
}
