// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let fileRaces = [truncationFault, holeFault, moveWalk, exitTruncation, boundsWalk]

    /// A page is mapped while the file shrinks.
    private static let truncationFault = Race(
        name: "truncation-fault",
        summary: "a fault maps a page of a file that is being truncated, and it stays mapped",
        mutations: [.shrinksLast]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(2))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 2)
        try task.access(region[0..<1], .read)
        _ = try file.write(at: .pages(1), length: .pages(1))
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                // Beyond the end a program gets SIGBUS.
                { try? task.access(region[1..<2], .write) },
                { try file.truncate(to: .pages(1)) },
            ],
            check: { machine.drainBatches() })
    }

    /// A page is mapped while a hole is punched where it is.
    private static let holeFault = Race(
        name: "hole-fault",
        summary: "a fault maps a page that a hole is punched over, and it stays mapped",
        mutations: [.unmapsFirst]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        _ = try file.write(at: .bytes(0), length: .pages(1))
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region, .write) },
                { try file.punchHole(at: .bytes(0), length: .pages(1)) },
            ],
            check: { machine.drainBatches() })
    }

    /// A mapping moves while truncation walks the mappings of its file.
    private static let moveWalk = Race(
        name: "mremap-walk",
        summary:
            "a walk of the reverse map looks for a page that mremap moves, and finds it neither "
            + "at its old place nor at its new one",
        mutations: [.movesUnseen]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(2))
        let task = machine.spawn(on: 1)
        let second = try task.mapShared(file, 1, from: 1)
        try task.access(second, .write)
        // The page moves to where it joins a mapping that a walk comes to first.
        let first = try task.mmap(
            address: second.address - 64 << 20, length: .pages(1), protection: [.read, .write],
            flags: [.shared, .fixed], file: file)
        try task.access(first, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    try task.mremap(
                        second, to: .pages(1), [.mayMove, .fixed], at: first.address + 4096)
                },
                { try file.truncate(to: .bytes(0)) },
            ],
            check: { machine.drainBatches() })
    }

    /// A process ends while truncation walks the mappings of its file.
    private static let exitTruncation = Race(
        name: "exit-truncation",
        summary: "a process ends, and truncation's walk is in a table that is gone",
        mutations: [.freesTablesFirst]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [{ task.exit() }, { try file.truncate(to: .bytes(0)) }],
            check: { machine.drainBatches() })
    }

    /// A VMA is split while truncation walks the mappings of its file.
    private static let boundsWalk = Race(
        name: "split-walk",
        summary: "a VMA is split or merged while a walk of the reverse map reads its bounds",
        mutations: [.reboundsUnseen]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(3))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 3)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    try task.mprotect(region[0..<1], .read)
                    try task.mprotect(region[0..<1], [.read, .write])
                },
                { try file.truncate(to: .pages(1)) },
            ],
            check: { machine.drainBatches() })
    }
}
