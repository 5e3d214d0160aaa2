// SPDX-License-Identifier: Apache-2.0
//
// Random work on the engine and on a referee, in sessions: each on a fresh machine and fresh
// processes, up to the first disagreement, which is then reduced. Several jobs work at once, each
// on pairs of systems of its own; a job's work depends on the seed, its number and the number of
// operations only.

import Dispatch
import class Foundation.Thread
import Mooring
import Synchronization
import Workloads

/// What to verify.
package struct VerificationOptions: Sendable {
    /// How many operations to compare, all jobs together.
    package var operations = 10_000
    /// What all work is decided by.
    package var seed: UInt64 = 1
    /// The calls under test.
    package var calls = Set(CallCatalog.calls)
    /// Whether to go on after a disagreement.
    package var continues = false
    /// How many pairs of systems work at once.
    package var jobs = 1
    /// Whether pages hold bytes, which are then compared.
    package var comparesBytes = true
    /// How many operations are done on one pair of systems.
    package var sessionLength = 500
    /// How many operations lie between two looks at each page.
    package var checkInterval = 16
    /// How many disagreements are reduced; more are only counted.
    package var findingLimit = 10
    /// What processes of the host may have.
    package var permissions = ProcessPermissions()
    /// A mistake that the engine is to make, in builds that can.
    package var mutation: Mutation?

    package init() {}
}

/// A disagreement, and the shortest work found that shows it.
package struct Finding: Sendable {
    package let seed: UInt64
    package let disagreement: Disagreement
    package let operations: [Operation]
}

/// What came of it.
package struct VerificationResult: Sendable {
    /// How many operations were compared.
    package var compared = 0
    /// How many disagreements there were.
    package var disagreements = 0
    /// Those that were reduced, one of each kind.
    package var findings: [Finding] = []
    /// Operations that were not made, by the reason.
    package var skipped: [String: Int] = [:]
    /// How often each row of ``KnownDifferences`` kept a call from being made.
    package var excused: [Int] = KnownDifferences.all.map { _ in 0 }
    package var coverage = Coverage()
    /// Whether what the machines keep of frames was compared.
    package var comparedFrames = true

    package init() {}

    fileprivate mutating func merge(_ other: VerificationResult) {
        compared += other.compared
        disagreements += other.disagreements
        findings += other.findings
        skipped.merge(other.skipped, uniquingKeysWith: +)
        for index in excused.indices { excused[index] += other.excused[index] }
        coverage.merge(other.coverage)
        comparedFrames = comparedFrames && other.comparedFrames
    }
}

/// Makes the systems that are compared.
package struct VerificationSystems: Sendable {
    /// The engine, with its machine's audit.
    package let engine: @Sendable () throws -> EngineSystem
    /// The system that is right.
    package let referee: @Sendable () throws -> any MemorySystem

    package init(
        engine: @escaping @Sendable () throws -> EngineSystem,
        referee: @escaping @Sendable () throws -> any MemorySystem
    ) {
        self.engine = engine
        self.referee = referee
    }

    /// Both, with everything compared after each `interval` operations.
    func sideBySide(interval: Int, _ options: VerificationOptions) throws -> SideBySide {
        let engine = try self.engine()
        var sides = try SideBySide(engine, referee: try referee())
        sides.checkInterval = interval
        sides.comparesData = options.comparesBytes
        sides.mistake = PlantedMistake(options.mutation)
        sides.audit = { try engine.machine.audit() }
        return sides
    }
}

/// Verifies the engine against a referee.
package struct Verification: Sendable {
    private let options: VerificationOptions
    private let systems: VerificationSystems
    /// Called now and then with the number of operations compared so far.
    private let progress: @Sendable (Int) -> Void

    package init(
        _ options: VerificationOptions, on systems: VerificationSystems,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.options = options
        self.systems = systems
        self.progress = progress
    }

    /// What jobs share.
    private final class Shared: Sendable {
        let state = Mutex<(result: VerificationResult, kinds: Set<String>, error: (any Error)?)>(
            (VerificationResult(), [], nil))
        let compared = Atomic<Int>(0)
        let isStopped = Atomic<Bool>(false)
    }

    /// Does all the work.
    ///
    /// - Throws: What keeps systems from being made.
    package func run() throws -> VerificationResult {
        let shared = Shared()
        DispatchQueue.concurrentPerform(iterations: options.jobs) { job in
            do {
                let result = try run(job: job, shared)
                shared.state.withLock { $0.result.merge(result) }
            } catch {
                shared.isStopped.store(true, ordering: .relaxed)
                shared.state.withLock { $0.error = error }
            }
        }
        return try shared.state.withLock { state in
            if let error = state.error { throw error }
            return state.result
        }
    }

    /// The sessions of one job.
    private func run(job: Int, _ shared: Shared) throws -> VerificationResult {
        var result = VerificationResult()
        let share =
            options.operations / options.jobs
            + (job < options.operations % options.jobs ? 1 : 0)
        // Scrambled once, so that the sessions of one seed are not those of the next.
        let start = StorePattern.word(seed: options.seed, index: 0)
        var session: UInt64 = 0
        while result.compared < share, !shared.isStopped.load(ordering: .relaxed) {
            let seed = StorePattern.word(seed: start, index: UInt64(job) << 32 | session)
            session += 1
            try run(
                seed: seed, limit: min(options.sessionLength, share - result.compared), shared,
                &result)
        }
        return result
    }

    /// One session: work on a fresh pair of systems up to a disagreement.
    private func run(
        seed: UInt64, limit: Int, _ shared: Shared, _ result: inout VerificationResult
    ) throws {
        var random = SeededRandom(seed: seed)
        var sides = try systems.sideBySide(interval: options.checkInterval, options)
        let excused = Tally(count: KnownDifferences.all.count)
        var work = RandomWork(calls: options.calls, permissions: options.permissions) {
            call, areas in
            guard let row = KnownDifferences.row(refusing: call, in: areas) else { return false }
            excused.counts[row] += 1
            return true
        }
        var operations: [Operation] = []
        var found: Disagreement?
        while sides.compared < limit, found == nil {
            for operation in work.next(seeing: sides.states, result.coverage, using: &random)
            where found == nil && sides.compared < limit {
                let situation = Situation(
                    operation.call, in: sides.states[operation.process]?.areas ?? [])
                operations.append(operation)
                found = try sides.perform(operation)
                if let outcome = sides.lastOutcome { result.coverage.record(situation, outcome) }
            }
            report(sides.compared, shared)
        }
        if found == nil, let last = operations.last {
            found = try sides.compareAll(after: last)
        }
        result.compared += sides.compared
        result.comparedFrames = result.comparedFrames && sides.showsFrames
        shared.compared.add(sides.compared, ordering: .relaxed)
        result.skipped.merge(sides.skipped, uniquingKeysWith: +)
        for (index, count) in excused.counts.enumerated() { result.excused[index] += count }
        guard let found else { return }
        // The engine does the same work the same way each time: what does not show again is of the
        // host's making.
        if let row = KnownDifferences.chance(for: found.kind), try !showsAgain(found, operations) {
            result.excused[row] += 1
            return
        }
        result.disagreements += 1
        if !options.continues { shared.isStopped.store(true, ordering: .relaxed) }
        let isNew = shared.state.withLock { state in
            state.kinds.count < options.findingLimit && state.kinds.insert(found.kind).inserted
        }
        guard isNew else { return }
        let reduction = Reduction(operations, found) {
            RandomWork.isGrounded($0) ? try disagreement($0, isQuick: $1) : nil
        }
        result.findings.append(
            Finding(
                seed: seed, disagreement: reduction.disagreement,
                operations: reduction.operations))
    }

    /// Whether work shows a disagreement each time that it is done anew.
    ///
    /// While a host writes much to its disks it cleans every dirty page at once. That passes, so
    /// that about those the question is put again and again, over 15 seconds.
    private func showsAgain(_ found: Disagreement, _ operations: [Operation]) throws -> Bool {
        let isOfDirtyPages = found.kind.hasSuffix("Dirty") || found.kind.hasSuffix("Clean")
        for pause in isOfDirtyPages ? [0.0, 1, 2, 4, 8] : [0] {
            Thread.sleep(forTimeInterval: pause)
            if try disagreement(operations, interval: options.checkInterval) == nil {
                return false
            }
        }
        return true
    }

    private func report(_ compared: Int, _ shared: Shared) {
        if compared % 64 == 0 { progress(shared.compared.load(ordering: .relaxed) + compared) }
    }

    /// What two fresh systems disagree about after some operations; quickly if it is enough to look
    /// at what processes show in the end.
    private func disagreement(
        _ operations: [Operation], interval: Int = 1, isQuick: Bool = false
    ) throws -> Disagreement? {
        var sides = try systems.sideBySide(interval: interval, options)
        sides.comparesOutcomesOnly = isQuick
        return try sides.run(operations)
    }
}

/// Counts that a closure can change.
private final class Tally {
    var counts: [Int]
    init(count: Int) { counts = [Int](repeating: 0, count: count) }
}
