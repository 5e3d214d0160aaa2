// SPDX-License-Identifier: Apache-2.0

import LinuxHost
import Mooring
import Reports
import Workloads

/// One run of some work on the systems that were asked for.
struct WorkRun {
    let work: Source
    let machine: MachineOptions
    let systems: RunCommand.System
    let audit: Bool
    /// How many operations lie between two audits; `nil` picks by the length of the work.
    let auditEvery: Int?

    /// Carries the work out.
    func report() throws -> RunReport {
        var options = RunOptions()
        var engine: EngineSystem?
        var camera: Camera?
        if systems != .kernel {
            let system = try machine.system(for: work)
            engine = system
            camera = Camera(system, workload: work.workload)
            if audit {
                options.audit = { try system.machine.audit() }
                options.auditInterval = auditEvery ?? defaultInterval
            }
        }
        options.progress = { done, total in
            camera?.look(isLast: done == total)
            Terminal.progress(work.name, done, total)
        }
        var report: RunReport
        do {
            report = try run(engine, options)
        } catch let failure as RunFailure {
            report = RunReport(source: origin, failure: failure, production: production)
        }
        Terminal.clearLine()
        report.picture = camera?.picture()
        report.isWhatIf = machine.isWhatIf
        if audit, report.stopped == nil {
            report.notes.append(
                options.auditInterval == 1
                    ? "The audit after each operation found nothing."
                    : "The audit after every \(options.auditInterval) operations found nothing.")
        }
        return report
    }

    /// An audit looks at the whole machine: after each of some thousand operations it is quick,
    /// after each of fifty thousand it is not.
    private var defaultInterval: Int { max(1, work.workload.count / 1000) }

    private func run(_ engine: EngineSystem?, _ options: RunOptions) throws -> RunReport {
        switch systems {
        case .mooring, .kernel:
            let system: any MemorySystem = try engine ?? kernel()
            let summary = try Runner(system: system, options: options).run(work.workload)
            return RunReport(source: origin, summary: summary, production: production)
        case .both:
            guard let engine else { throw CommandFailure("no machine was made") }
            let comparison = try SystemComparison.run(
                work.workload, on: [engine, kernel()], options: options)
            return RunReport(
                source: origin, summary: comparison.summaries[0],
                comparison: ComparisonReport(comparison), production: production)
        }
    }

    private func kernel() throws -> KernelSystem {
        if let refusal = KernelSystem.refusal(of: work.settings) {
            throw CommandFailure("\(refusal): run \(work.name) with --on mooring.")
        }
        do {
            return try KernelSystem()
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    private var origin: RunReport.Source {
        switch work.workload {
        case .recording(let recording): RunReport.Source(recording, name: work.name)
        case .scenario: RunReport.Source(.scenario, name: work.name)
        }
    }

    private var production: RunReport.Production {
        RunReport.Production(
            command: "mooring " + CommandLine.arguments.dropFirst().joined(separator: " "),
            version: MooringCommand.configuration.version)
    }
}
