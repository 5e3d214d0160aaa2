// SPDX-License-Identifier: Apache-2.0
//
// All schedules with at most so many preemptions, or changes of thread, one after another.
//
// STATE      A path: for each step of the last run who could have made it, who is to be tried, and
//            who was. The next run repeats the path up to the last step where somebody is left to
//            try, and goes on without preemptions from there.
// INVARIANT  With reduction, every state at the end that a schedule within the bound leads to is
//            reached: of schedules that differ only in the order of steps that touch nothing in
//            common one is enough.
// SEE        Flanagan and Godefroid, Dynamic partial-order reduction (2005), for which steps must
//            be tried the other way round. Coons, Musuvathi and McKinley, Bounded partial-order
//            reduction (2013), for what a bound asks besides: whoever is to run before a step is
//            also to run before the whole stretch of the step's thread, where it costs no
//            preemption that the step would cost.

/// Searches exhaustively, within a bound.
final class DepthFirstStrategy: Strategy {
    /// What a bound is of.
    enum Cost {
        /// Changes of thread where the one before could have gone on.
        case preemptions
        /// All changes of thread.
        case changes
    }

    private struct Node {
        var enabled: ThreadSet
        /// Who is to be tried here; all that are tried are in it.
        var wanted: ThreadSet
        var tried: ThreadSet
        /// Who ran before and could have gone on, or -1.
        var current: Int32
        /// What the changes before this step have cost.
        var cost: Int32
        var chosen: Int32
    }

    private var path: [Node] = []
    private let bound: Int
    private let counted: Cost
    private let conflicts: Conflicts?
    private var isFirst = true
    /// The subject did something else when the path was repeated.
    private(set) var divergedAt: Int?
    private(set) var repeatedSteps = 0

    /// A search.
    ///
    /// - Parameters:
    ///   - bound: The highest cost of a run.
    ///   - counted: What costs.
    ///   - reduces: Whether schedules that differ only in the order of independent steps count as
    ///     one.
    ///   - threads: How many threads the subject has.
    init(bound: Int, of counted: Cost, reduces: Bool, threads: Int) {
        self.bound = bound
        self.counted = counted
        conflicts = reduces ? Conflicts(threads: threads) : nil
        path.reserveCapacity(1024)
    }

    var wantsForcedSteps: Bool { true }

    func prepare() -> Bool {
        if isFirst {
            isFirst = false
            return true
        }
        while let last = path.indices.last {
            let next = nextThread(at: last)
            if next >= 0 {
                path[last].chosen = Int32(next)
                path[last].tried.insert(next)
                repeatedSteps = last
                return true
            }
            path.removeLast()
        }
        return false
    }

    /// Somebody at a node who is to be tried and was not, within the bound.
    private func nextThread(at index: Int) -> Int {
        let node = path[index]
        var left = node.wanted.subtracting(node.tried)
        while !left.isEmpty {
            let thread = left.first
            if Int(node.cost) + cost(of: thread, at: index) <= bound { return thread }
            left = left.subtracting(ThreadSet(thread))
        }
        return -1
    }

    /// What it costs that a thread makes a step of the path.
    private func cost(of thread: Int, at step: Int) -> Int {
        let before =
            switch counted {
            case .preemptions: Int(path[step].current)
            case .changes: step > 0 ? Int(path[step - 1].chosen) : -1
            }
        return before >= 0 && thread != before ? 1 : 0
    }

    func choose(step: Int, _ enabled: ThreadSet, current: Int) -> Int {
        if step < path.count {
            let node = path[step]
            guard node.enabled == enabled, Int(node.current) == current else {
                if divergedAt == nil { divergedAt = step }
                return -1
            }
            return Int(node.chosen)
        }
        var cost = 0
        if let last = path.last {
            cost = Int(last.cost) + self.cost(of: Int(last.chosen), at: path.count - 1)
        }
        let chosen = current >= 0 ? current : enabled.first
        let wanted = conflicts == nil ? enabled : ThreadSet(chosen)
        path.append(
            Node(
                enabled: enabled, wanted: wanted, tried: ThreadSet(chosen),
                current: Int32(current), cost: Int32(cost), chosen: Int32(chosen)))
        return chosen
    }

    func learn(from execution: Execution) {
        conflicts?.forEachReversal(in: execution.trace, objects: execution.objects.count) {
            step, thread in
            want(thread, before: step)
            var start = step
            while start > 0, path[start - 1].chosen == path[step].chosen { start -= 1 }
            if start != step { want(thread, before: start) }
        }
    }

    @inline(__always)
    private func want(_ thread: Int, before step: Int) {
        if path[step].enabled.contains(thread) {
            path[step].wanted.insert(thread)
        } else {
            path[step].wanted.formUnion(path[step].enabled)
        }
    }
}
