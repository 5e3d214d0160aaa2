// SPDX-License-Identifier: Apache-2.0
//
// The engine against a referee where memory is short. Which page goes is each system's own choice, so
// what is promised is compared: what calls return, what pages hold, VmLck, and that no locked page
// goes.

import Mooring
import Workloads

/// What to verify where memory is short.
package struct PressureOptions: Sendable {
    /// How many operations to compare.
    package var operations = 10_000
    /// What all work is decided by.
    package var seed: UInt64 = 1
    /// What all processes have together, in bytes.
    package var memory: UInt64 = 32 << 20
    /// Whether the referee has swap.
    package var hasSwap = false

    package init() {}
}

/// What came of it.
package struct PressureResult: Codable, Sendable {
    /// How many operations were compared.
    package var compared = 0
    /// How many pages of locked memory were looked at, on both systems.
    package var lockedPages = 0
    /// What the systems do not agree about, or what one of them has broken; the work ends with the
    /// first.
    package var disagreement: String?
    /// Pages that reclaim freed on the engine, and those of them that went to swap.
    package var reclaimed = 0
    package var swappedOut = 0
    /// Faults that waited for a device, on the engine and on the referee.
    package var majorFaults = 0
    package var refereeMajorFaults = 0
    /// How often the referee wanted more memory than it may have; 0 too where nothing limits it.
    package var timesFull = 0

    package init() {}
}

/// Verifies the engine against a referee where memory is short.
package struct PressureVerification {
    private let options: PressureOptions
    private let engine: EngineSystem
    private let referee: any MemorySystem
    /// Called now and then with the number of operations compared so far.
    private let progress: (Int) -> Void
    private var work: PressureWork
    private var result = PressureResult()
    /// What each process has locked: by area, page by page.
    private var locks: [ProcessID: [[Lock]]] = [:]
    /// The pages of lock-on-fault memory that were seen in memory, by process, for each system.
    private var seen: [[ProcessID: Set<UInt64>]] = [[:], [:]]

    private enum Lock {
        case none
        case plain
        case onFault
    }

    /// - Parameters:
    ///   - options: What to verify.
    ///   - engine: A machine with `options.memory` bytes and swap, and contents.
    ///   - referee: A system whose processes have as much together, if it can limit them.
    ///   - progress: Told how many operations are done.
    package init(
        _ options: PressureOptions, _ engine: EngineSystem, referee: any MemorySystem,
        progress: @escaping (Int) -> Void = { _ in }
    ) {
        self.options = options
        self.engine = engine
        self.referee = referee
        self.progress = progress
        work = PressureWork(memory: options.memory, hasSwap: options.hasSwap)
        for process in PressureWork.processes {
            locks[process] = work.areas.map { [Lock](repeating: .none, count: $0.lockablePages) }
        }
    }

    /// Does all the work, up to a disagreement.
    ///
    /// - Throws: `SystemFailure` where a system cannot go on.
    package mutating func run() throws -> PressureResult {
        var random = SeededRandom(seed: options.seed)
        try carryOut(work.beginning)
        while result.compared < options.operations, result.disagreement == nil {
            try carryOut(work.next(using: &random))
            if result.compared % 16 == 0 { try checkPromises() }
            if result.compared % 256 == 0 { audit() }
            if result.compared % 64 == 0 { progress(result.compared) }
        }
        try checkPromises()
        try compareData()
        audit()
        result.reclaimed = engine.machine.framesReclaimed
        result.swappedOut = engine.machine.total(.pswpout)
        for process in PressureWork.processes {
            result.majorFaults += Int(try engine.sample(of: process).majorFaults)
            result.refereeMajorFaults += Int(try referee.sample(of: process).majorFaults)
        }
        return result
    }

    private mutating func carryOut(_ operations: [Operation]) throws {
        for operation in operations where result.disagreement == nil {
            let truth = try referee.perform(operation)
            let outcome = try engine.perform(operation)
            result.compared += 1
            guard outcome == truth else {
                disagree(operation, "\(outcome)", "\(truth)")
                return
            }
            note(operation, outcome)
            guard PressureWork.processes.contains(operation.process) else { continue }
            let locked = try [engine, referee].map { try $0.sample(of: operation.process).locked }
            if locked[0] != locked[1] {
                disagree(operation, "VmLck \(locked[0] >> 10) kB", "VmLck \(locked[1] >> 10) kB")
            }
        }
    }

    private mutating func disagree(_ operation: Operation, _ mooring: String, _ kernel: String) {
        result.disagreement =
            "operation \(result.compared), \(ScenarioPrinter().text(operation)): "
            + "mooring \(mooring), kernel \(kernel)"
    }

    // MARK: Locked memory

    /// Follows what is locked.
    private mutating func note(_ operation: Operation, _ outcome: Outcome) {
        guard case .value = outcome else { return }
        switch operation.call {
        case .mlock(let span): lock(span, .plain, of: operation.process)
        case .mlock2(let span, _): lock(span, .onFault, of: operation.process)
        case .munlock(let span): lock(span, .none, of: operation.process)
        default: break
        }
    }

    private mutating func lock(_ span: Span, _ lock: Lock, of process: ProcessID) {
        guard case .absolute(let address, let length) = span,
            let index = work.areas.lastIndex(where: { $0.start <= address })
        else { return }
        let first = Int((address - work.areas[index].start) >> pageShift)
        for page in first..<first + Int(length >> pageShift) {
            locks[process]?[index][page] = lock
            guard lock == .none else { continue }
            let address = work.areas[index].start + UInt64(page) << pageShift
            for system in seen.indices { seen[system][process]?.remove(address) }
        }
    }

    /// Looks whether what is locked is in memory, on both systems: all of it, or for memory that is
    /// locked as it comes what has come.
    private mutating func checkPromises() throws {
        guard result.disagreement == nil else { return }
        for (index, system) in [engine as any MemorySystem, referee].enumerated() {
            for process in PressureWork.processes {
                for (area, locks) in zip(work.areas, locks[process] ?? []) {
                    try check(area, locks, of: process, on: system, index)
                }
            }
        }
    }

    private mutating func audit() {
        guard result.disagreement == nil else { return }
        do { try engine.machine.audit() } catch { result.disagreement = "audit: \(error)" }
    }

    private mutating func check(
        _ area: PressureArea, _ locks: [Lock], of process: ProcessID, on system: any MemorySystem,
        _ index: Int
    ) throws {
        let entries = try system.pagemap(
            of: process, address: area.start, pages: area.lockablePages)
        let look = Operation(process, .mincore(area.span(0..<area.lockablePages)))
        guard case .pages(let resident) = try system.perform(look) else {
            result.disagreement = "\(system.name): mincore has failed"
            return
        }
        for (page, lock) in locks.enumerated() where lock != .none {
            let address = area.start + UInt64(page) << pageShift
            // Bit 63 of pagemap: the page is mapped; bit 0 of mincore: it is in memory.
            let isThere = entries[page] >> 63 == 1 && resident[page] & 1 == 1
            let isPromised =
                lock == .plain || seen[index][process, default: []].contains(address)
            if isPromised { result.lockedPages += 1 }
            if isPromised, !isThere {
                result.disagreement =
                    "after operation \(result.compared): on \(system.name) page "
                    + "0x\(String(address, radix: 16)) of process \(process.rawValue) is locked and "
                    + "not in memory"
            }
            if lock == .onFault, isThere { seen[index][process, default: []].insert(address) }
        }
    }

    // MARK: Data

    /// Compares all that the processes' memory holds.
    private mutating func compareData() throws {
        let step = 256
        for process in PressureWork.processes {
            for area in work.areas {
                for first in stride(from: 0, to: area.pages, by: step) {
                    guard result.disagreement == nil else { return }
                    try carryOut([
                        Operation(
                            process, .load(area.span(first..<min(area.pages, first + step))))
                    ])
                }
            }
        }
    }
}
