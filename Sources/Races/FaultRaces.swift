// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let faultRaces = [
        twoFaults, zeroFrame, twoTables, copyTwice, lastSharer, munmapFault, tableFreed,
    ]

    /// Two CPUs of a process touch one page for the first time.
    private static let twoFaults = Race(
        name: "two-faults",
        summary: "two CPUs fault on one page, and the frame of one is lost",
        mutations: [.faultsWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2)
        // The table and the group are there; the race is about the page.
        try task.access(region[1..<2], .write)
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region[0..<1], .write) },
                { try task.on(cpu: 2).access(region[0..<1], .write) },
            ],
            check: { machine.drainBatches() })
    }

    /// One CPU reads a page for the first time, another writes it.
    private static let zeroFrame = Race(
        name: "zero-frame",
        summary: "a first read maps the zero frame over the page that a first write has made",
        mutations: [.mapsZeroWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2)
        try task.access(region[1..<2], .write)
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region[0..<1], .read) },
                { try task.on(cpu: 2).access(region[0..<1], .write) },
            ],
            check: { machine.drainBatches() })
    }

    /// Two CPUs touch pages of one table that is not there yet.
    private static let twoTables = Race(
        name: "two-tables",
        summary: "two CPUs make the same page table, and what one has put into its own is lost",
        mutations: [.makesTableWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2)
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region[0..<1], .read) },
                { try task.on(cpu: 2).access(region[1..<2], .read) },
            ],
            check: { machine.drainBatches() })
    }

    /// Two CPUs of a process write a page that it shares with its child.
    private static let copyTwice = Race(
        name: "copy-twice",
        summary: "two CPUs of one process copy a shared page, and it is unmapped twice",
        mutations: [.replacesWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        let child = try task.fork()
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region, .write) },
                { try task.on(cpu: 2).access(region, .write) },
            ],
            check: {
                child.exit()
                machine.drainBatches()
            })
    }

    /// A parent and its child write the page that they share; the last sharer may write in place.
    private static let lastSharer = Race(
        name: "copy-on-write",
        summary:
            "parent and child copy one page at once, and one writes what the other still copies",
        mutations: [.copiesLate]
    ) {
        let machine = try Stage.machine(contents: .bytes)
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.write([1, 1], at: region.address)
        let child = try task.fork().on(cpu: 2)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.write([2], at: region.address) },
                { try child.write([3], at: region.address + 1) },
            ],
            check: {
                let mine = try task.read(2, at: region.address)
                let its = try child.read(2, at: region.address)
                if mine != [2, 1] || its != [1, 3] {
                    throw SceneFailure("the parent reads \(mine), the child \(its)")
                }
                machine.drainBatches()
            })
    }

    /// One CPU faults in the table that another unmaps and frees.
    private static let munmapFault = Race(
        name: "munmap-fault",
        summary: "munmap takes VMA and table away under a fault",
        mutations: [.unmapShares]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2)
        try task.access(region[1..<2], .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                // After the munmap there is nothing to touch.
                { try? task.access(region[0..<1], .write) },
                { try task.on(cpu: 2).munmap(region) },
            ],
            check: { machine.drainBatches() })
    }

    /// A CPU that remembers a table comes back after another has freed and remade it.
    private static let tableFreed = Race(
        name: "table-freed",
        summary: "a CPU walks a table that it remembers and another has freed",
        mutations: [.validatesBeforeLock]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(2)
        try task.access(region[0..<1], .write)
        try task.on(cpu: 2).access(region[0..<1], .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try? task.access(region, .write) },
                {
                    let other = task.on(cpu: 2)
                    try other.munmap(region)
                    _ = try other.mmap(
                        address: region.address, length: .pages(2), protection: [.read, .write],
                        flags: [.private, .anonymous, .fixed])
                },
            ],
            check: { machine.drainBatches() })
    }
}
