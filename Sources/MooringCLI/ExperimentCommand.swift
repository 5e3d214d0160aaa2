// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Experiments
import Mooring
import Reports
import Workloads

/// `mooring experiment`.
struct ExperimentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experiment",
        abstract: "Repeat an experiment: designs of memory management on one workload.",
        subcommands: [List.self, Run.self])

    /// Says what there is.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the experiments, and what can be set.")

        func run() {
            for experiment in Experiment.all {
                print("\(experiment.name): \(experiment.question)")
                for parameter in experiment.parameters {
                    print("    \(parameter.name)=\(parameter.text)  \(parameter.meaning)")
                }
            }
        }
    }

    /// Carries one out.
    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Carry out an experiment, and print a column for each design.",
            discussion: """
                Figures are the same each time, but for those that are measured here: those \
                depend on this host and on what else it does. The status is 1 if something that \
                the experiment claims does not hold.
                """)

        @Argument(help: "Which one; `mooring experiment list` shows them.")
        var name: String

        @Option(
            help: ArgumentHelp(
                "Set a parameter; more than one value where it is varied, as in processes=1,8.",
                valueName: "name=values"))
        var set: [String] = []

        @Flag(help: "Print JSON.")
        var json = false

        @Option(
            help: ArgumentHelp("Write a report to look at: one HTML file.", valueName: "file"),
            completion: .file())
        var report: String?

        private func changes() throws -> [String: [Int]] {
            var changes: [String: [Int]] = [:]
            for text in set {
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                let values = parts.count == 2 ? parts[1].split(separator: ",").map { Int($0) } : []
                guard !values.isEmpty, !values.contains(nil) else {
                    throw ValidationError(
                        "--set takes a name and numbers, as in pages=1024, not \(text).")
                }
                changes[parts[0]] = values.compactMap { $0 }
            }
            return changes
        }

        func validate() throws {
            guard Experiment.all.contains(where: { $0.name == name }) else {
                let names = Experiment.all.map(\.name).joined(separator: ", ")
                throw ValidationError("There is no experiment \(name); there are \(names).")
            }
            _ = try changes()
        }

        func run() throws {
            if let report {
                do { try WorkFile.requireWritable(report) } catch {
                    throw CommandFailure("\(error)")
                }
            }
            let result: ExperimentResult
            do {
                // `validate` has found it.
                guard let experiment = Experiment.all.first(where: { $0.name == name }) else {
                    return
                }
                result = try experiment.run(try changes())
            } catch let failure as ExperimentFailure {
                throw CommandFailure(failure.description)
            } catch let impossible as ImpossibleMachine {
                throw CommandFailure(impossible.description)
            }
            if json {
                print(try ExperimentJSON(result).encoded(), terminator: "")
            } else {
                let colouring: Colouring = Terminal.isInteractive ? .ansi : .none
                print(ExperimentText(result, colouring: colouring), terminator: "")
            }
            if let report {
                let html = ExperimentHTML(result, version: MooringCommand.configuration.version)
                do { try WorkFile.write(Array(html.html.utf8), to: report) } catch {
                    throw CommandFailure("\(error)")
                }
                if json { Terminal.note("report: \(report)") } else { print("report: \(report)") }
            }
            if !result.allHold { throw ExitCode(1) }
        }
    }
}
