// SPDX-License-Identifier: Apache-2.0

import LinuxHost
import Mooring
import Testing
import Workloads

/// The recordings in `Traces`.
@Suite(.serialized) struct BundledRecordingsTests {
    private func recording(_ name: String) throws -> Recording {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try Recording(traceBytes: WorkFile.bytes(of: "/\(folder)/Traces/\(name).mooring"))
    }

    @Test(arguments: [
        ("gcc", 1), ("memcached", 1), ("python", 1), ("redis", 1), ("gcc", 3), ("redis", 4),
    ])
    func `replays to the recorded results and peaks, on any number of CPUs`(
        name: String, cpus: Int
    ) throws {
        let recording = try recording(name)
        var configuration = MachineConfiguration(memory: .gibibytes(4))
        configuration.cpus = cpus
        configuration.nodes = cpus > 1 ? 2 : 1
        let system = try EngineSystem(configuration)
        var options = RunOptions()
        options.audit = { try system.machine.audit() }
        options.auditInterval = max(1, recording.steps.count / 50)
        let summary = try Runner(system: system, options: options).run(recording)
        #expect(summary.compared > 300)
        #expect(summary.differenceCount == 0, "\(summary.differences.prefix(5))")
        try expectPeaks(summary, within: 0.01)
    }

    /// The kernel may be any: what it does not let be chosen (`remarks`) makes mappings lie
    /// elsewhere, and nothing else differ.
    @Test(
        .enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"),
        arguments: ["gcc", "memcached", "python", "redis"])
    func `replays to the recorded results and peaks on the host's kernel`(name: String) throws {
        let recording = try recording(name)
        let system = try KernelSystem()
        let summary = try Runner(system: system).run(recording)
        #expect(summary.compared > 300)
        let unexplained = summary.differences.filter {
            system.remarks.isEmpty || $0.kind != .placement
        }
        #expect(unexplained == [])
        #expect(summary.processes.count == Set(recording.processes.map(\.process)).count)
        if summary.leftOut.isEmpty { try expectPeaks(summary, within: 0.05) }
        // What was left out is locking without the privilege, and nothing else.
        #expect(summary.leftOut.allSatisfy { $0.reason.contains("ulimit -l") })
    }

    private func expectPeaks(_ summary: RunSummary, within tolerance: Double) throws {
        for process in summary.processes {
            for image in process.images where image.recordedPeakResident != nil {
                let deviation = try #require(image.deviation)
                #expect(abs(deviation) <= tolerance, "peak of \(image.name)")
            }
        }
    }
}
