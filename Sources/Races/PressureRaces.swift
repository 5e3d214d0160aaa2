// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let pressureRaces = [
        lazyLock, twoReclaimers, refaultHole, forkReclaim, writeTruncation, reaperMunlock,
        reaperExit,
    ]

    /// A page that a locked VMA maps and that is not marked: reclaim marks it, munlock is at it.
    private static let lazyLock = Race(
        name: "lazy-lock-munlock",
        summary: "reclaim marks a page for a locked VMA whose munlock is past it already",
        mutations: [.marksWhileChanging]
    ) {
        let machine = try Stage.machine(swap: .mebibytes(1))
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let one = machine.spawn(on: 1)
        let locker = machine.spawn(on: 2)
        let locked = try one.mapShared(file, 1)
        try one.mlock(locked)
        machine.drainBatches()
        // The second mapping's request waits in CPU 2's batch while the only one that is counted
        // is unlocked: the page is evictable then, which reclaim has to find out.
        try locker.mlockall(.future)
        let region = try locker.mapShared(file, 1)
        try one.munlock(locked)
        machine.drainBatches()
        try expect("frames that are marked", machine.total(.mlock), 0)
        return Scene(
            machine: machine,
            cpus: [
                { machine.scanInactive(.pages(1), on: 1) },
                { try locker.munlock(region) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are marked", machine.total(.mlock), 0)
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// One CPU looks at the tail of a list, another is told to take a page that is there.
    private static let twoReclaimers = Race(
        name: "two-reclaimers",
        summary: "two CPUs take one page off its list, and both work on it",
        mutations: [.isolatesByEarlyLook]
    ) {
        let machine = try Stage.machine(swap: .mebibytes(1))
        let task = machine.spawn(on: 2)
        let region = try task.mapPrivate(1)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { machine.scanInactive(.pages(1), on: 1) },
                { try task.madvise(region, .pageOut) },
            ],
            check: {
                machine.endWrites()
                machine.drainBatches()
            })
    }

    /// A page of a file in memory comes back from its slot while a hole is punched over it.
    private static let refaultHole = Race(
        name: "refault-hole",
        summary: "a page comes back by what its file's index kept of it, which a hole removes",
        mutations: [.readsTraceBeforeLock]
    ) {
        let machine = try Stage.machine(swap: .mebibytes(1))
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .write)
        machine.drainBatches()
        try task.madvise(region, .pageOut)
        machine.endWrites()
        _ = machine.reclaim(.pages(1))
        try expect("swapped pages", Int(machine.swapInUse.bytes >> 12), 1)
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(region, .read) },
                { try file.punchHole(at: .pages(0), length: .pages(1)) },
            ],
            check: { machine.drainBatches() })
    }

    /// fork copies the entry that reclaim puts a slot's in the place of.
    private static let forkReclaim = Race(
        name: "fork-reclaim",
        summary: "fork copies the mapping of a page that reclaim is just taking away",
        mutations: [.copiesWithoutLock]
    ) {
        let machine = try Stage.machine(swap: .mebibytes(1))
        let parent = machine.spawn(on: 2)
        let region = try parent.mapPrivate(1)
        try parent.access(region, .write)
        machine.drainBatches()
        // Used once: the next look takes it.
        machine.scanInactive(.pages(1), on: 1)
        let notes = Notes()
        return Scene(
            machine: machine,
            cpus: [
                { machine.scanInactive(.pages(1), on: 1) },
                { notes.tasks.append(try parent.fork()) },
            ],
            check: {
                machine.endWrites()
                for task in notes.tasks + [parent] { try task.access(region, .read) }
                machine.drainBatches()
            }, notes: notes)
    }

    /// A page is truncated while the device writes it.
    private static let writeTruncation = Race(
        name: "write-truncation",
        summary:
            "a page leaves its file while it is written, and its frame is freed under the device",
        mutations: [.writesWithoutReference]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .disk, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .write)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.msync(region, .sync) },
                { try file.truncate(to: .pages(0)) },
            ],
            check: { machine.endWrites() })
    }

    /// The victim unlocks a page while the reaper takes it; somebody else has locked it too.
    private static let reaperMunlock = Race(
        name: "reaper-munlock",
        summary: "the killer takes a page that its victim is unlocking, and it is unlocked twice",
        mutations: [.reapsWithoutLock]
    ) {
        let (machine, asker, victim, region) = try stageVictim()
        return Scene(
            machine: machine,
            cpus: [
                { machine.killForMemory(wantedBy: asker, on: 1) },
                { try victim.munlock(region) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are marked", machine.total(.mlock), 1)
            })
    }

    /// The victim exits while the reaper takes its memory.
    private static let reaperExit = Race(
        name: "reaper-exit",
        summary: "the killer takes the pages of a victim that exits, and its tables are gone",
        mutations: [.reapsWithoutReference]
    ) {
        let (machine, asker, victim, _) = try stageVictim()
        return Scene(
            machine: machine,
            cpus: [
                { machine.killForMemory(wantedBy: asker, on: 1) },
                { victim.exit() },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are marked", machine.total(.mlock), 1)
            })
    }

    /// Somebody who wants memory and has none, and two processes that have locked one page of a file,
    /// of whom the second has to go.
    private static func stageVictim() throws -> (Machine, Machine.Task, Machine.Task, Region) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let asker = machine.spawn(on: 1)
        let keeper = machine.spawn(on: 1)
        let victim = machine.spawn(on: 2)
        for task in [keeper, victim] { try task.mlockall(.future) }
        _ = try keeper.mmap(length: .pages(1), protection: .read, flags: .private, file: file)
        let region = try victim.mmap(
            length: .pages(1), protection: .read, flags: .private, file: file)
        try keeper.setOOMScoreAdjustment(-1000)
        machine.drainBatches()
        return (machine, asker, victim, region)
    }
}
