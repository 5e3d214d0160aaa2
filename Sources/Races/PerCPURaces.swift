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
        let machine = try Stage.machine(memory: .mebibytes(4), overcommit: .always)
        let task = machine.spawn(on: 1)
        let other = machine.spawn(on: 2)
        let region = try task.mapPrivate(1100)
        let wanted = try other.mapPrivate(4)
        try other.access(wanted[0..<1], .write)
        // Until there is no frame left.
        for page in 0..<1100 where (try? task.access(region[page..<page + 1], .write)) == nil {
            try task.madvise(region[0..<2], .dontNeed)
            break
        }
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
