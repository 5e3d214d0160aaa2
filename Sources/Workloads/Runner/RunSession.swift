// SPDX-License-Identifier: Apache-2.0
//
// Carries out a workload's items. What outcomes are held against: `RunSession+Judging`. What
// processes hold: `RunSession+Observing`. Processes that end too early: `RunSession+Losses`. What a
// host forbids: `RunSession+Omissions`.

import Mooring

/// A workload that is being carried out on a system, item by item.
final class RunSession {
    /// What is known of a process that lives.
    struct Process {
        /// Its place in the summary.
        var index: Int
        var book: AddressBook
        /// Whether its memory is another's, until it executes a program.
        var sharesMemory = false
        /// How many programs it has executed: which of its address spaces it has.
        var image = 0
        /// What it held when it was last looked at.
        var last = ProcessSample()
        /// Why an operation of it, or of its parent before it forked, was left out: what is otherwise
        /// than it should be after that is not held against the system.
        var missing: HostRefusal?
    }

    /// An address space of a recording.
    struct ImageKey: Hashable {
        var process: ProcessID
        var image: Int
    }

    let system: any MemorySystem
    let workload: Workload
    let options: RunOptions
    let printer: ScenarioPrinter
    let checker: ExpectationChecker

    var summary: RunSummary
    var processes: [ProcessID: Process] = [:]
    private var fileLengths: [FileID: UInt64] = [:]
    let recordedImages: [ImageKey: RecordedProcess]
    /// The last step of each recorded process but its exit.
    let lastDeeds: [ProcessID: Int]
    /// For each process that was lost, and each that it would have made: which of the summary's.
    var losses: [ProcessID: Int] = [:]
    private var spread: CPUSpread
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
        var lastDeeds: [ProcessID: Int] = [:]
        if case .recording(let recording) = workload {
            for process in recording.processes {
                recorded[ImageKey(process: process.process, image: process.image)] = process
            }
            for (index, step) in recording.steps.enumerated() where step.operation.call != .exit {
                lastDeeds[step.operation.process] = index
            }
        }
        recordedImages = recorded
        self.lastDeeds = lastDeeds
        spread = CPUSpread(cpuCount: system.cpuCount)
        if system.cpuCount > 1 {
            summary.operationsByCPU = Array(repeating: 0, count: system.cpuCount)
        }
        faultsBefore = (try? system.faultCounts()) ?? []
        checker = ExpectationChecker(system: system, workload: workload)
    }

    /// How many outcomes are not as recorded, so far.
    var differenceCount: Int { summary.differenceCount }

    /// Does or checks one item.
    ///
    /// - Returns: What became of it; `nil` for a claim, for what a lost process was to do, and for
    ///   what was left out.
    func perform(_ index: Int) throws(RunFailure) -> Outcome? {
        let item = workload.item(index)
        let outcome: Outcome?
        switch item.action {
        case .perform(let operation, let judgement):
            outcome = isLost(operation) ? nil : try perform(operation, judgement, item, at: index)
            if let audit = options.audit, outcome != nil,
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
        for process in Array(processes.keys) { endImage(of: process, observe(process)) }
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

    func failure(_ reason: String, _ item: WorkItem, at index: Int) -> RunFailure {
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
        var resolved = operation
        resolved.cpu = spread.cpu(for: operation, thread: item.thread)
        let last: ProcessSample?
        let outcome: Outcome
        do {
            if let cpu = operation.cpu, system.ownsMachine, cpu >= system.cpuCount {
                throw SystemFailure.noCPU(cpu, of: system.cpuCount)
            }
            if let book = processes[operation.process]?.book {
                resolved.call = try book.resolve(operation.call)
            }
            // What ends an address space is the last chance to see how much it held.
            last = operation.call.endsAddressSpace ? observe(operation.process) : nil
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
        if let cpu = resolved.cpu, cpu < summary.operationsByCPU.count {
            summary.operationsByCPU[cpu] += 1
        }
        tally(resolved.call, outcome)
        // ORDER: an outcome is compared before the book learns where this system put it, and a
        // claim is checked after, since it may name the region that the call made. A process is
        // given up last: until then its book says what addresses mean.
        if case .recorded(let recorded?) = judgement {
            compare(operation, outcome, recorded, at: index)
        }
        if case .value = outcome, let last { endImage(of: operation.process, last) }
        follow(operation, outcome, judgement, at: index)
        var isAsClaimed = false
        if case .expected(let expected) = judgement {
            isAsClaimed = judge(operation, outcome, expected, item)
        }
        if let (process, cause) = loss(in: operation, outcome, judgement, at: index) {
            lose(process, cause, wasExpected: isAsClaimed, operation, item, at: index)
        }
        return outcome
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
            if flags.contains(.locked) { observe(process) }
        case (.mremap(_, let length, _, _), .value(let address)):
            learn(operation, length, address, judgement)
        case (.shmat(let file, _, _), .value(let address)):
            learn(operation, fileLengths[file] ?? pageSize, address, judgement)
        case (.brk, .value(let address)): learn(operation, 0, address, judgement)
        case (.mlock, _), (.mlock2, _), (.mlockall, _): observe(process)
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
        losses[process] = nil
        summary.processes.append(
            ProcessSummary(
                process: process, name: firstName(of: process, parent: parent), parent: parent,
                firstStep: index))
    }

    /// What a process is called before it executes a program: in a recording, what its parent is.
    func firstName(of process: ProcessID, parent: ProcessID?) -> String {
        if let recorded = recordedImages[ImageKey(process: process, image: 0)] {
            return recorded.name
        }
        if case .recording = workload, let place = parent.flatMap({ processes[$0]?.index }) {
            return summary.processes[place].name
        }
        return workload.names.name(of: process)
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

    func end(_ process: ProcessID, at index: Int) {
        guard let place = processes.removeValue(forKey: process)?.index else { return }
        summary.processes[place].lastStep = index
    }
}

extension Call {
    /// Whether the caller leaves its address space when it succeeds.
    fileprivate var endsAddressSpace: Bool {
        switch self {
        case .exit, .exec: true
        default: false
        }
    }
}
