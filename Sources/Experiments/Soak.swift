// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Mooring

extension Experiment {
    /// Whether anything goes wrong in a long time.
    static let soak = Experiment(
        "soak",
        question: "Four CPUs, two threads, and less memory than is wanted: does all add up?",
        parameters: [
            Parameter(
                name: "operations", meaning: "random operations in each design",
                values: [200_000], range: 4000...1 << 40),
            Parameter(
                name: "audit", meaning: "operations between audits", values: [100_000],
                range: 4000...1 << 40),
            Parameter(
                name: "seed", meaning: "of the random numbers", values: [1], range: 0...Int.max),
        ]
    ) { settings in
        var result = settings.result(over: "in all", at: [""], for: MlockDesign.names)
        let done = result.addFigure("operations", .count, "operations carried out")
        let audits = result.addFigure("audits", .count, "audits that found nothing")
        let swapped = result.addFigure(
            "swapped out", .count, isMeasured: true, "pages written to swap")
        let reclaimed = result.addFigure(
            "reclaimed", .count, isMeasured: true, "pages that reclaim freed")
        let times = result.addFigure(
            "time", .nanoseconds, isMeasured: true, "time of this host for each operation")
        var failures: [String] = []
        for (design, mlock) in MlockDesign.allCases.enumerated() {
            let soak = try Soak(mlock, seed: UInt64(settings.value("seed")))
            let time = ContinuousClock().measure {
                soak.run(settings.value("operations"), auditEvery: settings.value("audit"))
            }
            result[done, design, 0] = Double(soak.operations)
            result[audits, design, 0] = Double(soak.audits)
            result[swapped, design, 0] = Double(soak.machine.total(.pswpout))
            result[reclaimed, design, 0] = Double(soak.machine.framesReclaimed)
            result[times, design, 0] = time.nanoseconds / Double(soak.operations)
            failures += soak.failures.map { "\(mlock.rawValue): \($0)" }
        }
        result.notes = failures
        result.claim(
            "all data is right, no locked page leaves memory, every audit agrees, and nothing is "
                + "left over at the end", failures.isEmpty)
        result.claim(
            "memory was short all the time",
            MlockDesign.allCases.indices.allSatisfy {
                result[reclaimed, $0, 0] ?? 0 > result[done, $0, 0].map { $0 / 50 } ?? 0
            })
        return result
    }
}

/// Processes that use memory at random on one machine.
private final class Soak {
    let machine: Machine
    private(set) var operations = 0
    private(set) var audits = 0
    private(set) var failures: [String] = []
    private let actors: [SoakActor]
    private let file: Machine.File

    /// 8192 frames, and four processes of 2500 pages and a file of 4000.
    init(_ design: MlockDesign, seed: UInt64) throws {
        var configuration = MachineConfiguration(memory: .mebibytes(32))
        configuration.cpus = 4
        configuration.contents = .bytes
        configuration.swap = [.mebibytes(64)]
        configuration.mlockDesign = design
        let machine = try Machine(configuration)
        let file = machine.makeFile(named: "shared", kind: .disk, length: .pages(4000))
        self.machine = machine
        self.file = file
        actors = try (0..<4).map {
            try SoakActor($0, machine.spawn(on: $0), file, seed: seed &* 4 &+ UInt64($0))
        }
    }

    /// Carries out so many operations, half on each thread of the host.
    func run(_ count: Int, auditEvery interval: Int) {
        while operations < count, failures.isEmpty {
            let turn = min(interval, count - operations)
            let actors = actors
            DispatchQueue.concurrentPerform(iterations: 2) { thread in
                for index in 0..<turn / 2 { actors[2 * thread + (index & 1)].step() }
            }
            operations += turn / 2 * 2
            for actor in actors { if let failure = actor.failure { failures.append(failure) } }
            audit("after \(operations) operations")
        }
        for actor in actors { actor.task.exit() }
        file.close()
        machine.endWrites()
        machine.drainBatches()
        audit("at the end")
        if machine.total(.oomKill) > 0 { failures.append("a process was killed") }
        if machine.swapInUse.bytes > 0 { failures.append("swap slots are left over") }
    }

    private func audit(_ moment: String) {
        do {
            try machine.audit()
            audits += 1
        } catch { failures.append("\(moment): \(error)") }
    }
}

/// One process, which knows what its memory must hold.
///
/// One thread at a time runs it.
private final class SoakActor: @unchecked Sendable {
    let task: Machine.Task
    private let number: Int
    /// What went wrong first.
    private(set) var failure: String?
    private let region: Region
    private let shared: Region
    private var state: UInt64
    /// What each page's first byte is; and whether it may be 0 as well, having been given free.
    private var expected = [UInt8](repeating: 0, count: SoakActor.pages)
    private var mayBeZero = [Bool](repeating: false, count: SoakActor.pages)
    private var locked: Range<Int>?

    private static let pages = 2500

    init(_ number: Int, _ task: Machine.Task, _ file: Machine.File, seed: UInt64) throws {
        self.number = number
        self.task = task
        state = seed
        region = try task.mmap(
            length: .pages(UInt64(SoakActor.pages)), protection: [.read, .write],
            flags: [.private, .anonymous])
        shared = try task.mmap(
            length: .pages(4000), protection: [.read, .write], flags: [.shared], file: file)
    }

    /// SplitMix64.
    private func below(_ limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((word ^ word >> 31) % UInt64(limit))
    }

    private func part(atMost length: Int) -> Range<Int> {
        let start = below(SoakActor.pages - length)
        return start..<start + 1 + below(length)
    }

    /// Does one thing at random.
    func step() {
        guard failure == nil else { return }
        do {
            switch below(1000) {
            case 0..<450: try look(below(SoakActor.pages))
            case 450..<850: try change(below(SoakActor.pages))
            case 850..<960:
                let page = below(4000)
                try task.access(shared[page..<page + 1], below(4) == 0 ? .write : .read)
            default: try call(below(40))
            }
        } catch { failure = "process \(number): \(error)" }
    }

    private func look(_ page: Int) throws {
        let byte = try task.read(1, at: region[page..<page + 1].address)[0]
        if isRight(byte, page) { return }
        failure = "page \(page) of process \(number) holds \(byte), not \(expected[page])"
    }

    private func isRight(_ byte: UInt8, _ page: Int) -> Bool {
        byte == expected[page] || mayBeZero[page] && byte == 0
    }

    private func change(_ page: Int) throws {
        expected[page] = UInt8(truncatingIfNeeded: below(256))
        mayBeZero[page] = false
        try task.write([expected[page]], at: region[page..<page + 1].address)
    }

    private func call(_ choice: Int) throws {
        switch choice {
        case 0..<10: try relock()
        case 10: try fork()
        case 11..<14: try give(.pageOut)
        case 14..<17: try give(.cold)
        case 17..<20: try give(.free)
        case 20..<23: try give(.dontNeed)
        case 23:
            let start = below(3900)
            try task.msync(shared[start..<start + 100], .sync)
        default: try look(below(SoakActor.pages))
        }
    }

    /// Unlocks what is locked, which must have stayed, and locks another part.
    private func relock() throws {
        if let locked {
            let present = try task.mincore(region[locked])
            if present.contains(where: { $0 & 1 == 0 }) {
                failure = "a locked page of process \(number) has left memory"
            }
            try task.munlock(region[locked])
        }
        let range = part(atMost: 128)
        try task.mlock(region[range])
        locked = range
    }

    private func fork() throws {
        let child = try task.fork()
        defer { child.exit() }
        let page = below(SoakActor.pages)
        let address = region[page..<page + 1].address
        let byte = try child.read(1, at: address)[0]
        if !isRight(byte, page) {
            failure = "page \(page) of a child of process \(number) holds \(byte)"
        }
        try child.write([byte &+ 1], at: address)
    }

    private func give(_ advice: Advice) throws {
        let range = part(atMost: 64)
        // Locked memory refuses, and what comes before it is advised.
        if let locked, locked.overlaps(range) { return }
        try task.madvise(region[range], advice)
        for page in range {
            if advice == .dontNeed { expected[page] = 0 }
            if advice == .free { mayBeZero[page] = true }
        }
    }
}
