// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Experiment {
    /// Three ways to lock what is used of a large area.
    static let sparseLock = Experiment(
        "sparse-lock",
        question: "Little of a large area is used, and that shall be locked: what does it take?",
        parameters: [
            Parameter(
                name: "pages", meaning: "pages of the area", values: [16_384],
                range: 64...1 << 24),
            Parameter(
                name: "every", meaning: "one page in so many is used", values: [64],
                range: 2...1 << 20),
        ]
    ) { settings in
        let ways = SparseLock.Way.allCases
        let stages = SparseLock.Stage.allCases
        var result = settings.result(
            over: "after", at: stages.map(\.rawValue), for: ways.map(\.rawValue))
        let resident = result.addFigure("resident", .count, "pages in memory")
        let marked = result.addFigure("locked pages", .count, "pages in memory that are locked")
        let lengths = result.addFigure("VmLck", .count, "pages of locked areas, in memory or not")
        let areas = result.addFigure("areas", .count, "areas (VMAs) that the process has")
        let calls = result.addFigure("calls", .count, "system calls so far, without the first mmap")
        var used: [Int] = []
        for (design, way) in ways.enumerated() {
            let lock = try SparseLock(
                way, pages: settings.value("pages"), every: settings.value("every"))
            used = []
            for (place, stage) in stages.enumerated() {
                if let failure = try lock.perform(stage) {
                    result.notes.append("\(way.rawValue), \(stage.rawValue): \(failure)")
                }
                used.append(lock.touched)
                let figures = lock.task.figures()
                result[resident, design, place] = Double(figures.resident)
                result[marked, design, place] = Double(lock.machine.total(.mlock))
                result[lengths, design, place] = Double(figures.locked)
                result[areas, design, place] = Double(lock.areaCount)
                result[calls, design, place] = Double(lock.calls)
            }
            let isExact = stages.indices.allSatisfy {
                result[resident, design, $0] == Double(used[$0])
                    && result[marked, design, $0] == Double(used[$0])
            }
            switch way {
            case .all:
                let last = result[resident, design, stages.count - 1] ?? 0
                result.claim(
                    "mlock: all of the area is in memory, used or not",
                    last == Double(2 * settings.value("pages")))
            case .onFault:
                result.claim(
                    "on fault: what is in memory is what was used, across mremap too", isExact)
            case .eachPage:
                result.claim(
                    "each page: the same, at the price of a call and two areas a page", isExact)
            }
        }
        return result
    }
}

/// A process that locks an area in one of three ways.
private final class SparseLock {
    enum Way: String, CaseIterable {
        case all = "mlock"
        case onFault = "on fault"
        case eachPage = "each page"
    }

    /// What is done one after the other.
    enum Stage: String, CaseIterable {
        case locked
        case used
        case grown
        case moved
        case usedMore = "used more"
    }

    let machine: Machine
    let task: Machine.Task
    private(set) var calls = 0
    /// Pages used so far.
    private(set) var touched = 0
    private let way: Way
    private let every: Int
    private var region: Region

    init(_ way: Way, pages: Int, every: Int) throws {
        self.way = way
        self.every = every
        machine = try Machine(
            MachineConfiguration(memory: .mebibytes(UInt64(pages / 64 + 64) / 4 * 4)))
        task = machine.spawn()
        region = try task.mmap(
            length: .pages(UInt64(pages)), protection: [.read, .write],
            flags: [.private, .anonymous])
    }

    /// Areas of the process.
    var areaCount: Int { task.maps().count { $0 == "\n" } }

    /// Does the next thing.
    ///
    /// - Returns: What failed, and how.
    func perform(_ stage: Stage) throws -> String? {
        machine.drainBatches()
        defer { machine.drainBatches() }
        switch stage {
        case .locked:
            switch way {
            case .all: try call { try task.mlock(region) }
            case .onFault: try call { try task.mlock(region, onFault: true) }
            case .eachPage: break
            }
        case .used: try use(from: 0)
        case .grown: return move("mremap to twice the length", to: region.length * 2)
        case .moved: return move("mremap to another place", to: region.length, isMoved: true)
        case .usedMore: try use(from: every / 2)
        }
        return nil
    }

    private func call<Result>(_ body: () throws -> Result) rethrows -> Result {
        calls += 1
        return try body()
    }

    /// Uses one page in so many.
    private func use(from first: Int) throws {
        for page in stride(from: first, to: Int(region.length / 4096), by: every) {
            let place = Region(address: region.address + UInt64(page) * 4096, length: 4096)
            try task.access(place, .write)
            if case .eachPage = way { try call { try task.mlock(place) } }
            touched += 1
        }
    }

    private func move(_ what: String, to length: UInt64, isMoved: Bool = false) -> String? {
        do {
            var target: UInt64 = 0
            if isMoved {
                // A place that is free for sure: one that was mapped a moment ago.
                let hole = try task.mmap(
                    length: .bytes(length), protection: [], flags: [.private, .anonymous])
                target = hole.address
            }
            region = try call {
                try task.mremap(
                    region, to: .bytes(length), isMoved ? [.mayMove, .fixed] : .mayMove,
                    at: target)
            }
            return nil
        } catch { return "\(what) fails with \(error)" }
    }
}
