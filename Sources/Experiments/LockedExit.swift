// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Experiment {
    /// What it costs that many processes have locked the same file, when all of them end.
    static let lockedExit = Experiment(
        "locked-exit",
        question: "Processes lock the same file and exit at once: what does each page cost?",
        parameters: [
            Parameter(
                name: "processes", meaning: "how many lock the file and exit at once",
                values: [1, 8, 64, 256], range: 1...4096),
            Parameter(
                name: "pages", meaning: "pages of the file", values: [1024], range: 1...1 << 20),
        ]
    ) { settings in
        let counts = settings.values("processes")
        let pages = settings.value("pages")
        var result = settings.result(
            over: "processes", at: counts.map(String.init), for: MlockDesign.names)
        let walks = result.addFigure(
            "walks", .ratio,
            "walks of the reverse map for each page of each process, each under "
                + "the lock of the file's mappings")
        let steps = result.addFigure(
            "VMAs looked at", .ratio, "VMAs that these walks came to, for each page of each process"
        )
        let locks = result.addFigure(
            "lock", .ratio,
            "how often the lock of the file's mappings was taken, for each page of each process")
        let costs = result.addFigure(
            "cost", .nanoseconds,
            "virtual time for each page: to unmap it, to walk, and to wait for others that walk, if "
                + "each process exits on a CPU of its own and the lock lets one in at a time")
        let times = result.addFigure(
            "time", .nanoseconds, isMeasured: true,
            "time of this host for each page of each process, all on one CPU, the second time"
        )
        var isOncePerProcess = true
        for (design, mlock) in MlockDesign.allCases.enumerated() {
            for (place, count) in counts.enumerated() {
                let exit = try LockedExit(mlock, processes: count, pages: pages)
                let units = Double(count * pages)
                result[walks, design, place] = Double(exit.walks) / units
                result[steps, design, place] = Double(exit.steps) / units
                result[locks, design, place] = Double(exit.locks) / units
                result[costs, design, place] = exit.cost
                // The first time what is needed is not in the processor's caches.
                result[times, design, place] =
                    try LockedExit(mlock, processes: count, pages: pages).time / units
                if mlock == .count { isOncePerProcess = isOncePerProcess && exit.locks == count }
            }
        }
        let counted = MlockDesign.index(of: .count)
        let walked = MlockDesign.index(of: .reverseMap)
        result.claim(
            "count: the lock of the file's mappings is taken once for each process, which leaves the "
                + "file, and never for a page", isOncePerProcess)
        result.claim(
            "count: no reverse map is walked, whatever the number of processes",
            counts.indices.allSatisfy { result[walks, counted, $0] == 0 })
        for (design, grows) in [(counted, false), (walked, true)] {
            let order = counts.indices.sorted { counts[$0] < counts[$1] }
            guard let fewest = order.first, let last = order.last,
                let most = result[costs, design, last], let least = result[costs, design, fewest],
                counts[last] >= 8 * counts[fewest]
            else { continue }
            let name = MlockDesign.names[design]
            let range = "from \(counts[fewest]) to \(counts[last]) processes"
            result.claim(
                grows
                    ? "\(name): what a page costs grows \(range)"
                    : "\(name): what a page costs stays within a fifth \(range)",
                grows ? most > 1.2 * least : most <= 1.2 * least)
        }
        return result
    }
}

/// One exit of many processes.
private struct LockedExit {
    let walks: Int
    let steps: Int
    /// How often the lock of the file's mappings was taken.
    let locks: Int
    /// Virtual time for each page of each process, and time of this host for all, in nanoseconds.
    let cost: Double
    let time: Double

    init(_ design: MlockDesign, processes: Int, pages: Int) throws {
        let tables = processes * (pages / 512 + 8)
        var configuration = MachineConfiguration(
            memory: .mebibytes(UInt64((pages + tables) / 256 + 64) / 4 * 4))
        configuration.mlockDesign = design
        let machine = try Machine(configuration)
        let length = ByteCount.pages(UInt64(pages))
        let file = machine.makeFile(named: "file", kind: .memory, length: length)
        let tasks = try (0..<processes).map { _ in
            let task = machine.spawn()
            let region = try task.mmap(
                length: length, protection: [.read], flags: [.shared], file: file)
            try task.mlock(region)
            return task
        }
        machine.drainBatches()
        let walksBefore = machine.total(.reverseMapWalk)
        let stepsBefore = machine.total(.reverseMapStep)
        let locksBefore = machine.total(.fileMappingsLock)
        time = ContinuousClock().measure { for task in tasks { task.exit() } }.nanoseconds
        locks = machine.total(.fileMappingsLock) - locksBefore
        file.close()
        walks = machine.total(.reverseMapWalk) - walksBefore
        steps = machine.total(.reverseMapStep) - stepsBefore
        let costs = configuration.costs
        let units = Double(processes * pages)
        let held =
            (Double(walks) * Double(costs.reverseMapWalk)
                + Double(steps) * Double(costs.reverseMapStep)) / units
        let alone = Double(costs.unmapPage) + held
        // All come back for the lock once a page. Either nobody waits, or somebody holds it always.
        cost = max(alone, held * Double(processes))
        try machine.audit()
    }
}

extension MlockDesign {
    /// What the designs are called, in order.
    static var names: [String] { allCases.map(\.rawValue) }

    static func index(of design: MlockDesign) -> Int { allCases.firstIndex(of: design) ?? 0 }
}

extension Duration {
    var nanoseconds: Double {
        Double(components.seconds) * 1e9 + Double(components.attoseconds) * 1e-9
    }
}
