// SPDX-License-Identifier: Apache-2.0

/// What is explored: a few threads that share a state, and what must hold when they are done.
///
/// A run is a pure function of the subject and the schedule. So ``reset()`` must give the same
/// state each time, and the threads may ask neither the time, nor chance, nor anything else that
/// differs between runs. The explorer notices when a run does not repeat.
///
/// The threads run on fibers of one thread of the host. They change only at points, which the
/// instruments (``Atomic``, ``Mutex``, ``Cell``) pass for them, or ``Point/reach(_:_:)``.
public protocol Subject: AnyObject {
    /// How many threads there are: 1 to 16.
    var threadCount: Int { get }

    /// Puts the state back to what it is before the threads start.
    func reset() throws

    /// What a thread does; runs on its fiber.
    ///
    /// An error that it throws is a finding. Once something was found in a run its other threads
    /// never go on, and what they hold is never given back.
    func run(thread: Int) throws

    /// Throws what is wrong with the state after all threads are done.
    func check() throws

    /// Called after each run, whatever came of it.
    func endRun()

    /// A number for the state after all threads are done; states that ``check()`` may tell apart
    /// must differ in it. `nil` where there is none: then every run is checked.
    var fingerprint: UInt64? { get }

    /// What a table calls a thread.
    func name(ofThread thread: Int) -> String

    /// What a table calls the object at an address, or `nil` for a number in order of first use.
    func name(ofObject address: UInt) -> String?

    /// A number for the object at an address that is the same in every run, wherever the host has
    /// put it; `nil` for one in order of first use. The coverage of a search counts states by it.
    func number(ofObject address: UInt) -> UInt64?

    /// Whether a source file is one whose lines explain a step, rather than a primitive's own.
    func isPlace(_ file: String) -> Bool
}

extension Subject {
    /// Nothing.
    public func endRun() {}

    /// No fingerprint.
    public var fingerprint: UInt64? { nil }

    /// "thread" and its number.
    public func name(ofThread thread: Int) -> String { "thread \(thread)" }

    /// Numbers for all objects.
    public func name(ofObject address: UInt) -> String? { nil }

    /// None.
    public func number(ofObject address: UInt) -> UInt64? { nil }

    /// Every file but the explorer's.
    public func isPlace(_ file: String) -> Bool {
        !file.contains("Sources/Explorer/") && !file.contains("Sources/CExplorer/")
    }
}

/// A subject made of closures.
public final class ClosureSubject<State>: Subject {
    private let makeState: () throws -> State
    private let threads: [(State) throws -> Void]
    private let checkState: (State) throws -> Void
    private var state: State?

    /// A subject whose state is made anew for each run.
    ///
    /// - Parameters:
    ///   - state: Makes the state; a class, or something that holds one.
    ///   - threads: What each thread does.
    ///   - check: Throws what is wrong at the end.
    public init(
        state: @escaping () throws -> State, threads: [(State) throws -> Void],
        check: @escaping (State) throws -> Void
    ) {
        makeState = state
        self.threads = threads
        checkState = check
    }

    /// The number of closures.
    public var threadCount: Int { threads.count }

    /// Makes a state.
    public func reset() throws { state = try makeState() }

    /// Calls the thread's closure.
    public func run(thread: Int) throws {
        if let state { try threads[thread](state) }
    }

    /// Calls the closure that checks.
    public func check() throws {
        if let state { try checkState(state) }
    }
}
