// SPDX-License-Identifier: Apache-2.0
//
// Processes that end, or never begin, although the work goes on with them. The run goes on without
// them: their later steps are passed over and counted, as are those of children that they would
// have made.

import Mooring

extension RunSession {
    /// Whether an operation's process was lost; if so, the step is passed over.
    func isLost(_ operation: Operation) -> Bool {
        guard skip(stepOf: operation.process) else { return false }
        if case .fork(let child, _) = operation.call { losses[child] = losses[operation.process] }
        return true
    }

    /// Passes over a step that a lost process was to do.
    ///
    /// - Returns: Whether it was lost.
    func skip(stepOf process: ProcessID) -> Bool {
        guard let loss = losses[process] else { return false }
        summary.lost[loss].skippedSteps += 1
        return true
    }

    /// Which process an operation loses, and how; `nil` if none.
    func loss(
        in operation: Operation, _ outcome: Outcome, _ judgement: WorkItem.Judgement, at index: Int
    ) -> (process: ProcessID, cause: LostProcess.Cause)? {
        let process = operation.process
        switch (operation.call, outcome) {
        case (_, .signal(.outOfMemory, _)): return (process, .killed(.outOfMemory))
        case (_, .signal(let signal, _)):
            // In a scenario a signal is an outcome like others: the process goes on.
            guard case .recorded(let recorded) = judgement,
                wentOn(after: recorded, process, at: index)
            else { return nil }
            return (process, .killed(signal))
        case (.spawn, .failed(let error)): return (process, .failed(.spawn, error))
        case (.fork(let child, _), .failed(let error)):
            if case .recorded(.failed) = judgement { return nil }
            return (child, .failed(.fork, error))
        case (.exec, .failed(let error)):
            // What the recorded program did next has no address space to be done in.
            guard case .recorded(let recorded) = judgement else { return nil }
            if case .failed = recorded { return nil }
            return (process, .failed(.exec, error))
        default: return nil
        }
    }

    /// Whether a recorded process went on where this run has a signal.
    private func wentOn(after recorded: Outcome?, _ process: ProcessID, at index: Int) -> Bool {
        switch recorded {
        // It got one too, and has a handler if it went on.
        case .signal: false
        case nil: index < lastDeeds[process] ?? 0
        default: true
        }
    }

    /// Gives a process up.
    func lose(
        _ process: ProcessID, _ cause: LostProcess.Cause, wasExpected: Bool,
        _ operation: Operation, _ item: WorkItem, at index: Int
    ) {
        // The moment before: afterwards what was held is gone.
        addPoint(item, at: index)
        options.progress?(index, workload.count)
        for victim in victims(process, cause) {
            let place = processes[victim]?.index
            let last = observe(victim)
            endImage(of: victim, last, isCutShort: true)
            system.kill(victim)
            end(victim, at: index)
            losses[victim] = summary.lost.count
            let name = place.map { summary.processes[$0].name }
            summary.lost.append(
                LostProcess(
                    process: victim,
                    name: name ?? firstName(of: victim, parent: operation.process), cause: cause,
                    step: index, line: item.line, time: item.time,
                    operation: printer.text(operation.call), held: last.map(MemoryFigures.init),
                    freeMemory: last?.freeWhenKilled, wasExpected: wasExpected))
        }
    }

    /// The process, and where memory ran out those that share its memory: the kernel kills all of
    /// them, since nothing is freed while one lives.
    private func victims(_ process: ProcessID, _ cause: LostProcess.Cause) -> [ProcessID] {
        guard cause == .killed(.outOfMemory), let book = processes[process]?.book else {
            return [process]
        }
        return processes.filter { $0.value.book === book }.keys.sorted()
    }
}
