// SPDX-License-Identifier: Apache-2.0

extension Explorer {
    /// The schedule with the fewest changes of thread that still leads to a finding of the same
    /// kind.
    ///
    /// First leaves out, moves and lengthens stretches, as long as that helps; then tries all
    /// schedules with fewer changes, but for those that differ only in the order of independent
    /// steps.
    ///
    /// - Parameters:
    ///   - failure: What to shrink.
    ///   - runs: The most runs that it may take.
    /// - Returns: The failure with the shorter schedule, or the same.
    /// - Throws: As ``search(_:schedules:duration:progress:)``.
    public func shrink(_ failure: Failure, runs: Int = 20_000) throws -> Failure {
        var left = runs
        let best = try shorten(failure, &left)
        for changes in 0..<max(0, best.schedule.changes) {
            let strategy = DepthFirstStrategy(
                bound: changes, of: .changes, reduces: true, threads: execution.threadCount)
            while left > 0, strategy.prepare() {
                left -= 1
                if let finding = try execution.run(strategy), finding.kind == best.finding.kind {
                    let found = self.failure(finding)
                    if Explorer.isShorter(found.schedule, than: best.schedule) {
                        return try shorten(found, &left)
                    }
                }
                strategy.learn(from: execution)
            }
        }
        return best
    }

    private func shorten(_ failure: Failure, _ left: inout Int) throws -> Failure {
        var best = failure
        var improved = true
        while improved, left > 0 {
            improved = false
            for candidate in Explorer.candidates(for: best.schedule) where left > 0 {
                left -= 1
                guard let result = try replay(candidate), result.finding.kind == best.finding.kind,
                    Explorer.isShorter(result.schedule, than: best.schedule)
                else { continue }
                best = result
                improved = true
                break
            }
        }
        return best
    }

    private static func isShorter(_ schedule: Schedule, than other: Schedule) -> Bool {
        (schedule.changes, schedule.steps) < (other.changes, other.steps)
    }

    /// Schedules that might do with less: the boldest first.
    private static func candidates(for schedule: Schedule) -> [Schedule] {
        let stretches = schedule.stretches
        var candidates: [Schedule] = []
        // Only the beginning; the rest without preemptions.
        for end in stretches.indices { candidates.append(Schedule(Array(stretches[..<end]))) }
        // Without a stretch: its steps come later.
        for index in stretches.indices {
            var rest = stretches
            rest.remove(at: index)
            candidates.append(Schedule(rest))
        }
        // A stretch before the one before it, or as long as its thread can go on.
        for index in stretches.indices {
            if index > 0 {
                var swapped = stretches
                swapped.swapAt(index - 1, index)
                candidates.append(Schedule(swapped))
            }
            var longer = stretches
            longer[index].steps += schedule.steps
            candidates.append(Schedule(longer))
        }
        return candidates
    }
}
