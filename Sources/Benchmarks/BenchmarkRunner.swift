// SPDX-License-Identifier: Apache-2.0
//
// Measuring: the engine and the kernel in turn (A B A B …), so that what disturbs this host
// disturbs both; medians, so that it disturbs little.

import LinuxHost
import Mooring
import Workloads

/// What to measure, and how often.
package struct BenchmarkOptions: Sendable {
    /// Which side to measure.
    package enum Systems: String, Sendable, CaseIterable {
        case both
        case mooring
        case kernel
    }

    /// Which side to measure.
    package var systems = Systems.both
    /// Only rows whose name contains this.
    package var filter: String?
    /// How many samples of each to take.
    package var samples = 15
    /// How many pages, pairs, operations or faults a sample times.
    package var pages = 32_768
    /// Whether rows that explain others are measured too.
    package var includesSupplementary = false

    /// The defaults.
    package init() {}

    /// The rows that these options select, in the order of the table.
    package var selected: [Benchmark] {
        Benchmark.all.filter { benchmark in
            guard systems != .kernel || benchmark.kernel != nil else { return false }
            guard let filter else { return includesSupplementary || !benchmark.isSupplementary }
            return benchmark.name == filter
                || benchmark.name.contains(filter)
                    && (includesSupplementary || !benchmark.isSupplementary)
        }
    }
}

/// Measures benchmarks.
package struct BenchmarkRunner: Sendable {
    /// What to measure.
    package let options: BenchmarkOptions
    /// Told before each round of samples: the name, the round from 1, and how many there are.
    private let progress: @Sendable (String, Int, Int) -> Void

    package init(
        _ options: BenchmarkOptions,
        progress: @escaping @Sendable (String, Int, Int) -> Void = { _, _, _ in }
    ) throws(SystemFailure) {
        guard options.samples > 0, options.pages > 0 else {
            throw SystemFailure("A benchmark needs at least one sample of at least one page.")
        }
        self.options = options
        self.progress = progress
    }

    /// Measures all rows that the options select.
    ///
    /// - Returns: A result for each.
    /// - Throws: `SystemFailure` where the engine failed.
    package func run() throws -> [BenchmarkResult] {
        var results: [BenchmarkResult] = []
        for benchmark in options.selected {
            var result = try measure(benchmark)
            result.judge(beside: results)
            results.append(result)
        }
        return results
    }

    private func measure(_ benchmark: Benchmark) throws -> BenchmarkResult {
        var result = BenchmarkResult(
            name: benchmark.name, unit: benchmark.unit, target: benchmark.target,
            samples: options.samples, pages: options.pages)
        do {
            switch benchmark.work {
            case .operation(let work): try measure(benchmark, work, into: &result)
            case .lineTransfer:
                result.mooring = Figures(
                    try (1...options.samples).map { round in
                        progress(benchmark.name, round, options.samples)
                        return try Scaling.lineTransfer()
                    })
            case .scale(let shape, let entry):
                let scaling = try Scaling(shape, entry, pages: options.pages)
                result.mooring = Figures(
                    try (1...options.samples).map { round in
                        progress(benchmark.name, round, options.samples)
                        return try scaling.sample()
                    })
            }
        } catch let failure as SystemFailure {
            throw failure
        } catch {
            throw SystemFailure("\(benchmark.name) failed on the engine: \(error).")
        }
        return result
    }

    private func measure(
        _ benchmark: Benchmark, _ work: (EngineScene) throws -> Void,
        into result: inout BenchmarkResult
    ) throws {
        let machine = try options.systems == .kernel ? nil : warmedMachine(benchmark)
        var engine: [Double] = []
        var kernel: [Double] = []
        for round in 1...options.samples {
            progress(benchmark.name, round, options.samples)
            if let machine {
                // Memory is used once just before, as on the kernel's side (KernelTimings.swift):
                // that side's sample has driven the machine's out of the caches.
                try work(EngineScene(machine, pages: options.pages))
                let scene = EngineScene(machine, pages: options.pages)
                try work(scene)
                engine.append(scene.result)
            }
            guard options.systems != .mooring, result.kernelUnavailable == nil,
                let timing = benchmark.kernel
            else { continue }
            do {
                kernel.append(try KernelTimings.run(timing, pages: options.pages))
            } catch let failure as SystemFailure {
                result.kernelUnavailable = failure.description
                kernel = []
            }
        }
        result.mooring = Figures(engine)
        result.kernel = Figures(kernel)
    }

    private func warmedMachine(_ benchmark: Benchmark) throws -> Machine {
        let machine = try EngineScene.makeMachine(
            pages: options.pages, faultAroundPages: benchmark.faultAroundPages)
        try EngineScene.warm(machine)
        return machine
    }
}
