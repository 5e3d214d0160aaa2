// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing
import Workloads

@testable import Conformance

@Suite struct `Area states` {
    private static let smaps = """
        200000000000-200000004000 rw-p 00000000 00:00 0 
        Size:                 16 kB
        Rss:                   8 kB
        Pss:                   4 kB
        Private_Dirty:         8 kB
        Locked:               12 kB
        THPeligible:           0
        VmFlags: rd wr mr mw me lo lf ac 
        7ffff7ff0000-7ffff7ff1000 r--s 00002000 00:01 17                         /memfd:a (deleted)
        Rss:                   4 kB
        VmFlags: rd sh zz 

        """

    @Test func `are read from the text of smaps`() {
        let areas = [AreaState](smaps: Self.smaps)
        #expect(areas.count == 2)
        #expect(areas[0].line == "200000000000-200000004000 rw-p 0 anonymous")
        #expect(areas[0].flagsText == "rd wr mr mw me lo lf ac")
        #expect(areas[1].line == "7ffff7ff0000-7ffff7ff1000 r--s 2000 memory")
        #expect(areas[1].flagsText == "rd sh ??")
        let names = AreaState.figureNames
        func figure(_ name: String) -> UInt32? {
            names.firstIndex(of: name).map { areas[0].figures[$0] }
        }
        #expect(figure("Rss") == 8)
        #expect(figure("Pss") == 4)
        #expect(figure("Private_Dirty") == 8)
        #expect(figure("Locked") == 12)
    }

    @Test func `are told apart by every field that a system prints`() throws {
        var configuration = MachineConfiguration(memory: .mebibytes(64))
        configuration.contents = .bytes
        let machine = try Machine(configuration)
        let task = machine.spawn()
        let region = try task.mmap(
            length: .kibibytes(16), protection: [.read, .write], flags: [.private, .anonymous])
        try task.access(region[0..<3], .write)
        let before = [AreaState](smaps: task.smaps())
        try task.mlock(region)
        let after = [AreaState](smaps: task.smaps())
        #expect(before != after)
        #expect(before.map(\.shape) == after.map(\.shape))
        try machine.audit()
    }

    @Test func `that meet a range are found`() {
        let areas = [AreaState](smaps: Self.smaps)
        #expect(areas.overlapping(0x2000_0000_3000, 0x2000_0000_5000).count == 1)
        #expect(areas.overlapping(0x2000_0000_4000, 0x7FFF_F7FF_0000).isEmpty)
        #expect(areas.overlapping(0, .max).count == 2)
    }

    @Test func `no two fields look the same to the reader`() {
        #expect(Set(AreaState.figureNames.map { key(of: $0) }).count == AreaState.figureNames.count)
        #expect(Set(StatusState.names.map { key(of: $0) }).count == StatusState.names.count)
    }
}
