// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let fileRaces = [
        twoArrivals, twoCopies, truncationFault, truncationFirstFault, truncationWrite,
        truncationDirty, holeFault,
    ]

    /// Two processes touch one page of a file for the first time.
    private static let twoArrivals = Race(
        name: "two-arrivals",
        summary: "two CPUs bring one page of a file in, and map different frames",
        mutations: [.bringsInWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let tasks = [machine.spawn(on: 1), machine.spawn(on: 2)]
        let regions = try tasks.map { try $0.mapShared(file, 1) }
        return Scene(
            machine: machine,
            cpus: [
                { try tasks[0].access(regions[0], .write) },
                { try tasks[1].access(regions[1], .write) },
            ],
            check: { machine.drainBatches() })
    }

    /// Two CPUs write one page of a file's private mapping for the first time.
    private static let twoCopies = Race(
        name: "two-file-copies",
        summary: "two CPUs copy one page of a file, and the copy of one is lost",
        mutations: [.copiesFileWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(2))
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2, of: file)
        try task.access(region[1..<2], .write)
        _ = try file.write(at: .bytes(0), length: .pages(1))
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region[0..<1], .write) },
                { try task.on(cpu: 2).access(region[0..<1], .write) },
            ],
            check: { machine.drainBatches() })
    }

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

    /// The first page of a table is mapped while the file shrinks.
    private static let truncationFirstFault = Race(
        name: "truncation-first-fault",
        summary: "truncation passes over a table whose first page is just being mapped",
        mutations: [.trustsEmptyTables]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        // Makes the table, which is empty again afterwards.
        try task.access(region, .write)
        try file.truncate(to: .bytes(0))
        _ = try file.write(at: .bytes(0), length: .pages(1))
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try? task.access(region, .write) },
                { try file.truncate(to: .bytes(0)) },
            ],
            check: { machine.drainBatches() })
    }

    /// A page of a device's file is written for the first time while the file shrinks.
    private static let truncationWrite = Race(
        name: "truncation-write",
        summary: "the notice of a first write maps a page anew that truncation has taken away",
        mutations: [.notesWriteWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .read)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try? task.access(region, .write) },
                { try file.truncate(to: .bytes(0)) },
            ],
            check: { machine.drainBatches() })
    }

    /// A page of a device's file becomes dirty while it leaves the cache.
    private static let truncationDirty = Race(
        name: "truncation-dirty",
        summary: "a page is counted as dirty after it has left the cache, and stays so for ever",
        mutations: [.dirtiesGonePages]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .read)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try? task.access(region, .write) },
                { try file.truncate(to: .bytes(0)) },
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
}
