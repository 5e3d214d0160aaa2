// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let perCPURaces = [drainFailing, drainFilling]

    /// No frame is left but on the lists of CPUs: one CPU asks for them while another frees.
    private static let drainFailing = Race(
        name: "drain-failing-allocation",
        summary: "an allocation fails and drains the lists of a CPU that is using them",
        mutations: [.drainsBusyCPUs]
    ) {
        // How many pages there are frames for: who wants one more is killed.
        var room = 0
        do {
            let (_, task, _, region, _) = try Stage.pairOnSmallMachine()
            while (try? task.access(region[room..<room + 1], .write)) != nil { room += 1 }
        }
        let (machine, task, other, region, wanted) = try Stage.pairOnSmallMachine()
        // The other one goes when there is no frame, which is little work.
        try task.setOOMScoreAdjustment(-1000)
        try task.access(region[0..<room], .write)
        try task.madvise(region[0..<2], .dontNeed)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.madvise(region[2..<7], .dontNeed) },
                // Out of memory where CPU A has not freed yet.
                { try? other.access(wanted[1..<4], .write) },
            ],
            check: { machine.drainBatches() })
    }

    /// One CPU drains the batches of all while another puts a page into its own.
    private static let drainFilling = Race(
        name: "drain-filling",
        summary: "a CPU drains every CPU's batches while another fills its own",
        mutations: [.drainsWithoutEntering]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(3)
        try task.access(region[0..<2], .write)
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region[2..<3], .write) },
                { machine.drainBatches() },
            ],
            check: { machine.drainBatches() })
    }
}

extension Stage {
    /// Two processes on a machine of 4 MiB: one with more memory than there is, one with a few pages,
    /// the first of them used.
    fileprivate static func pairOnSmallMachine() throws -> (
        machine: Machine, task: Machine.Task, other: Machine.Task, region: Region, wanted: Region
    ) {
        let machine = try Stage.machine(memory: .mebibytes(4), overcommit: .always)
        let task = machine.spawn(on: 1)
        let other = machine.spawn(on: 2)
        let region = try task.mapPrivate(1100)
        let wanted = try other.mapPrivate(4)
        try other.access(wanted[0..<1], .write)
        return (machine, task, other, region, wanted)
    }
}
