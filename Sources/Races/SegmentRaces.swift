// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let segmentRaces = [arrivalUnlock, attachRemoved]

    /// A page of a locked segment comes in while the segment is unlocked.
    private static let arrivalUnlock = Race(
        name: "shm-unlock",
        summary: "a page comes into a segment that is being unlocked, and stays unevictable",
        mutations: [.judgesSegmentEarly]
    ) {
        let machine = try Stage.machine()
        let segment = try machine.makeSegment(length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.attach(segment)
        try task.shmLock(segment, locked: true)
        return Scene(
            machine: machine,
            cpus: [
                {
                    try task.access(region, .write)
                    machine.drainBatches(ofCPU: 1)
                },
                { try task.on(cpu: 2).shmLock(segment, locked: false) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// A removed segment is attached while its last holder lets it go.
    private static let attachRemoved = Race(
        name: "shmat-shmdt",
        summary: "a removed segment is attached while its last holder empties it",
        mutations: [.attachesToDestroyed]
    ) {
        let machine = try Stage.machine()
        let segment = try machine.makeSegment(length: .pages(1))
        let task = machine.spawn(on: 1)
        let other = machine.spawn(on: 2)
        let region = try task.attach(segment)
        try task.access(region, .write)
        segment.removeSegment()
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.shmdt(region.address) },
                { if let region = try? other.attach(segment) { try other.access(region, .write) } },
            ],
            check: { machine.drainBatches() })
    }
}

extension Machine.Task {
    /// Attaches a segment of one page.
    fileprivate func attach(_ segment: Machine.File) throws -> Region {
        Region(address: try shmat(segment), length: ByteCount.pages(1).bytes)
    }
}
