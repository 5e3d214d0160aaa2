// SPDX-License-Identifier: Apache-2.0

import LinuxHost
import Mooring
import TestSupport
import Testing
import Workloads

@testable import Conformance

@Suite struct `Verifying where memory is short` {
    private static let memory: UInt64 = 8 << 20

    private static func engine() throws -> EngineSystem {
        var configuration = MachineConfiguration(memory: .bytes(memory))
        configuration.contents = .bytes
        configuration.swap = [.bytes(2 * memory)]
        return try EngineSystem(configuration)
    }

    private static func result(
        operations: Int = 400, hasSwap: Bool = true, against referee: any MemorySystem
    ) throws -> PressureResult {
        var options = PressureOptions()
        options.operations = operations
        options.seed = SeededRandom.fromEnvironment(otherwise: 1).seed
        options.memory = memory
        options.hasSwap = hasSwap
        print("Work where memory is short: MOORING_SEED=\(options.seed)")
        var verification = PressureVerification(options, try engine(), referee: referee)
        return try verification.run()
    }

    @Test(.enabled(if: Host.canBeAsked, "the host's kernel cannot be driven here"))
    func `finds the engine and the host's kernel in agreement`() throws {
        let kernel: KernelSystem
        do { kernel = try KernelSystem(memory: Self.memory) } catch let refusal as HostRefusal {
            print("Not limited: \(refusal.reason)")
            kernel = try KernelSystem()
        }
        let result = try Self.result(hasSwap: KernelSystem.hasSwap, against: kernel)
        #expect(result.disagreement == nil)
        #expect(result.compared >= 400)
        #expect(result.reclaimed > 1000)
        #expect(result.lockedPages > 1000)
    }

    @Test func `takes pages away on the engine, to swap and back`() throws {
        let result = try Self.result(against: Self.engine())
        #expect(result.disagreement == nil)
        #expect(result.swappedOut > 1000)
        #expect(result.majorFaults > 200)
        #expect(result.majorFaults == result.refereeMajorFaults)
    }

    @Test func `finds a locked page that has gone`() throws {
        let result = try Self.result(
            against: WrongSystem(
                Self.engine(), entries: { $0.enumerated().map { $0 % 61 == 60 ? 0 : $1 } }))
        let found = try #require(result.disagreement)
        #expect(found.contains("on a wrong system page"), "\(found)")
        #expect(found.hasSuffix("is locked and not in memory"), "\(found)")
    }

    @Test func `finds data that did not survive`() throws {
        var stores = 0
        let result = try Self.result(
            against: WrongSystem(Self.engine()) { operation, engine in
                if case .store(let span, _) = operation.call {
                    stores += 1
                    if stores == 50 {
                        return try engine.perform(
                            Operation(operation.process, .access(span, .write)))
                    }
                }
                return try engine.perform(operation)
            })
        let found = try #require(result.disagreement)
        #expect(found.contains("load "), "\(found)")
    }
}
