// SPDX-License-Identifier: Apache-2.0

import Mooring

/// What outcomes are held against: recorded ones, and what a scenario claims.
extension RunSession {
    func compare(
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

    /// Holds an outcome against what a scenario claims.
    ///
    /// - Returns: Whether it is as claimed.
    func judge(
        _ operation: Operation, _ outcome: Outcome, _ expected: ExpectedOutcome, _ item: WorkItem
    ) -> Bool {
        let isMet = matches(expected, outcome, of: operation)
        if !isMet, excuses(operation.process) { return false }
        summary.checked += 1
        if isMet { return true }
        fail(
            item, text: printer.text(operation) + printer.text(expected),
            got: printer.text(portable(outcome, of: operation)))
        return false
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
        case (.success, .value), (.success, .pages), (.success, .nodes): return true
        case (.failure, .failed): return true
        case (.failed(let error), .failed(let got)): return error == got
        case (.value(let value), .value(let got)): return value == got
        case (.address(let address), .value(let got)):
            return (try? book?.resolve(address)) == got
        case (.pages(let pages), .pages(let got)):
            return pages.elementsEqual(got) { $0 == ($1 & 1 == 1) }
        case (.nodes(let nodes), .nodes(let got)): return nodes == got
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

    func check(_ expectation: Expectation, _ item: WorkItem) {
        if let process = expectation.subject.process, skip(stepOf: process) { return }
        guard system.ownsMachine || !expectation.subject.isMachineWide else {
            return leaveOutClaimOnMachine()
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
