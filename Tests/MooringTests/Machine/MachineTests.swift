// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import Mooring

@Suite struct MachineTests {
    @Test func `maps, locks on fault, touches and exits, and the audit agrees each time`() throws {
        let machine = try Machine(.init(memory: .gibibytes(4)))
        let task = machine.spawn()
        try machine.audit()
        let region = try task.mmap(
            length: .mebibytes(64), protection: [.read, .write], flags: [.private, .anonymous])
        try machine.audit()
        try task.mlock(region, onFault: true)
        try machine.audit()
        try task.access(region, .write)
        machine.drainBatches()
        try machine.audit()
        #expect(machine.total(.mlock) == 16384)
        #expect(machine.total(.unevictable) == 16384)
        try task.munlock(region)
        machine.drainBatches()
        try machine.audit()
        #expect(machine.total(.mlock) == 0)
        try task.munmap(region)
        machine.drainBatches()
        try machine.audit()
        task.exit()
        try machine.audit()
    }

    @Test func `a forked child sees its own writes, and its parent does not`() throws {
        var configuration = MachineConfiguration(memory: .mebibytes(64))
        configuration.contents = .bytes
        let machine = try Machine(configuration)
        let parent = machine.spawn()
        let region = try parent.mmap(
            length: .mebibytes(1), protection: [.read, .write], flags: [.private, .anonymous])
        try parent.write([1, 2, 3], at: region.address + 100)
        let child = try parent.fork()
        try machine.audit()
        try child.write([9], at: region.address + 101)
        try machine.audit()
        #expect(try child.read(3, at: region.address + 100) == [1, 9, 3])
        #expect(try parent.read(3, at: region.address + 100) == [1, 2, 3])
        child.exit()
        try machine.audit()
        try parent.write([7], at: region.address + 100)
        #expect(try parent.read(3, at: region.address + 100) == [7, 2, 3])
        parent.exit()
        try machine.audit()
    }

    @Test func `a file shrunk under its mapping raises SIGBUS beyond its end`() throws {
        let machine = try Machine(.init(memory: .mebibytes(64)))
        let task = machine.spawn()
        let file = machine.makeFile(named: "/memfd:f (deleted)", kind: .memory, length: .pages(16))
        let region = try task.mmap(
            length: .pages(16), protection: [.read, .write], flags: [.shared], file: file)
        try task.access(region, .write)
        try machine.audit()
        try file.truncate(to: .pages(4))
        try machine.audit()
        #expect(
            throws: AccessFailure(signal: .busPastEnd, address: region.address + 4 * pageSize)
        ) {
            try task.access(region, .read)
        }
        task.exit()
        try machine.audit()
        file.close()
        try machine.audit()
    }

    @Test func `a process starts where no frame is left, and ends at its first page`() throws {
        let machine = try Machine(.init(memory: .mebibytes(16)))
        let taken = machine.takeAllFrames()
        let task = machine.spawn()
        let region = try task.mapPrivate(pages: 1)
        #expect(throws: AccessFailure(signal: .outOfMemory, address: region.address)) {
            try task.access(region, .read)
        }
        #expect(throws: Errno.EAGAIN) { try task.mlock(region) }
        #expect(task.isKilled)
        let child = try task.fork()
        child.exit()
        #expect(machine.total(.pageTablePages) == 0)

        machine.giveBack(taken)
        let next = machine.spawn()
        try next.access(try next.mapPrivate(pages: 1), .write)
        #expect(machine.total(.pageTablePages) == 4)
        try machine.audit()
        next.exit()
        task.exit()
        #expect(machine.total(.pageTablePages) == 0)
        try machine.audit()
    }

    @Test func `a machine that is full takes at most 32 bytes of descriptor a frame`() async {
        // In a process of its own, whose memory nobody else takes.
        await #expect(processExitsWith: .success) {
            let frames = 1 << 18
            let machine = try Machine(.init(memory: .pages(UInt64(frames))))
            let task = machine.spawn()
            let region = try task.mmap(
                length: .pages(UInt64(frames)), protection: [.read, .write],
                flags: [.private, .anonymous])
            // What a machine takes that has one page is not for that page's frame.
            try task.access(region[0..<1], .write)
            let before = try HostProcess.anonymousBytes()
            let tablesBefore = machine.total(.pageTablePages)
            // A little less than what would have the process killed.
            let used = frames - frames / 64
            try task.access(region[0..<used], .write)
            let taken = try HostProcess.anonymousBytes() - before

            let tables = (machine.total(.pageTablePages) - tablesBefore) * Int(pageSize)
            // The host's allocator rounds, and a slab may have grown by a chunk: not for a frame each.
            #expect(taken - tables <= frames * 32 + 65_536)
            // Nor is it less than what was written, or this would measure nothing.
            #expect(taken - tables >= used * 31)
            try machine.audit()
        }
    }

    @Test func `a machine of 1 TiB is made in under 100 ms`() throws {
        let (time, machine) = try leastProcessorTime {
            try Machine(.init(memory: .tebibytes(1)))
        }
        #expect(time < .milliseconds(100))
        #expect(machine.freeMemory > .gibibytes(1023))
    }

    @Test(arguments: [
        (ImpossibleMachine.Part.memory, "add memory"), (.nodes, "1 to 16"), (.cpus, "1 to 1024"),
        (.maxMapCount, "at least 1"), (.faultAroundPages, "a power of two"),
        (.tlbEntries, "a power of two"), (.swap, "at least 4K"), (.swappiness, "0 to 200"),
    ]) func `an impossible machine is refused with what has to change`(
        part: ImpossibleMachine.Part, remedy: String
    ) throws {
        var configuration = MachineConfiguration(memory: .mebibytes(64))
        switch part {
        case .memory: configuration.memory = .bytes(64 << 10)
        case .nodes: configuration.nodes = 17
        case .cpus: configuration.cpus = 1025
        case .maxMapCount: configuration.maxMapCount = 0
        case .faultAroundPages: configuration.faultAroundPages = 3
        case .swap: configuration.swap = [.gibibytes(1), .bytes(4095)]
        case .swappiness: configuration.swappiness = 201
        case .tlbEntries: configuration.tlbEntries = 3
        }
        let error = #expect(throws: ImpossibleMachine.self) { try Machine(configuration) }
        #expect(try #require(error).part == part)
        #expect(try #require(error).remedy.contains(remedy))
    }

    @Test(arguments: [0, 16 << 40, 20 << 40, UInt64.max])
    func `a machine of no memory, or of more than can be numbered, is refused`(memory: UInt64) {
        #expect(throws: ImpossibleMachine.self) {
            try Machine(MachineConfiguration(memory: .bytes(memory)))
        }
    }
}

/// The process that runs the test, as the host's kernel sees it.
private enum HostProcess {
    /// How much memory of its own it has, which leaves out the pages of programs.
    static func anonymousBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/smaps_rollup", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("Anonymous:") })
        return try #require(Int(line.split(separator: " ")[1])) << 10
    }
}
