// SPDX-License-Identifier: Apache-2.0

extension Benchmark {
    /// All benchmarks, with what the engine must reach.
    package static let all: [Benchmark] = [
        Benchmark(.anonTouch, atMost: 55, speedup: 18, EngineWork.anonTouch),
        Benchmark(.anonRead, atMost: 45, speedup: 9, EngineWork.anonRead),
        Benchmark(.anonUnmap, atMost: 30, speedup: 3, EngineWork.anonUnmap),
        Benchmark(.populate, atMost: 45, speedup: 15, EngineWork.populate),
        Benchmark(.mlockPopulated, atMost: 25, speedup: 4, EngineWork.mlockPopulated),
        Benchmark(.munlock, atMost: 25, speedup: 4, EngineWork.munlock),
        Benchmark(.mlockUnpopulated, atMost: 75, speedup: 10, EngineWork.mlockUnpopulated),
        Benchmark(.mlockOnFaultTouch, atMost: 80, speedup: 12, EngineWork.mlockOnFaultTouch),
        Benchmark(.fileTouch, atMost: 50, speedup: 12, faultAroundPages: 1, EngineWork.fileTouch),
        Benchmark(.filePopulate, atMost: 25, speedup: 4, EngineWork.filePopulate),
        Benchmark(.fork, atMost: 20, speedup: 2, EngineWork.fork),
        Benchmark(.forkExit, atMost: 20, speedup: 2, EngineWork.forkExit),
        Benchmark(.copyOnWrite, atMost: 90, speedup: 12, EngineWork.copyOnWrite),
        Benchmark(.mremapMove, atMost: 8, speedup: 1.2, EngineWork.mremapMove),
        Benchmark(.mremapMoveAligned, atMost: 0.4, speedup: 1.2, EngineWork.mremapMoveAligned),
        Benchmark(.mprotectToggle, atMost: 6, speedup: 6, EngineWork.mprotectToggle),
        Benchmark(.vmaChurn1, atMost: 300, speedup: 3, EngineWork.churn(beside: 1)),
        Benchmark(.vmaChurn1000, atMost: 300, speedup: 3, EngineWork.churn(beside: 1_000)),
        Benchmark(.vmaChurn60000, atMost: 300, speedup: 3, EngineWork.churn(beside: 60_000)),
        Benchmark(.vmaSplitMerge, atMost: 350, speedup: 2.5, EngineWork.splitMerge),
        Benchmark(.faultRandom, atMost: 120, speedup: 6, EngineWork.faultRandom),
        Benchmark(.lockedExit1, atMost: 40, speedup: 1.5, EngineWork.lockedExit(of: 1)),
        Benchmark(
            .lockedExit8, atMost: 40, speedup: 1.5, flatAgainst: .lockedExit1,
            EngineWork.lockedExit(of: 8)),
        Benchmark(
            .lockedExit64, atMost: 40, speedup: 1.5, flatAgainst: .lockedExit1,
            EngineWork.lockedExit(of: 64)),
        Benchmark("reclaim-file", atMost: 80, EngineWork.reclaimFile),
        Benchmark("reclaim-scan", atMost: 40, EngineWork.reclaimScan),
        Benchmark("swap-out", atMost: 150, EngineWork.swapOut),
        Benchmark("swap-in", atMost: 150, EngineWork.swapIn),
        Benchmark("scale-two-processes", scaleAtLeast: 0.85, .twoProcesses, .eachPage),
        Benchmark("scale-one-process", scaleAtLeast: 0.7, .oneProcess, .eachPage),

        Benchmark(explaining: .anonTouch, by: "each", EngineWork.anonTouchEach),
        Benchmark(explaining: .anonRead, by: "each", EngineWork.anonReadEach),
        Benchmark(explaining: .anonTouch, by: "cold", EngineWork.anonTouchCold),
        Benchmark(lineTransfer: "line-transfer"),
        Benchmark("scale-two-machines", scaleAtLeast: nil, .twoMachines, .eachPage),
        Benchmark(
            "scale-two-processes-reading", scaleAtLeast: nil, .twoProcesses, .eachPageReading),
        Benchmark("scale-two-processes-range", scaleAtLeast: nil, .twoProcesses, .range),
        Benchmark("scale-one-process-range", scaleAtLeast: nil, .oneProcess, .range),
    ]
}
