// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing
import Workloads

@testable import Conformance

@Suite struct `What random work reaches` {
    private static func run(_ operations: Int) throws -> Coverage {
        var options = VerificationOptions()
        options.operations = operations
        options.seed = 3
        let systems = VerificationSystems(
            engine: { try EngineSystem(MachineConfiguration(memory: .mebibytes(256))) },
            referee: { try EngineSystem(MachineConfiguration(memory: .mebibytes(256))) })
        return try Verification(options, on: systems).run().coverage
    }

    @Test func `reaches every call, and says what it did not`() throws {
        let summaries = try Self.run(6000).summaries(of: Set(CallCatalog.calls))
        #expect(summaries.count == CallCatalog.calls.count)
        for summary in summaries { #expect(summary.count > 0, "\(summary.call)") }
        let madvise = try #require(summaries.first { $0.call == "madvise" })
        #expect(!madvise.neverReached.contains("MADV_DONTNEED"))
        #expect(!madvise.neverReached.contains("MADV_COLLAPSE"))
    }

    @Test func `tells kinds of areas and of arguments apart`() {
        let areas = [AreaState](
            smaps: """
                200000000000-200000004000 rw-p 00000000 00:00 0 
                VmFlags: rd wr lo 
                200000004000-200000006000 r--s 00000000 00:01 3 
                VmFlags: rd 

                """)
        func kinds(_ address: UInt64, _ length: UInt64) -> AreaKinds {
            AreaKinds(of: .absolute(address: address, length: length), in: areas)
        }
        #expect(kinds(0x2000_0000_0000, 4096) == [.privateAnonymous, .locked])
        #expect(
            kinds(0x2000_0000_3000, 0x4000)
                == [.privateAnonymous, .locked, .sharedMemory, .readOnly, .several, .hole])
        #expect(kinds(0x1000_0000_0001, 0) == [.hole, .unaligned, .empty])
        #expect(kinds(.max, .max) == [.unaligned, .wrapping])
        #expect(kinds(1 << 47, 4096) == [.hole, .beyond])
    }
}
