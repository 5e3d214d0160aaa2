// SPDX-License-Identifier: Apache-2.0
//
// One run after another of a subject, each under the schedule that a strategy chooses.
//
// STATE      A fiber for each thread. Exactly one runs, or none while the subject is reset or
//            checked. Who arrives at a point decides, on its own stack, who goes on: as long as it
//            is the same thread, a point costs no switch.
// INVARIANT  A thread that is not running stands at a point that it has not passed: `point` and
//            `object` say what it is about to do.

import CExplorer

/// Runs a subject under schedules.
final class Execution {
    static let maximumThreads = 16
    private static let stackBytes = 256 << 10

    /// Where a thread stands.
    private enum Status: UInt8 {
        /// At a point.
        case ready
        /// Waits for an object to change.
        case waiting
        /// Sleeps until it is woken.
        case sleeping
        case finished
    }

    /// Looking once more whether a wait is over, because nobody else can go on.
    private enum Look: UInt8 {
        case none
        case granted
        case used
    }

    private struct Fiber {
        var context: UnsafeMutableRawPointer?
        var stack: UnsafeMutableRawPointer
        var status = Status.ready
        var point = Point.attempt
        /// -1 before the first point.
        var object: Int32 = -1
        var site: UInt = 0
        /// The object's version when the thread began to wait.
        var version: UInt32 = 0
        /// When it began to sleep.
        var since: Int32 = 0
        var look = Look.none
        /// How many points it has come to.
        var points = 0
    }

    let subject: any Subject
    let threadCount: Int
    let objects: ObjectTable
    let trace = Trace()
    let hash: StateHash
    let detector: RaceDetector
    /// A run with more steps has no end.
    var stepLimit = 20_000
    /// Which points' stacks a run notes; `nil` for none, not even that of a finding.
    ///
    /// Asked with the thread, how many points it has come to before, and the address of the code. A
    /// stack takes milliseconds.
    var wantsStack: ((Int, Int, UInt) -> Bool)?
    /// The stacks that were noted, by thread and by how many points it had come to before.
    private(set) var stacks: [StackKey: Stack] = [:]
    /// Where the thread stood that ended the run with a finding, if stacks are noted.
    private(set) var endStack: Stack?
    /// Sites of points, how often they were come to and left by a preemption.
    var coverage: Coverage?
    /// Steps that only repeat what an earlier run did: their states are counted already.
    var repeatedSteps = 0

    private let fibers: UnsafeMutablePointer<Fiber>
    private var main: UnsafeMutableRawPointer?
    private var strategy: (any Strategy)?
    private var running = -1
    private var isPreempted = false
    private var finding: Finding?
    private var freedCount = 0

    /// An execution of a subject.
    ///
    /// - Throws: ``ExplorerFailure`` where the host gives no stacks or no signal handlers.
    init(_ subject: any Subject) throws(ExplorerFailure) {
        guard (1...Execution.maximumThreads).contains(subject.threadCount) else {
            throw ExplorerFailure(
                "a subject has 1 to \(Execution.maximumThreads) threads, not "
                    + "\(subject.threadCount)")
        }
        self.subject = subject
        threadCount = subject.threadCount
        objects = ObjectTable { [unowned subject] in subject.number(ofObject: $0) }
        hash = StateHash(threads: threadCount)
        detector = RaceDetector(threads: threadCount)
        fibers = .allocate(capacity: threadCount)
        for thread in 0..<threadCount {
            guard let stack = explorer_stack_allocate(Execution.stackBytes) else {
                for made in 0..<thread {
                    explorer_stack_free(fibers[made].stack, Execution.stackBytes)
                }
                fibers.deallocate()
                throw ExplorerFailure("the host has no memory for a stack")
            }
            (fibers + thread).initialize(to: Fiber(stack: stack))
        }
        explorer_set_arrival { current, point, object, site in
            guard let current, let point = Point(rawValue: point) else { return }
            Unmanaged<Execution>.fromOpaque(current)._withUnsafeGuaranteedRef {
                $0.arrive(point, object, site)
            }
        }
    }

    deinit {
        for thread in 0..<threadCount {
            explorer_stack_free(fibers[thread].stack, Execution.stackBytes)
        }
        fibers.deallocate()
    }

    /// The execution whose threads run on this thread of the host.
    static var current: Execution? {
        explorer_current().map { Unmanaged<Execution>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: Running

    /// Makes one run.
    ///
    /// - Parameters:
    ///   - strategy: Who goes on at each point.
    ///   - isKnownGood: Whether the state with a fingerprint was checked before.
    /// - Returns: What was found, or `nil`.
    /// - Throws: What the subject throws when it is reset.
    func run(
        _ strategy: any Strategy, isKnownGood: (UInt64) -> Bool = { _ in false }
    ) throws -> Finding? {
        objects.removeAll()
        trace.removeAll()
        hash.reset()
        detector.reset()
        finding = nil
        endStack = nil
        stacks.removeAll()
        freedCount = 0
        running = -1
        self.strategy = strategy
        try subject.reset()
        for thread in 0..<threadCount { prepare(thread) }

        let previous = explorer_current()
        guard explorer_catch_traps({ trap in Execution.current?.endWithTrap(trap) }) else {
            throw ExplorerFailure("the host refuses handlers of signals")
        }
        explorer_suspend_exclusivity_checks()
        explorer_set_current(Unmanaged.passUnretained(self).toOpaque())
        let first = choose()
        if first >= 0 {
            begin(first)
            explorer_fiber_switch(&main, fibers[first].context)
        }
        explorer_set_current(previous)
        explorer_set_lane(0)
        explorer_resume_exclusivity_checks()
        self.strategy = nil
        defer { subject.endRun() }

        if finding == nil, threadsAreDone {
            let fingerprint = subject.fingerprint
            if fingerprint.map(isKnownGood) != true {
                do { try subject.check() } catch { finding = Execution.finding(error, .state) }
            }
        }
        return finding
    }

    private var threadsAreDone: Bool {
        (0..<threadCount).allSatisfy { fibers[$0].status == .finished }
    }

    private static func finding(_ error: any Error, _ kind: Finding.Kind) -> Finding {
        error as? Finding ?? Finding(kind, "\(error)")
    }

    private func prepare(_ thread: Int) {
        let fiber = fibers + thread
        let stack = fiber.pointee.stack
        fiber.pointee = Fiber(stack: stack)
        fiber.pointee.context = explorer_fiber_prepare(
            stack, Execution.stackBytes,
            { _ in Execution.current?.runThread() }, nil)
    }

    /// What a fiber does; ends by switching away for good.
    private func runThread() {
        do {
            try subject.run(thread: running)
        } catch {
            end(with: Execution.finding(error, .check))
        }
        fibers[running].status = .finished
        leave(for: choose())
    }

    /// Switches to a thread that was chosen, or ends the run.
    @inline(__always)
    private func leave(for next: Int) {
        let from = running
        if next < 0 {
            var nowhere: UnsafeMutableRawPointer?
            explorer_fiber_switch(&nowhere, main)
            return
        }
        begin(next)
        explorer_fiber_switch(&fibers[from].context, fibers[next].context)
    }

    /// Ends the run with a finding; the running thread never goes on.
    func end(with finding: Finding) {
        if self.finding == nil { self.finding = finding }
        if wantsStack != nil { endStack = Stack.capture() }
        var nowhere: UnsafeMutableRawPointer?
        explorer_fiber_switch(&nowhere, main)
    }

    private func endWithTrap(_ trap: explorer_trap) {
        end(
            with: Finding(
                .trap, "the processor stopped \(name(of: running)) with signal \(trap.signal)"))
    }

    // MARK: Points

    /// The running thread comes to a point.
    @inline(__always)
    func arrive(_ point: Point, _ address: UInt, _ site: UInt) {
        let object = objects.number(of: address)
        if freedCount > 0, point.isUse, !point.usesWhenPassed { checkLives(address) }
        guard point.mayChange else { return touch(point, object) }
        let fiber = fibers + running
        switch point {
        case .unlock:
            objects[object].pointee.holder = -1
            note(object, .release)
            detector.synchronize(running, object, .release)
        case .unlockShared:
            objects[object].pointee.sharers.bits &= ~(1 << UInt32(running))
            note(object, .releaseShared)
            detector.synchronize(running, object, .release)
        case .wait:
            fiber.pointee.status = .waiting
            fiber.pointee.version = objects[object].pointee.version
            // It did not get what it was about to take.
            if objects[object].pointee.holder == Int32(running) {
                objects[object].pointee.holder = -1
            }
        case .sleep:
            // Others may still run between the decision to sleep and the sleep.
            stand(at: .load, object, site)
            fiber.pointee.status = .sleeping
            fiber.pointee.since = Int32(trace.stepCount)
        default: break
        }
        stand(at: point, object, site)
    }

    /// The running thread stands at a point until it is chosen to pass it.
    @inline(__always)
    private func stand(at point: Point, _ object: Int, _ site: UInt) {
        let fiber = fibers + running
        if point != .wait { fiber.pointee.look = .none }
        fiber.pointee.point = point
        fiber.pointee.object = Int32(object)
        fiber.pointee.site = site
        if wantsStack != nil { noteStack(site) }
        fiber.pointee.points &+= 1
        let next = choose()
        if next == running {
            begin(next)
        } else {
            leave(for: next)
        }
    }

    /// Names a point of a run.
    struct StackKey: Hashable {
        let thread: Int
        let point: Int
    }

    @inline(never)
    private func noteStack(_ site: UInt) {
        let point = fibers[running].points
        guard let wantsStack, wantsStack(running, point, site) else { return }
        stacks[StackKey(thread: running, point: point)] = Stack.capture()
    }

    /// A thread only says what it touches.
    @inline(__always)
    private func touch(_ point: Point, _ object: Int) {
        switch point {
        case .read:
            note(object, .read)
            if let race = detector.read(running, object) { end(withRace: race, object) }
        case .write:
            note(object, .write)
            if let race = detector.write(running, object) { end(withRace: race, object) }
        case .sample: note(object, .read)
        case .tally: note(object, .write)
        case .free: setFreed(object, true)
        case .make: setFreed(object, false)
        default: break
        }
    }

    @inline(never)
    private func end(withRace race: RaceDetector.Race, _ object: Int) {
        let address = objects[object].pointee.address
        end(
            with: Finding(
                .dataRace,
                "\(name(of: running)) \(race.isWrite ? "writes" : "reads") \(name(at: address)), "
                    + "which \(name(of: race.other)) \(race.otherWrote ? "wrote" : "read"); "
                    + "nothing orders the two"))
    }

    // MARK: Freed memory

    // Memory is freed and made in lines of 32 bytes; a line stands for itself as the object at
    // its last byte.

    @inline(never)
    private func setFreed(_ object: Int, _ isFreed: Bool) {
        let line = objects.number(of: objects[object].pointee.address | 31)
        if isFreed {
            freedCount += 1
        } else if objects[line].pointee.isFreed {
            objects[line].pointee.isRemade = true
            detector.noteMade(running, line)
        }
        objects[line].pointee.isFreed = isFreed
    }

    @inline(never)
    private func checkLives(_ address: UInt) {
        let line = objects.number(of: address | 31)
        let isFreed = objects[line].pointee.isFreed
        // Who learned of it after it was made anew is ordered after that.
        guard isFreed || objects[line].pointee.isRemade && !detector.knows(running, line) else {
            return
        }
        end(
            with: Finding(
                .freed,
                "\(name(of: running)) touches \(name(at: address)), which was freed"
                    + (isFreed ? "" : " and made anew")))
    }

    // MARK: Accesses

    /// Records an access of the running step, once for each object and mode.
    @inline(__always)
    private func note(_ object: Int, _ mode: AccessMode) {
        let record = objects[object]
        let step = Int32(trace.stepCount)
        if mode != .read, mode != .acquire { record.pointee.version &+= 1 }
        if record.pointee.lastStep == step, record.pointee.lastMode >= mode.rawValue,
            mode.rawValue <= AccessMode.write.rawValue
        {
            return
        }
        record.pointee.lastStep = step
        record.pointee.lastMode = mode.rawValue
        trace.append(Access(object: Int32(object), mode: mode))
        hash.note(running, record, isRead: mode == .read)
    }

    /// A thread that was chosen passes the point that it stands at.
    @inline(__always)
    private func begin(_ thread: Int) {
        let fiber = fibers + thread
        if running != thread {
            running = thread
            explorer_set_lane(UInt32(thread + 1))
        }
        fiber.pointee.status = .ready
        if fiber.pointee.look == .granted { fiber.pointee.look = .used }
        trace.append(
            Step(
                thread: UInt8(truncatingIfNeeded: thread), point: fiber.pointee.point,
                isPreemption: isPreempted, object: fiber.pointee.object, enabled: enabled,
                firstAccess: Int32(trace.accessCount), site: fiber.pointee.site))
        let object = Int(fiber.pointee.object)
        if object >= 0 {
            let point = fiber.pointee.point
            // Others may have freed it since the thread came to the point.
            if freedCount > 0, point.isUse, point.usesWhenPassed {
                checkLives(objects[object].pointee.address)
            }
            pass(point, object)
        }
        if let coverage {
            if trace.stepCount > repeatedSteps { coverage.note(state: hash.value) }
        }
        if trace.stepCount >= stepLimit { endlessly() }
    }

    @inline(__always)
    private func pass(_ point: Point, _ object: Int) {
        switch point {
        case .lock:
            objects[object].pointee.holder = Int32(running)
            note(object, .acquire)
            detector.synchronize(running, object, .acquire)
        case .lockShared:
            objects[object].pointee.sharers.insert(running)
            note(object, .read)
            detector.synchronize(running, object, .acquire)
        case .load: note(object, .read)
        case .acquire:
            note(object, .read)
            detector.synchronize(running, object, .acquire)
        case .store: note(object, .write)
        case .wait, .sleep:
            note(object, .acquire)
            detector.synchronize(running, object, .acquire)
        case .attempt, .atomic, .flush:
            note(object, .write)
            detector.synchronize(running, object, .both)
        case .wake:
            objects[object].pointee.wokenAt = Int32(trace.stepCount)
            note(object, .write)
            detector.synchronize(running, object, .both)
        default: break
        }
    }

    // MARK: Choosing

    private var enabled = ThreadSet.empty

    /// Who goes on, or -1 when the run is over.
    @inline(__always)
    private func choose() -> Int {
        var able = ThreadSet.empty
        for thread in 0..<threadCount where isAble(thread) { able.insert(thread) }
        if able.isEmpty {
            able = findStuck()
            if able.isEmpty { return -1 }
        }
        enabled = able
        let current = running >= 0 && able.contains(running) ? running : -1
        let next: Int
        if able.count == 1, let strategy, !strategy.wantsForcedSteps {
            next = able.first
        } else if let strategy {
            next = strategy.choose(step: trace.stepCount, able, current: current)
        } else {
            next = able.first
        }
        guard next >= 0 else { return -1 }
        isPreempted = current >= 0 && next != current
        if let coverage, running >= 0, isPreempted || trace.stepCount >= repeatedSteps {
            coverage.note(site: fibers[running].site, preempted: isPreempted)
        }
        return next
    }

    @inline(__always)
    private func isAble(_ thread: Int) -> Bool {
        let fiber = fibers + thread
        switch fiber.pointee.status {
        case .finished: return false
        case .ready:
            let object = Int(fiber.pointee.object)
            switch fiber.pointee.point {
            case .lock:
                return object < 0
                    || objects[object].pointee.holder < 0 && objects[object].pointee.sharers.isEmpty
            case .lockShared: return objects[object].pointee.holder < 0
            default: return true
            }
        case .waiting:
            return fiber.pointee.look == .granted
                || objects[Int(fiber.pointee.object)].pointee.version != fiber.pointee.version
        case .sleeping:
            return objects[Int(fiber.pointee.object)].pointee.wokenAt > fiber.pointee.since
        }
    }

    /// Nobody can go on: who waits may look once more, since a write may not have been reported.
    ///
    /// - Returns: Who may; nobody when all are done or stuck, which then is the finding.
    @inline(never)
    private func findStuck() -> ThreadSet {
        if threadsAreDone { return .empty }
        var looking = ThreadSet.empty
        for thread in 0..<threadCount
        where fibers[thread].status == .waiting && fibers[thread].look == .none {
            fibers[thread].look = .granted
            looking.insert(thread)
        }
        if looking.isEmpty { finding = deadlock() }
        return looking
    }

    private func deadlock() -> Finding {
        var parts: [String] = []
        var kind = Finding.Kind.deadlock
        for thread in 0..<threadCount where fibers[thread].status != .finished {
            let fiber = fibers[thread]
            let object = objects[Int(fiber.object)].pointee
            let what = name(at: object.address)
            if fiber.status == .sleeping {
                if object.wokenAt >= 0 { kind = .lostWakeUp }
                parts.append("\(name(of: thread)) sleeps on \(what)")
            } else {
                let holder = object.holder >= 0 ? ", which \(name(of: Int(object.holder))) has" : ""
                parts.append("\(name(of: thread)) waits for \(what)\(holder)")
            }
        }
        return Finding(kind, parts.joined(separator: "; "))
    }

    @inline(never)
    private func endlessly() {
        end(with: Finding(.livelock, "no end after \(trace.stepCount) steps"))
    }

    /// A number for the steps of the last run: who made them, and what they touched.
    var digest: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in 0..<trace.stepCount {
            let step = trace.steps[index]
            for word in [UInt64(step.thread), UInt64(step.point.rawValue), UInt64(step.object + 1)]
            {
                hash = (hash ^ word) &* 0x100_0000_01B3
            }
        }
        return hash
    }

    // MARK: Names

    /// What tables call a thread.
    func name(of thread: Int) -> String { subject.name(ofThread: thread) }

    /// What tables call the object with a number of the last run.
    func name(ofObject number: Int) -> String { name(at: objects[number].pointee.address) }

    /// What tables call the object at an address.
    func name(at address: UInt) -> String {
        subject.name(ofObject: address) ?? "object \(objects.number(of: address))"
    }
}
