// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing
import Workloads

@testable import LinuxHost

@Suite struct `A memory cgroup of the host` {
    /// Why none can be made here; `nil` if one can.
    private static let refusal: String? = {
        do {
            _ = try MemoryGroup(limit: 16 << 20)
            return nil
        } catch { return "\(error)" }
    }()

    @Test(.enabled(if: refusal == nil, "no memory cgroup can be made here; that takes root"))
    func `gives processes so much memory and no more`() throws {
        let system = try KernelSystem(memory: 16 << 20)
        let process = ProcessID(rawValue: 1)
        let child = ProcessID(rawValue: 2)
        #expect(try system.perform(Operation(process, .spawn)) == .value(0))
        _ = try system.perform(Operation(process, .fork(child: child, sharesMemory: false)))
        #expect(system.timesFull == 0)
        let region: UInt64 = 0x10_0000_0000
        let length: UInt64 = 64 << 20
        _ = try system.perform(
            Operation(
                child,
                .mmap(
                    address: .absolute(region), length: length, protection: [.read, .write],
                    flags: [.private, .anonymous, .fixed], file: nil, offset: 0)))
        let span = Span.absolute(address: region, length: length)
        let outcome = try system.perform(Operation(child, .access(span, .write)))
        #expect(system.timesFull > 0)
        // With swap, and enough of it, the rest goes there.
        if !KernelSystem.hasSwap { #expect(outcome == .signal(.outOfMemory, address: 0)) }
    }
}
