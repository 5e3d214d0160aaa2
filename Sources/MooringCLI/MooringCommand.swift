// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import LinuxHost
import Mooring

/// The command `mooring`; each subcommand is a file of its own.
struct MooringCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mooring",
        abstract: "Linux memory management in user space: run it, break it, measure it.",
        discussion: """
            Mooring manages the memory of recorded programs as Linux does, on a machine of any \
            size, with every counter and list visible.

            Start here:
              mooring run
                  Carry out the bundled recording, and write a report to look at.
              mooring record -o app.mooring -- ls
                  Record a program of yours. Needs perf.
              mooring run app.mooring --audit
                  Give its memory to the engine, and check every count.
              mooring run lesson.scenario --on both
                  Make the same calls on this host's own kernel.
              mooring verify
                  Make random calls on both, and compare all that can be seen.
              mooring bench --on both
                  See what each operation costs, here and there.

            A SOURCE is a recording (.mooring) or a scenario: a text with one operation a line. \
            `mooring run --language` shows the scenario language.
            """,
        version: "0.1.0",
        subcommands: [
            RunCommand.self, VerifyCommand.self, ExploreCommand.self, RecordCommand.self,
            ImportCommand.self, ExperimentCommand.self, MissesCommand.self, BenchCommand.self,
            CountersCommand.self, FlagsCommand.self,
        ])
}

@main
enum Main {
    static func main() {
        // The engine waits for locks without system calls of its own.
        SchedulingPoint.setYield { _ = sched_yield() }
        // A reader that goes away ends the output, not the program with a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try MooringCommand.parseAsRoot()
            try command.run()
        } catch let failure as CommandFailure {
            Terminal.complain(failure.description)
            exit(1)
        } catch {
            let status = MooringCommand.exitCode(for: error)
            let message = MooringCommand.fullMessage(for: error)
            if status == .success {
                if !message.isEmpty { print(message) }
                exit(0)
            }
            if !message.isEmpty { Terminal.complain(message, prefixed: false) }
            exit(status == .validationFailure ? 2 : status.rawValue)
        }
    }
}

/// Something that the user can mend, in one message; ends the command with status 1.
struct CommandFailure: Error, CustomStringConvertible {
    /// What is wrong, where, and what to do.
    let description: String

    init(_ description: String) { self.description = description }
}
