// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// What the tests of calls start from: a small machine with contents, and one process.
struct CallBench {
    let machine: Machine
    let task: Machine.Task
    /// Far below everything else that a test maps.
    static let base: UInt64 = 0x1000_0000_0000

    init(
        memory: ByteCount = .mebibytes(64), contents: MachineConfiguration.Contents = .bytes,
        overcommit: OvercommitMode = .heuristic, maxMapCount: Int = 65530, cpus: Int = 1
    ) throws {
        var configuration = MachineConfiguration(memory: memory)
        configuration.contents = contents
        configuration.overcommit = overcommit
        configuration.maxMapCount = maxMapCount
        configuration.cpus = cpus
        machine = try Machine(configuration)
        task = machine.spawn()
    }

    /// `pages` pages of the base area, from page `first` on.
    func region(_ first: Int, _ pages: Int) -> Region {
        Region(
            address: UInt64(Int(CallBench.base) + first * Int(pageSize)),
            length: UInt64(pages) * pageSize)
    }

    /// Maps pages of the base area.
    @discardableResult
    func map(
        _ first: Int, _ pages: Int, _ protection: Protection = [.read, .write],
        _ flags: MapFlags = [.private, .anonymous], file: Machine.File? = nil,
        offset: ByteCount = .bytes(0)
    ) throws(Errno) -> Region {
        let place = region(first, pages)
        return try task.mmap(
            address: place.address, length: .bytes(place.length), protection: protection,
            flags: flags.union(.fixed), file: file, offset: offset)
    }

    /// The VMAs of a process as `first..<last rights`, in pages of the base area.
    func layout(of task: Machine.Task? = nil) -> [String] {
        var lines: [String] = []
        var vma = (task ?? self.task).process.space.tree.first
        while let current = vma {
            let first = (Int(current.start) - Int(CallBench.base)) / Int(pageSize)
            let last = (Int(current.end) - Int(CallBench.base)) / Int(pageSize)
            let rights = [(VMAFlags.read, "r"), (.write, "w"), (.execute, "x")].map {
                current.flags.contains($0.0) ? $0.1 : "-"
            }.joined()
            lines.append("\(first)..<\(last) \(rights)")
            vma = current.next
        }
        return lines
    }

    /// The flags of the VMA that holds a page of the base area.
    func flags(at page: Int) -> VMAFlags {
        task.process.space.tree.find(region(page, 1).address)?.flags ?? []
    }

    /// Pages promised by the whole machine.
    var committed: Int { Int(machine.spaces.commitment.committedPages) }

    /// Pages that the process has resident.
    var resident: Int { task.process.space.residentPages }

    /// Pages that the process has locked.
    var locked: Int { task.process.space.pointer.pointee.lockedPages }

    /// Expects a call to fail.
    func expect(
        _ error: Errno, sourceLocation: SourceLocation = #_sourceLocation,
        _ call: () throws -> Void
    ) {
        #expect(throws: error, sourceLocation: sourceLocation, performing: call)
    }

    /// Expects an access to end in a signal.
    func expect(
        _ signal: Signal, at page: Int, _ kind: AccessKind,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            throws: AccessFailure(signal: signal, address: region(page, 1).address),
            sourceLocation: sourceLocation
        ) {
            try task.access(region(page, 1), kind)
        }
    }
}
