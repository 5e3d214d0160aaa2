// SPDX-License-Identifier: Apache-2.0

/// How schedules are chosen.
public enum SearchMethod: Equatable, Sendable {
    /// All schedules with at most `bound` preemptions, those with fewer first. With `reduces`,
    /// schedules that differ only in the order of independent steps count as one.
    case exhaustive(bound: Int, reduces: Bool = true)
    /// Random priorities that change at `changes` random steps (PCT).
    case priorities(changes: Int, seed: UInt64)
    /// A random thread at each step.
    case random(seed: UInt64)
}

/// Why nothing could be explored.
public struct ExplorerFailure: Error, CustomStringConvertible, Sendable {
    /// What is wrong.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// What a search did and found.
public struct SearchReport: Sendable {
    /// Runs made.
    public internal(set) var schedules = 0
    /// Steps of all runs.
    public internal(set) var steps = 0
    /// Different states that were reached, up to about four million.
    public internal(set) var states = 0
    /// Different states at the end of runs, where the subject has fingerprints.
    public internal(set) var ends = 0
    /// Points of the code that threads came to.
    public internal(set) var points = 0
    /// How many of them were never left by a preemption.
    public internal(set) var neverPreempted = 0
    /// Whether all schedules that were asked for were tried.
    public internal(set) var isComplete = false
    /// What was found, if anything; the search ends with it.
    public internal(set) var failure: Failure?
    /// How long it took, shrinking left out.
    public internal(set) var duration = Duration.zero

    /// Runs a second.
    public var schedulesPerSecond: Double {
        let seconds =
            Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        return seconds > 0 ? Double(schedules) / seconds : 0
    }
}

/// A finding, and the schedule that leads to it.
public struct Failure: Sendable {
    /// What was found.
    public var finding: Finding
    /// Who makes which step; what follows has no preemption.
    public var schedule: Schedule
    /// A number for everything that the run did: the same in each run that repeats it.
    public var digest: UInt64

    /// A failure.
    public init(finding: Finding, schedule: Schedule, digest: UInt64) {
        self.finding = finding
        self.schedule = schedule
        self.digest = digest
    }
}

/// Looks for schedules of a subject that end badly.
///
/// ```swift
/// let explorer = try Explorer(subject)
/// let report = try explorer.search(.exhaustive(bound: 2))
/// if let failure = report.failure { print(try explorer.table(of: failure)) }
/// ```
///
/// An explorer and its subject belong to one thread of the host at a time; several explorers may
/// work on several threads.
public final class Explorer {
    let subject: any Subject
    let execution: Execution
    let places: PlaceFinder
    private var coverage = Coverage()

    /// An explorer of a subject.
    ///
    /// - Throws: ``ExplorerFailure`` for a subject without threads or with too many, or where the
    ///   host gives no stacks.
    public init(_ subject: any Subject) throws {
        self.subject = subject
        execution = try Execution(subject)
        places = PlaceFinder { [unowned subject] in subject.isPlace($0) }
    }

    /// A run with more steps than this counts as one without an end.
    public var stepLimit: Int {
        get { execution.stepLimit }
        set { execution.stepLimit = newValue }
    }

    // MARK: Searching

    /// Tries schedules until one ends badly, all are tried, or a limit is reached.
    ///
    /// - Parameters:
    ///   - method: How schedules are chosen.
    ///   - schedules: The most runs.
    ///   - duration: The longest time, looked at between runs.
    ///   - progress: Told of the figures so far, about every 4,096 runs.
    /// - Returns: What was done and found.
    /// - Throws: ``ExplorerFailure``, and what the subject throws when it is reset.
    public func search(
        _ method: SearchMethod, schedules: Int = .max, duration: Duration? = nil,
        progress: ((SearchReport) -> Void)? = nil
    ) throws -> SearchReport {
        coverage = Coverage()
        var report = SearchReport()
        let start = ContinuousClock.now
        let limits = Limits(
            schedules: schedules, deadline: duration.map { start + $0 }, start: start,
            progress: progress)
        switch method {
        case .exhaustive(let bound, let reduces):
            for bound in 0...max(0, bound) {
                let strategy = DepthFirstStrategy(
                    bound: bound, of: .preemptions, reduces: reduces, threads: execution.threadCount
                )
                try run(strategy, limits, &report)
                if report.failure == nil, let step = strategy.divergedAt {
                    report.failure = failure(
                        Finding(
                            .nondeterminism,
                            "step \(step) was another one when the schedule was repeated"))
                }
                if report.failure != nil || !report.isComplete { break }
            }
        case .priorities(let changes, let seed):
            try run(PriorityStrategy(seed: seed, changes: changes), limits, &report)
        case .random(let seed):
            try run(RandomStrategy(seed: seed), limits, &report)
        }
        report.duration = ContinuousClock.now - start
        return report
    }

    private struct Limits {
        let schedules: Int
        let deadline: ContinuousClock.Instant?
        let start: ContinuousClock.Instant
        let progress: ((SearchReport) -> Void)?
    }

    private func run(
        _ strategy: any Strategy, _ limits: Limits, _ report: inout SearchReport
    ) throws {
        report.isComplete = false
        defer { note(&report) }
        while report.failure == nil {
            guard strategy.prepare() else {
                report.isComplete = true
                return
            }
            guard report.schedules < limits.schedules else { return }
            if let finding = try runOnce(strategy) { report.failure = failure(finding) }
            report.schedules += 1
            report.steps += execution.trace.stepCount
            strategy.learn(from: execution)
            if report.schedules & 255 == 0 {
                let now = ContinuousClock.now
                if report.schedules & 4095 == 0, let progress = limits.progress {
                    note(&report)
                    report.duration = now - limits.start
                    progress(report)
                }
                if let deadline = limits.deadline, now >= deadline { return }
            }
        }
    }

    private func note(_ report: inout SearchReport) {
        report.states = coverage.stateCount
        report.ends = coverage.endCount
        report.points = coverage.pointCount
        report.neverPreempted = coverage.neverPreemptedCount
    }

    private func runOnce(_ strategy: any Strategy) throws -> Finding? {
        execution.coverage = coverage
        execution.repeatedSteps = strategy.repeatedSteps
        defer { execution.coverage = nil }
        // A state that was known and is reached again was found good: the search ends with a bad one.
        return try execution.run(strategy, isKnownGood: { [coverage] in coverage.knows(end: $0) })
    }

    func failure(_ finding: Finding) -> Failure {
        Failure(
            finding: finding, schedule: execution.trace.schedule, digest: execution.digest)
    }

    /// Points of the code that the last search came to and never left by a preemption, as far as
    /// runs without preemptions come to them.
    ///
    /// Takes milliseconds for each.
    ///
    /// - Throws: As ``replay(_:)``.
    public func placesNeverPreempted() throws -> [Place] {
        let left = coverage.neverPreempted
        var seen: Set<UInt> = []
        execution.wantsStack = { _, _, site in left.contains(site) && seen.insert(site).inserted }
        defer { execution.wantsStack = nil }
        var places: Set<Place> = []
        for first in 0..<execution.threadCount {
            _ = try replay(Schedule([Schedule.Stretch(thread: first, steps: 1)]))
            for stack in execution.stacks.values {
                if let place = self.places.place(of: stack) { places.insert(place) }
            }
        }
        return places.sorted { ($0.file, $0.line) < ($1.file, $1.line) }
    }

    // MARK: Repeating

    /// Follows a schedule, and goes on without preemptions where it ends.
    ///
    /// - Returns: What was found, with the schedule as it was followed; `nil` if nothing was.
    /// - Throws: ``ExplorerFailure``, and what the subject throws when it is reset.
    public func replay(_ schedule: Schedule) throws -> Failure? {
        let strategy = GuidedStrategy(schedule)
        _ = strategy.prepare()
        return try execution.run(strategy).map { failure($0) }
    }
}
