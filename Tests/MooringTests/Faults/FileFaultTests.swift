// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// Faults on mapped files.
@Suite struct FileFaultTests {
    /// Windows are aligned by address, so two mappings of a file may cut it differently.
    ///
    /// gcc's children, which map one library at different addresses, had too few pages resident.
    @Test func `a read of a cached file maps all of its window, whoever read part of it before`()
        throws
    {
        let machine = try Machine(MachineConfiguration(memory: .mebibytes(64)))
        let file = machine.makeFile(named: "lib", kind: .disk, length: .pages(64), isCached: true)
        // The second lies 4 pages further within its windows.
        for (start, resident) in [(0x10_0000, 16), (0x20_4000, 16)] as [(UInt64, Int)] {
            let task = machine.spawn()
            _ = try task.mmap(
                address: start, length: 64 * pageSize, protection: .read,
                flags: [.private, .fixed], file: file, offset: 0)
            try task.access(Region(address: start + 20 * pageSize, length: 1), .read)
            #expect(task.figures().residentFile == resident)
        }
        try machine.audit()
    }

    @Test func `a read of a file that was not cached maps what is in memory`() throws {
        let machine = try Machine(MachineConfiguration(memory: .mebibytes(64)))
        let file = machine.makeFile(named: "data", kind: .disk, length: .pages(64))
        let task = machine.spawn()
        // Pages 16 to 31 are brought in, then the window has pages 12 to 27.
        for (start, resident) in [(0x10_0000, 16), (0x20_4000, 28)] as [(UInt64, Int)] {
            _ = try task.mmap(
                address: start, length: 64 * pageSize, protection: .read,
                flags: [.private, .fixed], file: file, offset: 0)
            try task.access(Region(address: start + 20 * pageSize, length: 1), .read)
            #expect(task.figures().residentFile == resident)
        }
    }
}
