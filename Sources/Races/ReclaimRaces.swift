// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let reclaimRaces = [mlockIsolated, munlockIsolated, swapFault]

    /// Reclaim looks at a page, and puts it back, while another process locks it.
    private static let mlockIsolated = Race(
        name: "mlock-reclaim",
        summary: "mlock marks a page that reclaim has isolated and puts on an evictable list",
        mutations: [.putsBackUnseen]
    ) {
        let (machine, locker, region) = try stageSharedPage()
        return Scene(
            machine: machine,
            cpus: [
                { machine.scanInactive(.pages(1), on: 1) },
                { try locker.mlock(region) },
            ],
            check: {
                machine.drainBatches()
                if !machine.unevictableListAgrees {
                    throw SceneFailure("a frame marked mlocked is on an evictable list")
                }
            })
    }

    /// Reclaim looks at a page, and puts it back, while another process locks and unlocks it.
    private static let munlockIsolated = Race(
        name: "munlock-reclaim",
        summary: "munlock clears the mark of a page that reclaim has isolated, and strands it",
        mutations: [.putsBackUnseen]
    ) {
        let (machine, locker, region) = try stageSharedPage()
        return Scene(
            machine: machine,
            cpus: [
                { machine.scanInactive(.pages(1), on: 1) },
                {
                    try locker.mlock(region)
                    try locker.munlock(region)
                },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// A page of a file in memory, mapped by two processes and used by one of them just now.
    private static func stageSharedPage() throws -> (Machine, Machine.Task, Region) {
        let page = try Stage.sharedPage(swap: .mebibytes(1))
        try page.other.access(page.held, .read)
        try page.one.access(page.seen, .read)
        page.machine.drainBatches()
        return (page.machine, page.other, page.held)
    }

    /// A page that was swapped out is touched while reclaim takes its frame.
    private static let swapFault = Race(
        name: "swap-fault",
        summary: "a fault finds a page in the swap cache that reclaim is about to evict",
        mutations: [.evictsWithoutLooking, .ownerIsUnordered]
    ) {
        let machine = try Stage.machine(swap: .mebibytes(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        machine.drainBatches()
        // The page is written, and its frame still in the cache.
        try task.madvise(region, .pageOut)
        machine.endWrites()
        return Scene(
            machine: machine,
            cpus: [
                { machine.scanInactive(.pages(1), on: 1) },
                { try task.on(cpu: 2).access(region, .write) },
            ],
            check: { machine.drainBatches() })
    }
}
