// SPDX-License-Identifier: Apache-2.0
//
// Everything that `mooring run` shows. `TextReport`, `JSONReport` and `HTMLReport` only lay it out.

import Workloads

/// Everything that a run shows.
package struct RunReport: Sendable {
    /// Where the work comes from.
    package struct Source: Hashable, Sendable {
        /// What kind of work it is.
        package enum Kind: String, Hashable, Sendable {
            case recording
            case scenario
        }

        package var kind: Kind
        /// The file as the user gave it, or what stands for it: `the bundled recording`.
        package var name: String
        /// The command that was recorded.
        package var command: String?
        /// The kernel that it was recorded on, or the tool whose output was imported.
        package var recordedOn: String?

        package init(
            _ kind: Kind, name: String, command: String? = nil, recordedOn: String? = nil
        ) {
            self.kind = kind
            self.name = name
            self.command = command
            self.recordedOn = recordedOn
        }

        /// The source that a recording is.
        package init(_ recording: Recording, name: String) {
            self.init(
                .recording, name: name, command: recording.command, recordedOn: recording.source)
        }
    }

    /// How the report was made, for who wants to make it again.
    package struct Production: Hashable, Sendable {
        /// The command line that made it.
        package var command: String
        /// The version of Mooring.
        package var version: String
        /// When, as text; `nil` in reports that are compared byte by byte.
        package var date: String?
        /// More lines: the host, the compiler, a seed.
        package var details: [String]

        package init(
            command: String, version: String, date: String? = nil, details: [String] = []
        ) {
            self.command = command
            self.version = version
            self.date = date
            self.details = details
        }
    }

    package var source: Source
    /// What became of the run.
    package var summary: RunSummary
    /// What the machine looked like; `nil` where the host's kernel did the work.
    package var picture: MachinePicture?
    /// The same work on other systems: `--on both`.
    package var comparison: ComparisonReport?
    /// Why the run ended before the work did.
    package var stopped: String?
    /// Whether the machine is another than the recorded one on purpose, so that peaks may differ.
    package var isWhatIf = false
    /// Further remarks, each a sentence: what was audited, what was left out.
    package var notes: [String]
    package var production: Production

    package init(
        source: Source, summary: RunSummary, picture: MachinePicture? = nil,
        comparison: ComparisonReport? = nil, stopped: String? = nil, notes: [String] = [],
        production: Production
    ) {
        self.source = source
        self.summary = summary
        self.picture = picture
        self.comparison = comparison
        self.stopped = stopped
        self.notes = notes
        self.production = production
    }

    /// The report of a run that could not go on.
    package init(source: Source, failure: RunFailure, production: Production) {
        self.init(
            source: source, summary: failure.summary, stopped: failure.description,
            production: production)
    }
}

extension RunReport {
    /// Calls that failed, whatever the reason.
    var callErrors: Int { summary.calls.reduce(0) { $0 + $1.errorCount } }

    /// System calls; what only a workload does is left out.
    var systemCalls: [CallTally] { summary.calls.filter(\.kind.isSystemCall) }

    var callCount: Int { systemCalls.reduce(0) { $0 + $1.count } }

    /// Faults by kind where the system tells kinds apart, else as the processes count them.
    var faults: [FaultCount] {
        guard summary.faults.isEmpty else {
            return summary.faults.filter { $0.count > 0 }.sorted { $0.count > $1.count }
        }
        let minor = summary.processes.reduce(0) { $0 + $1.minorFaults }
        let major = summary.processes.reduce(0) { $0 + $1.majorFaults }
        return [FaultCount(kind: "minor", count: minor), FaultCount(kind: "major", count: major)]
            .filter { $0.count > 0 }
    }

    var faultCount: UInt64 { faults.reduce(0) { $0 + $1.count } }

    /// Processes, the one that held most first; the order of appearance decides between equals.
    var processesByPeak: [ProcessSummary] {
        summary.processes.enumerated().sorted { one, other in
            (other.element.peak.resident, one.offset) < (one.element.peak.resident, other.offset)
        }.map(\.element)
    }

    /// How the work was spread over virtual CPUs; `nil` where there is one.
    var spreadText: String? {
        let counts = summary.operationsByCPU
        let busy = counts.filter { $0 > 0 }
        guard counts.count > 1, !busy.isEmpty else { return nil }
        let text = "\(Figures.count(busy.count)) of \(Figures.count(counts.count)) worked"
        guard busy.count <= 8 else {
            return text + ", with \(Figures.count(busy.min() ?? 0)) to "
                + Figures.count(busy.max() ?? 0, "operation")
        }
        let parts = counts.enumerated().filter { $0.element > 0 }.map { cpu, count in
            "\(Figures.count(count)) on CPU \(cpu)"
        }
        return text + "; operations: " + parts.joined(separator: ", ")
    }

    /// Steps that the run took, for shares of it.
    var stepCount: Int {
        max(
            summary.operations, summary.timeline.last.map { $0.step + 1 } ?? 0,
            summary.processes.reduce(0) { max($0, ($1.lastStep ?? $1.firstStep) + 1) }, 1)
    }
}

extension RunReport {
    /// What became of the run on each system: of one, or with `--on both` of two.
    var summaries: [RunSummary] { comparison?.summaries ?? [summary] }

    /// What the systems did otherwise than the work says.
    var systemRemarks: [String] {
        summaries.flatMap { summary in summary.remarks.map { "\(summary.system): \($0)" } }
    }

    /// Whether anything is not as recorded, claimed or on the other system, or the run did not go
    /// to its end.
    package var hasFailed: Bool { !Verdict(self).isGood }
}
