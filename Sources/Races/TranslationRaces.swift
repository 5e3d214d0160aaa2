// SPDX-License-Identifier: Apache-2.0
//
// Translations that CPUs hold while entries change. The machine keeps account of them, and stops
// where one is used after its flush was promised, or where a frame is freed under one.

import Mooring

extension Race {
    static let translationRaces = [discardTranslation, copyTranslation, firstRun]

    /// A CPU reads a page that another takes away.
    private static let discardTranslation = Race(
        name: "dontneed-translation",
        summary: "a frame is freed while a CPU that has just read it holds its translation",
        mutations: [.freesBeforeFlush]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.on(cpu: 2).access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region, .read) },
                { try task.on(cpu: 2).madvise(region, .dontNeed) },
            ],
            check: { machine.drainBatches() })
    }

    /// A CPU reads a page that another copies.
    private static let copyTranslation = Race(
        name: "copy-translation",
        summary: "a CPU reads the old page after another has copied it",
        mutations: [.flushesFirst]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        _ = try task.fork()
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    try task.access(region, .read)
                    try task.access(region, .read)
                },
                { try task.on(cpu: 2).access(region, .write) },
            ],
            check: { machine.drainBatches() })
    }

    /// A CPU runs in an address space for the first time while another withdraws translations.
    private static let firstRun = Race(
        name: "first-run",
        summary: "a flush passes over a CPU that runs in the address space for the first time",
        mutations: [.runsUnseen]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.madvise(region, .dontNeed) },
                { try task.on(cpu: 2).access(region, .read) },
            ],
            check: { machine.drainBatches() })
    }
}
