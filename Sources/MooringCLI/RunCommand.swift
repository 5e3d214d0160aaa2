// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import LinuxHost
import Mooring
import Reports
import Workloads

/// Carries out a recording or a scenario.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Carry out a recording or a scenario, and show what happened.",
        usage: "mooring run [<source>] [<options>]",
        discussion: """
            Without SOURCE the bundled recording runs, and a report to look at is written to \
            mooring-report.html.

            mooring run --language prints the scenario language by example.

            With --on kernel or both, processes of this host carry out every call and access for \
            real, in address spaces like those that were recorded; files of the recorded lengths \
            stand for the recorded ones. No recorded program is run. What this host forbids is \
            left out and said.

            Where the machine runs out of memory a process is killed, and the run goes on with \
            the others. The exit status is 0 if everything is as recorded or claimed and both \
            systems agree, 1 if not, and 2 if the command was not understood.
            """)

    @Argument(
        help: "A recording (.mooring), a scenario, or a text that mooring import takes.",
        completion: .file())
    var source: String?

    /// What carries the work out.
    enum System: String, ExpressibleByArgument, CaseIterable {
        case mooring
        case kernel
        case both
    }

    @Option(
        help: ArgumentHelp(
            "What carries it out: mooring, kernel (this host's own), or both.",
            valueName: "system"))
    var on: System = .mooring

    @OptionGroup var machine: MachineOptions

    @Flag(
        help: """
            Recompute every count and list again and again, and stop at a difference: after each \
            operation, or about a thousand times in a longer run.
            """)
    var audit = false

    @Option(help: ArgumentHelp("Audit after every so many operations.", valueName: "n"))
    var auditEvery: Int?

    @Flag(help: "Print the scenario language by example, as a scenario, and stop.")
    var language = false

    @Flag(help: "Print JSON.")
    var json = false

    @Option(
        help: ArgumentHelp("Write a report to look at: one HTML file.", valueName: "file"),
        completion: .file())
    var report: String?

    @Flag(help: "Run what stands before the damage of a torn recording.")
    var recover = false

    func validate() throws {
        if let auditEvery, auditEvery < 1 {
            throw ValidationError("--audit-every counts operations.")
        }
        if audit || auditEvery != nil, on == .kernel {
            throw ValidationError("Only Mooring can be audited: not with --on kernel.")
        }
    }

    func run() throws {
        if language { return print(Scenario.guide) }
        let path = self.report ?? (source == nil ? "mooring-report.html" : nil)
        if let path {
            // Before the run, which may be long.
            do { try WorkFile.requireWritable(path) } catch { throw CommandFailure("\(error)") }
        }
        let work = try Source(path: source, recovers: recover)
        let run = WorkRun(
            work: work, machine: machine, systems: on, audit: audit || auditEvery != nil,
            auditEvery: auditEvery)
        let report = try run.report()
        if json {
            print(try JSONReport(report).encoded(), terminator: "")
        } else {
            let colouring: Colouring = Terminal.isInteractive ? .ansi : .none
            print(TextReport(report, colouring: colouring), terminator: "")
        }
        if let path {
            do {
                try WorkFile.write(Array(HTMLReport(report).html.utf8), to: path)
            } catch {
                throw CommandFailure("\(error)")
            }
            if json { Terminal.note("report: \(path)") } else { print("report: \(path)") }
        }
        if let stopped = report.stopped { throw CommandFailure(stopped) }
        if report.hasFailed { throw ExitCode(1) }
    }
}
