// SPDX-License-Identifier: Apache-2.0
//
// What a benchmark is: a name, what it must reach, and the work on either system.
//
// SEE     BenchmarkList.swift (all of them), BenchmarkRunner.swift (how they are measured).

import LinuxHost
import Mooring

/// What a benchmark has to reach; `nil` where nothing is asked.
package struct BenchmarkTarget: Codable, Hashable, Sendable {
    /// The most that one unit may take on the engine, in nanoseconds.
    package var atMost: Double?
    /// How many times the engine must be as fast as the kernel in the same run.
    package var speedupAtLeast: Double?
    /// For a scale: the least that it may be.
    package var scaleAtLeast: Double?
    /// How many times as long as ``flatAgainst`` one unit may take.
    package var flatWithin: Double?
    /// The benchmark that ``flatWithin`` compares with.
    package var flatAgainst: String?
}

/// One row of the table.
package struct Benchmark: Sendable {
    /// How the engine does it.
    enum Work: Sendable {
        /// Some work whose processor time is taken.
        case operation(@Sendable (EngineScene) throws -> Void)
        /// The same work on two virtual CPUs and on one.
        case scale(Scaling.Shape, Scaling.Entry)
        /// What a cache line takes from one CPU of the host to the other.
        case lineTransfer
    }

    /// What it is called, on the command line and in JSON.
    package let name: String
    /// What one unit of its figures is.
    package let unit: String
    /// What it must reach.
    package let target: BenchmarkTarget
    /// The kernel's own timing of the same work.
    package let kernel: KernelTimings.Name?
    /// Whether it is measured only when asked for: it explains another row.
    package let isSupplementary: Bool
    let work: Work
    /// The machine's setting of that name.
    let faultAroundPages: Int

    /// A row that the kernel has a timing for.
    init(
        _ kernel: KernelTimings.Name, atMost: Double, speedup: Double, faultAroundPages: Int = 16,
        flatAgainst: KernelTimings.Name? = nil,
        _ work: @escaping @Sendable (EngineScene) throws -> Void
    ) {
        self.name = kernel.rawValue
        self.unit = kernel.unit
        self.target = BenchmarkTarget(
            atMost: atMost, speedupAtLeast: speedup, flatWithin: flatAgainst == nil ? nil : 1.2,
            flatAgainst: flatAgainst?.rawValue)
        self.kernel = kernel
        self.isSupplementary = false
        self.work = .operation(work)
        self.faultAroundPages = faultAroundPages
    }

    /// A row that the kernel has no timing for, because it cannot be told to do just this.
    init(
        _ name: String, atMost: Double,
        _ work: @escaping @Sendable (EngineScene) throws -> Void
    ) {
        self.name = name
        self.unit = "ns/page"
        self.target = BenchmarkTarget(atMost: atMost)
        self.kernel = nil
        self.isSupplementary = false
        self.work = .operation(work)
        self.faultAroundPages = 1
    }

    /// A row that explains another one.
    init(
        explaining kernel: KernelTimings.Name, by suffix: String,
        _ work: @escaping @Sendable (EngineScene) throws -> Void
    ) {
        self.name = "\(kernel.rawValue)-\(suffix)"
        self.unit = kernel.unit
        self.target = BenchmarkTarget()
        self.kernel = kernel
        self.isSupplementary = true
        self.work = .operation(work)
        self.faultAroundPages = 16
    }

    /// The row that says how far apart the host's CPUs are.
    init(lineTransfer name: String) {
        self.name = name
        self.unit = "ns"
        self.target = BenchmarkTarget()
        self.kernel = nil
        self.isSupplementary = true
        self.work = .lineTransfer
        self.faultAroundPages = 16
    }

    /// A row of how two virtual CPUs scale.
    init(_ name: String, scaleAtLeast: Double?, _ shape: Scaling.Shape, _ entry: Scaling.Entry) {
        self.name = name
        self.unit = "of arithmetic's scale"
        self.target = BenchmarkTarget(scaleAtLeast: scaleAtLeast)
        self.kernel = nil
        self.isSupplementary = scaleAtLeast == nil
        self.work = .scale(shape, entry)
        self.faultAroundPages = 16
    }
}
