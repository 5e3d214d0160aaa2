// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LinuxHost
import Mooring
import Reports
import Workloads

/// Records a program.
struct RecordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Record what a program does with memory: its calls and page faults.",
        usage: "mooring record -o <file> [<options>] -- <command> ...",
        discussion: """
            Runs COMMAND under perf and writes every memory system call with its result, fork, \
            exec and exit, and every page fault, in the kernel's order, with its children and \
            threads. Needs perf (Debian: linux-perf) and the permission to trace. What a program does \
            to its own limits and privileges is not traced: record one that changes them under \
            the limits it ends up with.

              mooring record -o app.mooring -- gcc -O1 -c hello.c
            """)

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The recording to write.", valueName: "file"),
        completion: .file())
    var output: String

    @Option(help: ArgumentHelp("End the program after so many seconds.", valueName: "seconds"))
    var limit: Int?

    @Option(
        help: ArgumentHelp(
            "The size of each CPU's buffer in MiB, a power of two.", valueName: "mebibytes"))
    var buffer = 16

    @Flag(help: "Keep a recording although the kernel lost events.")
    var allowLost = false

    @Argument(parsing: .postTerminator, help: "The program and its arguments, after --.")
    var command: [String]

    func validate() throws {
        if command.isEmpty { throw ValidationError("Name the program to record after --.") }
        guard buffer > 0, buffer.nonzeroBitCount == 1 else {
            throw ValidationError("--buffer is a power of two, in MiB.")
        }
        if let limit, limit < 1 { throw ValidationError("--limit is at least one second.") }
    }

    func run() throws {
        var options = Recorder.Options()
        options.bufferInMebibytes = buffer
        options.allowsLostEvents = allowLost
        options.timeLimit = limit.map { .seconds($0) }
        let result: Recorder.Result
        do {
            result = try Recorder.record(command: command, to: output, options: options) {
                switch $0 {
                case .recording: Terminal.status("")
                case .reading: Terminal.status("reading what perf saw")
                case .importing: Terminal.status("making the recording")
                case .writing: Terminal.status("writing \(output)")
                }
            }
        } catch {
            Terminal.clearLine()
            throw CommandFailure("\(error)")
        }
        Terminal.clearLine()
        for shortcoming in result.shortcomings { Terminal.note("note: \(shortcoming)") }
        if result.exitStatus != 0 {
            Terminal.note("note: \(command[0]) ended with status \(result.exitStatus)")
        }
        if result.reachedTimeLimit { Terminal.note("note: the time limit ended it") }
        let recording = result.recording
        let processes = Set(recording.processes.map(\.process)).count
        print(
            "\(output): \(Figures.count(recording.steps.count, "step")) of "
                + "\(Figures.count(processes, "process", "processes")), "
                + Figures.count(result.lengthInBytes, "byte"))
    }
}
