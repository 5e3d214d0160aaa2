// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing
import Workloads

/// The recordings in `Traces`, on the engine.
@Suite struct BundledRecordingsTests {
    @Test(arguments: ["gcc", "memcached", "python", "redis"])
    func `replays to the recorded results and peaks`(name: String) throws {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try WorkFile.bytes(of: "/\(folder)/Traces/\(name).mooring")
        let recording = try Recording(traceBytes: bytes)
        let system = try EngineSystem(MachineConfiguration(memory: .gibibytes(4)))
        var options = RunOptions()
        options.audit = { try system.machine.audit() }
        options.auditInterval = max(1, recording.steps.count / 50)
        let summary = try Runner(system: system, options: options).run(recording)
        #expect(summary.compared > 300)
        #expect(summary.differenceCount == 0, "\(summary.differences.prefix(5))")
        for process in summary.processes {
            for image in process.images where image.recordedPeakResident != nil {
                let deviation = try #require(image.deviation)
                #expect(abs(deviation) <= 0.01, "peak of \(image.name)")
            }
        }
    }
}
