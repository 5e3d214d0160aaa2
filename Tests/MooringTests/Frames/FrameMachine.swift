// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import Mooring

/// Physical memory and CPUs without anything above them: what tests of frames run on.
///
/// The test's thread has entered every CPU, unless it asks for them to be left.
final class FrameMachine: @unchecked Sendable {
    let configuration: MemoryConfiguration
    let cpus: [CPU]
    let frames: FrameTable
    let allocator: FrameAllocator

    init(_ configuration: MemoryConfiguration, cpuCount: Int = 1) throws {
        self.configuration = configuration
        try configuration.validate()
        cpus = (0..<cpuCount).map { CPU(index: $0, zoneCount: configuration.zoneCount) }
        frames = FrameTable(count: configuration.totalFrames)
        allocator = try FrameAllocator(configuration, frames: frames, cpus: cpus)
        cpus[0].enter()
    }

    convenience init(frames: Int, batch: Int? = nil, minFree: Int? = 0) throws {
        var configuration = MemoryConfiguration(frames: frames)
        configuration.perCPUBatch = batch
        configuration.minFreeKibibytes = minFree
        try self.init(configuration)
    }

    deinit {
        allocator.deallocate()
        frames.deallocate()
        for cpu in cpus { cpu.deallocate() }
    }

    /// The CPU that the test's thread has entered.
    var cpu: CPU { cpus[0] }

    /// How often an event happened, on all CPUs.
    func events(_ event: Event) -> Int {
        cpus.reduce(0) { $0 + Int(event.word(in: $1.state.pointee.events).load()) }
    }

    /// Takes single frames until there are none.
    func allocateAll(_ type: MigrateType = .movable) -> [PFN] {
        var taken: [PFN] = []
        while true {
            let pfn = allocator.allocate(type: type, on: cpu)
            if pfn == .none { return taken }
            taken.append(pfn)
        }
    }
}

extension FrameMachine {
    /// Numbers from a seed (splitmix64), the same on every host.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }

        /// `MOORING_SEED`, or a number that no run had before; printed so that a failure can be had
        /// again.
        static func announced(_ test: String = #function) -> Generator {
            let given = ProcessInfo.processInfo.environment["MOORING_SEED"].flatMap { UInt64($0) }
            let seed = given ?? UInt64.random(in: 1...9_999_999)
            print("\(test): MOORING_SEED=\(seed)")
            return Generator(seed: seed)
        }
    }

    /// Runs the body on `count` threads at once and waits for all.
    static func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        SchedulingPoint.setYield { sched_yield() }
        let group = DispatchGroup()
        for index in 0..<count {
            group.enter()
            Thread {
                body(index)
                group.leave()
            }.start()
        }
        group.wait()
    }
}
