// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Conformance
import Foundation
import LinuxHost
import Mooring
import Reports
import Workloads

/// `mooring verify`.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Carry out random operations on the engine and on this host's kernel.",
        discussion: """
            Results, error numbers, areas with their flags and figures are compared after each \
            operation; every page, mincore and data now and then. The kernel is right. What \
            differs is reduced to the fewest operations that show it and written as a scenario, \
            which mooring run --on both replays.

            The same seed, number of operations and jobs give the same work.

            With --memory there is so much and no more, on the host in a memory cgroup, and the \
            work wants more. Which page goes is each system's own choice. What is promised is \
            compared: results, data, VmLck, and that no locked page goes.

            With --mutate the engine makes a mistake on purpose, which must be found. Only builds \
            with the trait Exploration, and debug builds, can do that.
            """)

    @Option(help: "How many operations to compare.")
    var ops = 30_000

    @Option(help: "What the work is decided by; a fresh one, which is printed, unless told.")
    var seed: UInt64?

    @Option(help: "Only these calls, by commas: mmap,mlock2. What they work on is made besides.")
    var calls: String?

    @Option(help: "Whether to stop at the first disagreement or continue.")
    var onMismatch: Reaction = .stop

    @Option(help: "How many pairs of systems work at once, if there is a session for each.")
    var jobs = 2

    @Option(help: "Whether the engine's pages hold data, which is compared too: bytes or none.")
    var contents: MachineSettings.Contents = .bytes

    @Option(
        help: ArgumentHelp(
            "Verify where memory is short: so much for all processes.", valueName: "size"))
    var memory: String?

    @Option(help: "Where to write the scenarios that are found.", completion: .directory)
    var output = "."

    @Option(
        help: ArgumentHelp(
            """
            A mistake that the engine makes, or all, one after the other: \
            \(Mutation.ofCalls.map { "\($0)" }.joined(separator: ", ")).
            """, valueName: "mistake"))
    var mutate: String?

    @Flag(help: "Print JSON.")
    var json = false

    /// What to do about a disagreement.
    enum Reaction: String, ExpressibleByArgument, CaseIterable {
        case stop
        case `continue`
    }

    func validate() throws {
        guard ops > 0 else { throw ValidationError("--ops counts operations.") }
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs is from 1 to 256.") }
        _ = try chosenCalls()
        if let memory {
            guard try byteCount(memory) >= 16 << 20 else {
                throw ValidationError("--memory is 16M at least, not \(memory).")
            }
            if calls != nil || mutate != nil || contents != .bytes {
                throw ValidationError("--memory goes with --ops, --seed and --json only.")
            }
        }
        if let mutate, MistakeHunt.mistakes(named: mutate) == nil {
            throw ValidationError("There is no mistake \(mutate); --help lists them.")
        }
    }

    private func chosenCalls() throws -> Set<CallKind> {
        let known = CallCatalog.calls
        guard let calls else { return Set(known) }
        return Set(
            try calls.split(separator: ",", omittingEmptySubsequences: false).map { name in
                guard let call = known.first(where: { $0.rawValue == name }) else {
                    throw ValidationError(
                        "\"\(name)\" is not a call that can be verified. There are "
                            + known.map(\.rawValue).joined(separator: ", ") + ".")
                }
                return call
            })
    }

    func run() throws {
        let seed = seed ?? .random(in: 0...UInt64(UInt32.max))
        if let memory { return try verifyPressure(try byteCount(memory), seed) }
        var options = VerificationOptions()
        options.operations = ops
        options.seed = seed
        options.calls = try chosenCalls()
        options.continues = onMismatch == .continue
        // A job has a session's work at least.
        options.jobs = min(jobs, max(1, ops / options.sessionLength))
        options.comparesBytes = contents == .bytes
        try checkOutput()
        let host: String
        do {
            let kernel = try KernelSystem()
            host = kernel.name
            options.permissions = try kernel.permissions()
            // Two pairs of systems a job while a disagreement is reduced.
            try kernel.checkRoom(forProcesses: 2 * options.jobs * RandomWork.mostProcesses)
        } catch {
            throw CommandFailure("\(error)")
        }
        let total = ops
        let holdsBytes = options.comparesBytes
        let systems = VerificationSystems(
            engine: {
                var configuration = MachineConfiguration(memory: .mebibytes(256))
                configuration.contents = holdsBytes ? .bytes : .none
                return try EngineSystem(configuration)
            },
            referee: { try KernelSystem() })
        if let mutate {
            return try hunt(MistakeHunt.mistakes(named: mutate) ?? [], options, systems)
        }
        let start = Date()
        let result: VerificationResult
        do {
            result = try Verification(options, on: systems) {
                Terminal.progress("verify", min($0, total - 1), total)
            }.run()
        } catch {
            Terminal.clearLine()
            throw CommandFailure("\(error)")
        }
        Terminal.clearLine()
        let seconds = Date().timeIntervalSince(start)
        let files = result.findings.map {
            (output as NSString).appendingPathComponent($0.fileName)
        }
        let report = VerificationReport(
            result, options, host: host, seconds: seconds, scenarios: files)
        print(json ? try indentedJSON(report) : report.text, terminator: "")
        for (finding, path) in zip(result.findings, files) {
            let text = finding.text(referee: host)
            do {
                try WorkFile.write(Array(text.utf8), to: path)
            } catch {
                throw CommandFailure("\(path) cannot be written; the scenario is:\n\(text)")
            }
        }
        if result.disagreements > 0 { throw ExitCode(1) }
    }

    /// Makes sure, before there is anything to lose, that scenarios can be written.
    private func checkOutput() throws {
        let manager = FileManager.default
        do {
            try manager.createDirectory(atPath: output, withIntermediateDirectories: true)
            guard manager.isWritableFile(atPath: output) else {
                throw CocoaError(.fileWriteNoPermission)
            }
        } catch {
            throw CommandFailure(
                "\(output): scenarios cannot be written there; choose another directory with "
                    + "--output")
        }
    }

    /// Shows that mistakes are found.
    private func hunt(
        _ mistakes: [Mutation], _ options: VerificationOptions, _ systems: VerificationSystems
    ) throws {
        guard MistakeHunt.isPossible else {
            throw CommandFailure(
                "this build makes no mistakes; build with --traits Exploration for --mutate")
        }
        var hunts: [MistakeHunt] = []
        for mistake in mistakes {
            do {
                let hunt = try MistakeHunt(mistake, options, on: systems)
                if !json { print(hunt.line) }
                hunts.append(hunt)
            } catch {
                throw CommandFailure("\(error)")
            }
        }
        if json { try printJSON(hunts) }
        if hunts.contains(where: { !$0.isFound }) { throw ExitCode(1) }
    }
}

extension MachineSettings.Contents: ExpressibleByArgument {}
