// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Mooring
import Workloads

/// Prints the machine's counters after some work.
struct CountersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counters",
        abstract: "Carry out a recording or a scenario, and print the machine's vmstat.")

    @Argument(
        help: "A recording or a scenario; the bundled recording if none.", completion: .file())
    var source: String?

    @OptionGroup var machine: MachineOptions

    func run() throws {
        let work = try Source(path: source)
        let system = try machine.system(for: work)
        var options = RunOptions()
        options.progress = { Terminal.progress(work.name, $0, $1) }
        do {
            let summary = try Runner(system: system, options: options).run(work.workload)
            Terminal.clearLine()
            if !summary.lost.isEmpty {
                Terminal.note(
                    "note: \(summary.skippedSteps) steps were skipped because processes were killed; "
                        + "mooring run shows which")
            }
            print(try system.text(.vmstat), terminator: "")
        } catch {
            Terminal.clearLine()
            throw CommandFailure("\(work.name): \(error)")
        }
    }
}
