// SPDX-License-Identifier: Apache-2.0

import Mooring

/// A workload that is being carried out on a system, item by item.
final class RunSession {
    /// What is known of a process that lives.
    private struct Process {
        /// Its place in the summary.
        var index: Int
        var book: AddressBook
        /// Whether its memory is another's, until it executes a program.
        var sharesMemory = false
        /// How many programs it has executed: which of its address spaces it has.
        var image = 0
        /// Why an operation of it, or of its parent before it forked, was left out: what is otherwise
        /// than it should be after that is not held against the system.
        var missing: HostRefusal?
    }

    /// An address space of a recording.
    private struct ImageKey: Hashable {
        var process: ProcessID
        var image: Int
    }

    let system: any MemorySystem
    private let workload: Workload
    private let options: RunOptions
    private let printer: ScenarioPrinter
    private let checker: ExpectationChecker

    private var summary: RunSummary
    private var processes: [ProcessID: Process] = [:]
    private var fileLengths: [FileID: UInt64] = [:]
    private let recordedImages: [ImageKey: RecordedProcess]
    private var calls: [CallKind: CallTally] = [:]
    private var accesses = AccessKind.allCases.map { AccessTally(kind: $0) }
    private let faultsBefore: [FaultCount]
    private let start = ContinuousClock.now
    /// How many items lie between two points of the timeline, and between two calls of progress.
    private let sampleInterval: Int
    private let progressInterval: Int

    init(_ workload: Workload, on system: any MemorySystem, options: RunOptions) {
        self.workload = workload
        self.system = system
        self.options = options
        let names = workload.names
        printer = ScenarioPrinter(names: names)
        summary = RunSummary(system: system.name)
        // The last item has a point of its own.
        let points = max(1, options.timelineLimit - 1)
        sampleInterval = max(1, (workload.count + points - 1) / points)
        progressInterval = max(1, workload.count / 200)
        var recorded: [ImageKey: RecordedProcess] = [:]
        if case .recording(let recording) = workload {
            for process in recording.processes {
                recorded[ImageKey(process: process.process, image: process.image)] = process
            }
        }
        recordedImages = recorded
        faultsBefore = (try? system.faultCounts()) ?? []
        checker = ExpectationChecker(system: system, workload: workload)
    }

    /// How many outcomes are not as recorded, so far.
    var differenceCount: Int { summary.differenceCount }

    /// Does or checks one item.
    ///
    /// - Returns: What became of it; `nil` for a claim, and for an operation that was left out.
    func perform(_ index: Int) throws(RunFailure) -> Outcome? {
        let item = workload.item(index)
        let outcome: Outcome?
        switch item.action {
        case .perform(let operation, let judgement):
            outcome = try perform(operation, judgement, item, at: index)
            if let audit = options.audit,
                summary.operations.isMultiple(of: max(1, options.auditInterval))
            {
                do { try audit() } catch {
                    throw failure("the audit found: \(error)", item, at: index)
                }
            }
        case .check(let expectation):
            check(expectation, item)
            outcome = nil
        }
        let isLast = index == workload.count - 1
        if isLast || (index + 1).isMultiple(of: sampleInterval) { addPoint(item, at: index) }
        if isLast || (index + 1).isMultiple(of: progressInterval) {
            options.progress?(index + 1, workload.count)
        }
        return outcome
    }

    /// Ends the run; what was found.
    func finish() -> RunSummary {
        for process in Array(processes.keys) { observe(process, isFinal: true) }
        return current
    }

    /// What has been found so far.
    private var current: RunSummary {
        var summary = summary
        summary.elapsed = ContinuousClock.now - start
        summary.calls = calls.values.sorted {
            ($1.count, $0.kind.rawValue) < ($0.count, $1.kind.rawValue)
        }
        summary.accesses = accesses.filter { $0.count > 0 }
        summary.faults = faults()
        summary.remarks = system.remarks
        return summary
    }

    private func faults() -> [FaultCount] {
        let after = (try? system.faultCounts()) ?? []
        guard after.isEmpty else {
            let before = Dictionary(
                faultsBefore.map { ($0.kind, $0.count) }, uniquingKeysWith: &+)
            return after.map {
                FaultCount(kind: $0.kind, count: $0.count &- (before[$0.kind] ?? 0))
            }
        }
        return [
            FaultCount(kind: "minor", count: summary.processes.reduce(0) { $0 + $1.minorFaults }),
            FaultCount(kind: "major", count: summary.processes.reduce(0) { $0 + $1.majorFaults }),
        ]
    }

    private func failure(_ reason: String, _ item: WorkItem, at index: Int) -> RunFailure {
        let text =
            switch item.action {
            case .perform(let operation, _): printer.text(operation)
            case .check(let expectation): printer.text(expectation)
            }
        return RunFailure(
            step: index, line: item.line, operation: text, reason: reason, summary: current)
    }

    // MARK: Operations

    private func perform(
        _ operation: Operation, _ judgement: WorkItem.Judgement, _ item: WorkItem, at index: Int
    ) throws(RunFailure) -> Outcome? {
        let book = processes[operation.process]?.book
        let outcome: Outcome
        var resolved = operation
        do {
            if let book { resolved.call = try book.resolve(operation.call) }
            // What ends an address space is the last chance to see how much it held.
            switch operation.call {
            case .exit, .exec: observe(operation.process, isFinal: true)
            default: break
            }
            outcome = try system.perform(resolved)
        } catch let refusal as HostRefusal {
            leaveOut(operation, refusal)
            return nil
        } catch let error as UnresolvedAddress {
            // A region may be missing because what would have made it was left out.
            if let refusal = processes[operation.process]?.missing {
                leaveOut(operation, refusal)
                return nil
            }
            throw failure(
                "the region \"\(workload.names.name(of: error.region))\" is nowhere: the call that "
                    + "would have made it failed, or another process made it", item, at: index)
        } catch {
            throw failure("\(error)", item, at: index)
        }
        summary.operations += 1
        tally(resolved.call, outcome)
        // ORDER: an outcome is compared before the book learns where this system put it, and a
        // claim is checked after, since it may name the region that the call made.
        if case .recorded(let recorded?) = judgement {
            compare(operation, outcome, recorded, at: index)
        }
        follow(operation, outcome, judgement, at: index)
        if case .expected(let expected) = judgement {
            judge(operation, outcome, expected, item)
        }
        return outcome
    }

    private func leaveOut(_ operation: Operation, _ refusal: HostRefusal) {
        processes[operation.process]?.missing = refusal
        leaveOut(refusal.reason) { $0.operations += 1 }
    }

    /// Whether an operation of the process, or of its parent before it forked, was left out.
    func isIncomplete(_ process: ProcessID) -> Bool { processes[process]?.missing != nil }

    /// Whether what a process shows is excused by an operation that was left out; then it is counted
    /// with that.
    private func excuses(_ process: ProcessID?) -> Bool {
        guard let refusal = process.flatMap({ processes[$0]?.missing }) else { return false }
        leaveOut(refusal.reason) { $0.claims += 1 }
        return true
    }

    private func leaveOut(_ reason: String, _ count: (inout LeftOut) -> Void) {
        let known = summary.leftOut.firstIndex { $0.reason == reason }
        if known == nil { summary.leftOut.append(LeftOut(reason: reason)) }
        count(&summary.leftOut[known ?? summary.leftOut.count - 1])
    }

    private func tally(_ call: Call, _ outcome: Outcome) {
        switch call {
        case .access(let span, let kind): tally(kind, span, outcome)
        case .store(let span, _): tally(.write, span, outcome)
        case .load(let span): tally(.read, span, outcome)
        default:
            guard call.kind.isSystemCall else { return }
            calls[call.kind, default: CallTally(kind: call.kind)].count += 1
            if case .failed(let error) = outcome {
                calls[call.kind]?.errors[error, default: 0] += 1
            }
        }
    }

    private func tally(_ kind: AccessKind, _ span: Span, _ outcome: Outcome) {
        let index = Int(kind.rawValue)
        accesses[index].count += 1
        if case .absolute(let address, let length) = span, length > 0 {
            let last = address.addingReportingOverflow(length - 1)
            let end = last.overflow ? UInt64.max : last.partialValue
            accesses[index].pages &+= (end >> pageShift) - (address >> pageShift) + 1
        }
        if case .signal(let signal, _) = outcome {
            accesses[index].signals[signal, default: 0] += 1
        }
    }

    /// Keeps track of what the operation did to processes, regions and files.
    private func follow(
        _ operation: Operation, _ outcome: Outcome, _ judgement: WorkItem.Judgement, at index: Int
    ) {
        let process = operation.process
        switch (operation.call, outcome) {
        case (_, .signal(.outOfMemory, _)): end(process, at: index)
        case (.spawn, .value): appear(process, parent: nil, at: index)
        case (.fork(let child, let sharesMemory), .value):
            let parent = processes[process]
            let book = parent?.book ?? AddressBook()
            appear(child, parent: process, at: index)
            processes[child]?.book = sharesMemory ? book : AddressBook(copying: book)
            processes[child]?.sharesMemory = sharesMemory
            processes[child]?.missing = parent?.missing
        case (.exec(let image), .value): begin(image, in: process)
        case (.exit, .value): end(process, at: index)
        case (.createFile(let file, let description), .value):
            fileLengths[file] = description.length
        case (.ftruncate(let file, let length), .value): fileLengths[file] = length
        case (.mmap(_, let length, _, let flags, _, _), .value(let address)):
            learn(operation, length, address, judgement)
            if flags.contains(.locked) { observe(process, isFinal: false) }
        case (.mremap(_, let length, _, _), .value(let address)):
            learn(operation, length, address, judgement)
        case (.shmat(let file, _, _), .value(let address)):
            learn(operation, fileLengths[file] ?? pageSize, address, judgement)
        case (.brk, .value(let address)): learn(operation, 0, address, judgement)
        case (.mlock, _), (.mlock2, _), (.mlockall, _): observe(process, isFinal: false)
        default: break
        }
    }

    private func learn(
        _ operation: Operation, _ length: UInt64, _ address: UInt64,
        _ judgement: WorkItem.Judgement
    ) {
        var recordedAddress: UInt64?
        if case .recorded(.value(let recorded)) = judgement { recordedAddress = recorded }
        processes[operation.process]?.book
            .learn(operation, length: length, at: address, recorded: recordedAddress)
    }

    private func appear(_ process: ProcessID, parent: ProcessID?, at index: Int) {
        processes[process] = Process(index: summary.processes.count, book: AddressBook())
        let recorded = recordedImages[ImageKey(process: process, image: 0)]
        summary.processes.append(
            ProcessSummary(
                process: process, name: recorded?.name ?? workload.names.name(of: process),
                parent: parent, firstStep: index))
    }

    /// A process executes a program.
    private func begin(_ image: ExecImage, in process: ProcessID) {
        guard var state = processes[process] else { return }
        state.book = AddressBook()
        state.sharesMemory = false
        state.image += 1
        processes[process] = state
        guard case .recording = workload else { return }
        let recorded = recordedImages[ImageKey(process: process, image: state.image)]
        summary.processes[state.index].name = recorded?.name ?? image.name
    }

    private func end(_ process: ProcessID, at index: Int) {
        guard let place = processes.removeValue(forKey: process)?.index else { return }
        summary.processes[place].lastStep = index
    }

    // MARK: Judging

    private func compare(
        _ operation: Operation, _ outcome: Outcome, _ recorded: Outcome, at index: Int
    ) {
        let kind = difference(operation, recorded, outcome)
        if kind != nil, excuses(operation.process) { return }
        summary.compared += 1
        guard let kind else { return }
        summary.differenceCounts[kind, default: 0] += 1
        guard summary.differences.count < options.findingLimit else { return }
        summary.differences.append(
            Difference(
                kind: kind, step: index, operation: printer.text(operation), recorded: recorded,
                got: outcome))
    }

    private func judge(
        _ operation: Operation, _ outcome: Outcome, _ expected: ExpectedOutcome, _ item: WorkItem
    ) {
        let isMet = matches(expected, outcome, of: operation)
        if !isMet, excuses(operation.process) { return }
        summary.checked += 1
        guard !isMet else { return }
        fail(
            item, text: printer.text(operation) + printer.text(expected),
            got: printer.text(portable(outcome, of: operation)))
    }

    /// In what an outcome differs from the recorded one; `nil` if in nothing that counts.
    private func difference(
        _ operation: Operation, _ recorded: Outcome, _ got: Outcome
    ) -> Difference.Kind? {
        guard recorded != got else { return nil }
        switch (recorded, got) {
        case (.value(let address), .value(let here)):
            switch operation.call {
            // A process's number is the workload's here.
            case .fork, .spawn: return nil
            default: break
            }
            guard operation.call.returnsAddress else { return .result }
            // What is put beside a mapping that lies elsewhere follows it.
            let book = processes[operation.process]?.book
            return (try? book?.resolve(.absolute(address))) == here ? nil : .placement
        case (.pages(let one), .pages(let other)):
            return one.elementsEqual(other) { $0 & 1 == $1 & 1 } ? nil : .result
        case (.signal(let one, let address), .signal(let other, let here)):
            guard one == other else { return .outcome }
            let place = processes[operation.process]?.book.portable(here)
            return place == .absolute(address) ? nil : .outcome
        default: return .outcome
        }
    }

    private func matches(
        _ expected: ExpectedOutcome, _ outcome: Outcome, of operation: Operation
    ) -> Bool {
        let book = processes[operation.process]?.book
        switch (expected, outcome) {
        case (.anything, _): return true
        case (.success, .value), (.success, .pages): return true
        case (.failure, .failed): return true
        case (.failed(let error), .failed(let got)): return error == got
        case (.value(let value), .value(let got)): return value == got
        case (.address(let address), .value(let got)):
            return (try? book?.resolve(address)) == got
        case (.pages(let pages), .pages(let got)):
            return pages.elementsEqual(got) { $0 == ($1 & 1 == 1) }
        case (.signal(let signals, let address), .signal(let got, let place)):
            guard signals.contains(got) else { return false }
            guard let address else { return true }
            return (try? book?.resolve(address)) == place
        case (.pattern(let seed), .value(let got)):
            guard case .load(let span) = operation.call,
                case .absolute(_, let length)? = try? book?.resolve(span)
            else { return false }
            return got == StorePattern.checksum(seed: seed, length: length)
        default: return false
        }
    }

    private func check(_ expectation: Expectation, _ item: WorkItem) {
        guard system.ownsMachine || !expectation.subject.isMachineWide else {
            return leaveOut("figures of the machine are not the work's alone.") { $0.claims += 1 }
        }
        let process = expectation.subject.process
        let answer = checker.check(expectation, book: process.flatMap { processes[$0]?.book })
        if case .fails = answer, excuses(process) { return }
        summary.checked += 1
        if case .fails(let got) = answer {
            fail(item, text: printer.text(expectation), got: got)
        }
    }

    private func fail(_ item: WorkItem, text: String, got: String) {
        summary.failureCount += 1
        guard summary.failures.count < options.findingLimit else { return }
        summary.failures.append(ExpectationFailure(line: item.line ?? 0, text: text, got: got))
    }

    // MARK: Portable outcomes

    /// An outcome in which addresses are as the work writes them, so that two systems which place
    /// mappings differently give the same one.
    func portable(_ outcome: Outcome, of operation: Operation) -> PortableOutcome {
        let book = processes[operation.process]?.book
        switch outcome {
        case .value(let value) where operation.call.returnsAddress:
            guard let book else { return .plain(outcome) }
            return .address(book.portable(value, near: operation.binds))
        case .signal(let signal, let address):
            let region: RegionID? =
                switch operation.call.span {
                case .region(let region), .part(let region, _, _): region
                default: nil
                }
            return .signal(signal, book?.portable(address, near: region) ?? .absolute(address))
        case .pages(let pages): return .plain(.pages(pages.map { $0 & 1 }))
        default: return .plain(outcome)
        }
    }

    // MARK: Observing

    /// Looks at what a process holds.
    ///
    /// - Parameters:
    ///   - process: A process; one that is gone is passed over.
    ///   - isFinal: Whether its address space is about to end.
    /// - Returns: What it holds; `nil` if it is gone or shares another's memory.
    @discardableResult
    private func observe(_ process: ProcessID, isFinal: Bool) -> MemoryFigures? {
        guard let state = processes[process], let sample = try? system.sample(of: process) else {
            return nil
        }
        let figures = MemoryFigures(sample)
        // A child that shares its parent's memory has no peaks of its own.
        guard !state.sharesMemory else { return nil }
        summary.processes[state.index].peak.raise(to: figures)
        let peak = max(summary.processes[state.index].peak.resident, sample.peakResident)
        summary.processes[state.index].peak.resident = peak
        summary.processes[state.index].minorFaults = sample.minorFaults
        summary.processes[state.index].majorFaults = sample.majorFaults
        if isFinal { addImage(of: process, state, sample) }
        return figures
    }

    /// An address space ends: what it held is held against the recording.
    private func addImage(of process: ProcessID, _ state: Process, _ sample: ProcessSample) {
        let recorded = recordedImages[ImageKey(process: process, image: state.image)]
        summary.processes[state.index].images.append(
            ImageSummary(
                image: state.image, name: summary.processes[state.index].name,
                peakResident: sample.peakResident, recordedPeakResident: recorded?.peakResident,
                lastResident: ResidentFigures(sample), recordedLastResident: recorded?.lastResident)
        )
    }

    private func addPoint(_ item: WorkItem, at index: Int) {
        var point = TimelinePoint(
            step: index, time: item.time, processes: [], total: MemoryFigures())
        for process in processes.keys.sorted() {
            guard let figures = observe(process, isFinal: false) else { continue }
            point.processes.append(.init(process: process, figures: figures))
            point.total.add(figures)
        }
        summary.peak.raise(to: point.total)
        summary.timeline.append(point)
    }
}

/// An outcome without the addresses of the system it came from.
enum PortableOutcome: Hashable {
    case address(Address)
    case signal(Signal, Address)
    case plain(Outcome)
}

extension ScenarioPrinter {
    func text(_ outcome: PortableOutcome) -> String {
        switch outcome {
        case .address(let address): text(address)
        case .signal(let signal, let address): "\(signal.word) at \(text(address))"
        case .plain(let outcome): outcome.description
        }
    }
}
