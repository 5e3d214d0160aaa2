// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Race {
    static let mlockRaces = [
        munlockIsolation, mlockAddition, munlockAddition, mlockTruncation, freedInBatch, twoLockers,
        mlockDrainedLate, markDrainedLate, freedWhileMarked, countedTruncation,
    ]

    /// A page waits in one CPU's batch, which is to be on no list, while another process locks
    /// and unlocks it.
    private static let munlockIsolation = Race(
        name: "munlock-isolation",
        summary: "munlock clears the mark of a page that somebody has taken off its list, who puts "
            + "it back on the wrong one",
        mutations: [.judgesBeforeLock]
    ) {
        let page = try Stage.sharedPage()
        let (machine, one, other) = (page.machine, page.one, page.other)
        // Brought in on CPU 1: it waits in that CPU's batch.
        try one.access(page.seen, .read)
        return Scene(
            machine: machine,
            cpus: [
                { machine.drainBatches(ofCPU: 1) },
                {
                    try other.mlock(page.held)
                    try other.munlock(page.held)
                },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// A page enters its list while another CPU marks it.
    private static let mlockAddition = Race(
        name: "mlock-list-entry",
        summary: "a page is marked mlocked while it enters a list, and stays on an evictable one",
        mutations: [.marksListedLast]
    ) {
        let page = try Stage.sharedPage()
        let (machine, one, other) = (page.machine, page.one, page.other)
        try other.access(page.held, .read)
        machine.drainBatches()
        try page.file.truncate(to: .pages(0))
        try page.file.truncate(to: .pages(1))
        try one.access(page.seen, .read)
        return Scene(
            machine: machine,
            cpus: [
                {
                    machine.drainBatches(ofCPU: 1)
                    try one.access(page.seen, .read)
                },
                {
                    try other.mlock(page.held)
                    machine.drainBatches(ofCPU: 2)
                },
            ],
            check: {
                machine.drainBatches()
                if !machine.unevictableListAgrees {
                    throw SceneFailure("a frame marked mlocked is on an evictable list")
                }
            })
    }

    /// A page that is marked enters its list while another CPU clears the mark.
    private static let munlockAddition = Race(
        name: "munlock-list-entry",
        summary: "munlock clears the mark of a page that enters a list, and strands it there",
        mutations: [.looksBeforeLock]
    ) {
        let page = try Stage.sharedPage()
        let (machine, one, other) = (page.machine, page.one, page.other)
        // Waits in CPU 1's batch, and is marked there.
        try one.access(page.seen, .read)
        try other.mlock(page.held)
        return Scene(
            machine: machine,
            cpus: [
                {
                    machine.drainBatches(ofCPU: 1)
                    try one.access(page.seen, .read)
                },
                { try other.munlock(page.held) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// The page that mlock has found is truncated before it is mapped and marked.
    private static let mlockTruncation = Race(
        name: "mlock-truncation",
        summary: "a page is truncated between being found and being locked",
        mutations: [.mapsWithoutLooking]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        _ = try file.write(at: .bytes(0), length: .pages(1))
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                // Populating a page that is gone is an error, and one that mlock may report.
                { try? task.mlock(region) }, { try file.truncate(to: .bytes(0)) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are mlocked", machine.total(.mlock), 0)
            })
    }

    /// A request for a locked page waits in a batch while another process maps the page, and the file
    /// lets it go.
    private static let freedInBatch = Race(
        name: "free-in-lock-batch",
        summary: "a frame is freed while a batch of mlock requests holds it",
        mutations: [.holdsInTwoSteps]
    ) {
        let page = try Stage.sharedPage()
        let machine = page.machine
        try page.one.mlock(page.seen)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try page.one.munmap(page.seen) },
                {
                    try page.other.access(page.held, .read)
                    try page.file.truncate(to: .bytes(0))
                },
            ],
            check: { machine.drainBatches() })
    }

    /// Two processes lock and unlock one page, each by its own batch.
    private static let twoLockers = Race(
        name: "mlock-count",
        summary: "two processes lock and unlock one page of a file, and the count is lost",
        mutations: [.drainsWithoutLock]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let tasks = [machine.spawn(on: 1), machine.spawn(on: 2)]
        let regions = try tasks.map { try $0.mapShared(file, 1) }
        for (task, region) in zip(tasks, regions) { try task.access(region, .read) }
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    try tasks[0].mlock(regions[0])
                    try tasks[0].munlock(regions[0])
                },
                {
                    try tasks[1].mlock(regions[1])
                    try tasks[1].munlock(regions[1])
                },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are mlocked", machine.total(.mlock), 0)
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// One CPU faults a page of a locked VMA in, another unlocks the VMA; then a second process
    /// locks the page.
    private static let mlockDrainedLate = Race(
        name: "mlock-after-munlock",
        summary: "a request to lock is carried out after the munlock of the same mapping",
        mutations: [.owesNothing]
    ) {
        let page = try Stage.sharedPage()
        let (machine, task, other) = (page.machine, page.one, page.other)
        try other.access(page.held, .read)
        try task.mlock(page.seen, onFault: true)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try task.access(page.seen, .read) },
                {
                    try task.on(cpu: 2).munlock(page.seen)
                    try other.mlock(page.held)
                },
            ],
            check: {
                machine.drainBatches()
                try machine.audit()
                try other.munlock(page.held)
                try page.file.truncate(to: .bytes(0))
                machine.drainBatches()
                try expect("frames that are mlocked", machine.total(.mlock), 0)
                try expect("frames freed while marked", machine.total(.unevictableCleared), 0)
            })
    }

    /// One CPU faults a page of a locked VMA in, another unlocks the VMA; nobody else has it.
    private static let markDrainedLate = Race(
        name: "mark-after-munlock",
        summary: "a page is marked after the munlock of the same mapping, and stays so for ever",
        mutations: [.marksLate]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.mlock(region, onFault: true)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                {
                    try task.access(region, .read)
                    machine.drainBatches(ofCPU: 1)
                },
                { try task.on(cpu: 2).munlock(region) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames that are mlocked", machine.total(.mlock), 0)
                try expect("frames that are unevictable", machine.total(.unevictable), 0)
            })
    }

    /// A page that was locked and is not mapped any more loses its last two holders at once, as one
    /// that is isolated while its process ends does.
    private static let freedWhileMarked = Race(
        name: "free-while-marked",
        summary: "a page is freed while it carries a mark, which must be counted as cleared",
        mutations: [.countsMarkEarly]
    ) {
        let machine = try Stage.machine()
        let frame = machine.makeMarkedFrame(references: 2)
        let task = machine.spawn(on: 1)
        let region = try task.mapPrivate(1)
        return Scene(
            machine: machine,
            cpus: [
                {
                    machine.release(frame, onCPU: 1)
                    // Takes the frame again if it is free.
                    try task.access(region, .write)
                },
                { machine.release(frame, onCPU: 2) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames freed while marked", machine.total(.unevictableCleared), 1)
                try expect("frames that are mlocked", machine.total(.mlock), 0)
            })
    }

    /// A page is truncated while mlock counts it.
    private static let countedTruncation = Race(
        name: "mlock-count-truncation",
        summary: "a page that mlock has counted is truncated out of a VMA that is not marked yet",
        mutations: [.countsLockFirst]
    ) {
        let machine = try Stage.machine()
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let task = machine.spawn(on: 1)
        let region = try task.mapShared(file, 1)
        try task.access(region, .read)
        machine.drainBatches()
        return Scene(
            machine: machine,
            cpus: [
                { try? task.mlock(region) }, { try file.truncate(to: .bytes(0)) },
            ],
            check: {
                machine.drainBatches()
                try expect("frames freed while marked", machine.total(.unevictableCleared), 0)
            })
    }
}
