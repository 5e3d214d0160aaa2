// SPDX-License-Identifier: Apache-2.0
//
// Walks of the reverse map, which hold no address space's lock, while mappings change.

import Mooring

extension Race {
    static let walkRaces = [moveWalk, moveLink, exitTruncation, boundsWalk, forkTruncation]

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
        mutations: [.reboundsUnseen, .shrinksBeforeLinking, .leavesBeforeReaching]
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

    /// A mapping moves to a place of its own while truncation walks the mappings of its file.
    private static let moveLink = Race(
        name: "mremap-link",
        summary: "a walk of the reverse map looks for a page whose new place it does not know yet",
        mutations: [.linksTargetLast, .flushesMoveLate]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    try task.mremap(
                        region, to: .pages(1), [.mayMove, .fixed], at: region.address - 64 << 20)
                },
                { try file.truncate(to: .bytes(0)) },
            ],
            check: { machine.drainBatches() })
    }

    /// A process forks while truncation walks the mappings of its file.
    private static let forkTruncation = Race(
        name: "fork-truncation",
        summary: "fork copies a page that truncation takes away, and the walk misses the copy",
        mutations: [.linksCopyLast]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(2))
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2, of: file)
        try task.access(region[0..<1], .read)
        try task.access(region[1..<2], .write)
        machine.drainBatches()
        let notes = Notes()
        return Scene(
            machine: machine,
            cpus: [
                { notes.tasks.append(try task.fork()) },
                { try file.truncate(to: .bytes(0)) },
            ],
            check: {
                machine.drainBatches()
                try machine.audit()
                for child in notes.tasks { child.exit() }
            },
            notes: notes)
    }
}
