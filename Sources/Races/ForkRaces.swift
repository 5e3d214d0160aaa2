// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let forkRaces = [forkFault, forkFuture]

    /// A process forks while another of its CPUs touches memory for the first time.
    private static let forkFault = Race(
        name: "fork-fault",
        summary: "a fault gives a VMA its first page and its group while fork copies it",
        mutations: [.forkShares]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        let notes = Notes()
        return Scene(
            machine: machine,
            cpus: [
                { notes.tasks.append(try task.fork()) },
                { try task.on(cpu: 2).access(region, .write) },
            ],
            check: {
                machine.drainBatches()
                try machine.audit()
                for child in notes.tasks { child.exit() }
            },
            notes: notes)
    }

    /// A process forks while another of its CPUs locks all that it will map.
    private static let forkFuture = Race(
        name: "fork-mlockall",
        summary: "a child inherits what mlockall said of the future",
        mutations: [.forkLooksBeforeLock]
    ) {
        let machine = try Stage.machine()
        let task = machine.spawn(on: 1)
        _ = try task.mapPrivate(1)
        let notes = Notes()
        return Scene(
            machine: machine,
            cpus: [
                { notes.tasks.append(try task.fork()) },
                { try task.on(cpu: 2).mlockall([.current, .future]) },
            ],
            check: {
                for child in notes.tasks {
                    let region = try child.mapPrivate(1)
                    try child.access(region, .write)
                    try machine.audit()
                    let unlocked = child.lockedPages
                    child.exit()
                    try expect("pages that the child has locked", unlocked, 0)
                }
            },
            notes: notes)
    }
}
