// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let adviceRaces = [mincoreFree, markDiscarded, reuseDiscarded]

    /// mincore looks at a page while MADV_FREE cleans it.
    private static let mincoreFree = Race(
        name: "mincore-free",
        summary: "mincore finds a page absent while MADV_FREE cleans its entry",
        mutations: [.cleansInTwoSteps]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    if try task.mincore(region) != [1] {
                        throw SceneFailure("mincore finds a page absent that is there")
                    }
                },
                { try task.on(cpu: 2).madvise(region, .free) },
            ],
            check: { machine.drainBatches() })
    }

    /// A processor marks a page that MADV_DONTNEED takes away.
    private static let markDiscarded = Race(
        name: "mark-dontneed",
        summary: "the processor's mark brings an entry back that MADV_DONTNEED has taken out",
        mutations: [.marksWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        // Leaves a page that is not marked.
        try task.madvise(region, .free)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region, .write) },
                { try task.on(cpu: 2).madvise(region, .dontNeed) },
            ],
            check: { machine.drainBatches() })
    }

    /// The last sharer of a page writes it while MADV_DONTNEED takes it away.
    private static let reuseDiscarded = Race(
        name: "reuse-dontneed",
        summary: "the last sharer of a page writes in place what MADV_DONTNEED has taken away",
        mutations: [.reusesWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        try task.fork().exit()
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region, .write) },
                { try task.on(cpu: 2).madvise(region, .dontNeed) },
            ],
            check: { machine.drainBatches() })
    }
}
