// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing
import Workloads

/// The recordings in `Traces`, on the engine.
@Suite struct BundledRecordingsTests {
    @Test(arguments: [
        ("gcc", 1), ("memcached", 1), ("python", 1), ("redis", 1), ("gcc", 3), ("redis", 4),
    ])
    func `replays to the recorded results and peaks, on any number of CPUs`(
        name: String, cpus: Int
    ) throws {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try WorkFile.bytes(of: "/\(folder)/Traces/\(name).mooring")
        let recording = try Recording(traceBytes: bytes)
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
        for process in summary.processes {
            for image in process.images where image.recordedPeakResident != nil {
                let deviation = try #require(image.deviation)
                #expect(abs(deviation) <= 0.05, "peak of \(image.name)")
            }
        }
    }
}
