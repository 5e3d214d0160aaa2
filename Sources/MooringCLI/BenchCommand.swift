// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Benchmarks
import Foundation
import Workloads

/// `mooring bench`.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Time the same memory operations on the engine and on this host's kernel.",
        usage: "mooring bench [<options>]",
        discussion: """
            Samples of both are taken in turn, in processor time; the table shows medians. \
            Other work on the machine disturbs single figures, so judge by the speedup.

            What touches pages is one call of the engine for a whole range, in which each page \
            takes a fault of its own; with --all, anon-touch-each and anon-read-each are one call \
            a page.
            """)

    @Option(
        help: ArgumentHelp(
            "Which side to time: both, mooring or kernel.", valueName: "system"))
    var on: BenchmarkOptions.Systems = .both

    @Option(help: ArgumentHelp("Only benchmarks whose name contains this.", valueName: "text"))
    var filter: String?

    @Option(help: ArgumentHelp("How many samples of each to take.", valueName: "n"))
    var samples = 15

    @Option(
        help: ArgumentHelp(
            "How many pages, pairs, operations or faults a sample times.", valueName: "n"))
    var pages = 32_768

    @Flag(help: "Also time the benchmarks that explain others.")
    var all = false

    @Flag(help: "Print the rows as JSON.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Carry out this benchmark's work once, for Benchmarks/instructions.sh to count.",
            valueName: "name"))
    var instructions: String?

    func validate() throws {
        guard samples > 0 else { throw ValidationError("--samples must be at least 1.") }
        guard pages > 0 else { throw ValidationError("--pages must be at least 1.") }
        guard !options.selected.isEmpty else {
            throw ValidationError(
                "No benchmark called \(filter ?? "") runs on \(on.rawValue); there are "
                    + Benchmark.all.map(\.name).joined(separator: ", ") + ".")
        }
    }

    private var options: BenchmarkOptions {
        var options = BenchmarkOptions()
        options.systems = on
        options.filter = filter
        options.samples = samples
        options.pages = pages
        options.includesSupplementary = all
        return options
    }

    func run() throws {
        if let instructions {
            return try runOnceForInstructionCount(name: instructions, pages: pages)
        }
        let isTerminal = isatty(STDERR_FILENO) != 0
        let runner = try BenchmarkRunner(options) { name, round, rounds in
            guard isTerminal else { return }
            let line = "\r\u{1B}[K\(name) \(round)/\(rounds)"
            FileHandle.standardError.write(Data(line.utf8))
        }
        let results = try runner.run()
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        if json {
            print(try results.json())
        } else {
            print(BenchmarkTable.text(results), terminator: "")
        }
    }
}

extension BenchmarkOptions.Systems: ExpressibleByArgument {}
