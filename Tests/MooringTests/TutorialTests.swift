// SPDX-License-Identifier: Apache-2.0
//
// The code of the article "Your first machine" (Mooring.docc/FirstMachine.md), as a program would
// write it: a plain import, and nothing that is not public. Each test is a section of the article;
// Documents/ArticleTests.swift compares the two line by line.

import Mooring
import Testing

@Suite struct TutorialTests {
    // The article shows a call on one line that is longer than ours may be.
    // swift-format-ignore
    @Test func `a process locks memory on fault and touches it`() throws {
        let machine = try Machine(.init(memory: .gibibytes(4)))
        let task = machine.spawn()
        let region = try task.mmap(length: .mebibytes(64), protection: [.read, .write], flags: [.private, .anonymous])
        try task.mlock(region, onFault: true)
        try task.access(region, .write)

        let status = task.status()
        #expect(status.contains("VmLck:\t   65536 kB"))
        #expect(status.contains("VmRSS:\t   65536 kB"))
        let pages = try task.mincore(region[0..<4])
        #expect(pages == [1, 1, 1, 1])
        #expect(machine.freeMemory < .gibibytes(4))

        try machine.audit()
    }

    @Test func `an error is the one that the kernel gives`() throws {
        let machine = try Machine(.init(memory: .mebibytes(64)))
        let task = machine.spawn()

        do {
            try task.munmap(Region(address: 1, length: 4096))
        } catch {
            #expect(error == .EINVAL)
        }

        do {
            try task.access(Region(address: 0x1000, length: 1), .read)
        } catch {
            #expect(error.signal == .segmentationUnmapped)
            #expect(error.address == 0x1000)
        }
    }

    @Test func `a fork shares pages until one side writes`() throws {
        var configuration = MachineConfiguration(memory: .mebibytes(256))
        configuration.contents = .bytes
        let machine = try Machine(configuration)
        let parent = machine.spawn()
        let heap = try parent.mmap(
            length: .mebibytes(1), protection: [.read, .write], flags: [.private, .anonymous])

        try parent.write([1, 2, 3], at: heap.address)
        let child = try parent.fork()
        try child.write([9], at: heap.address)
        #expect(try child.read(3, at: heap.address) == [9, 2, 3])
        #expect(try parent.read(3, at: heap.address) == [1, 2, 3])
        child.exit()

        try machine.audit()
    }

    @Test func `a page past the end of a file is a bus error`() throws {
        let machine = try Machine(.init(memory: .mebibytes(256)))
        let task = machine.spawn()

        let log = machine.makeFile(named: "/memfd:log", kind: .memory, length: .kibibytes(16))
        let window = try task.mmap(
            length: .kibibytes(16), protection: [.read, .write], flags: .shared, file: log)
        try task.access(window, .write)
        try log.truncate(to: .kibibytes(4))
        do {
            try task.access(window[1..<2], .read)
        } catch {
            #expect(error.signal == .busPastEnd)
        }

        try machine.audit()
    }

    @Test func `two threads drive two processes`() async throws {
        var configuration = MachineConfiguration(memory: .gibibytes(1))
        configuration.cpus = 2
        let machine = try Machine(configuration)

        try await withThrowingTaskGroup { group in
            for cpu in 0..<2 {
                group.addTask {
                    let task = machine.spawn(on: cpu)
                    let region = try task.mmap(
                        length: .mebibytes(16), protection: [.read, .write],
                        flags: [.private, .anonymous])
                    try task.access(region, .write)
                    task.exit()
                }
            }
            try await group.waitForAll()
        }

        try machine.audit()
    }
}
