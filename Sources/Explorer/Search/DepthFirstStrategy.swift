// SPDX-License-Identifier: Apache-2.0
//
// All schedules with at most so many preemptions, one after another.
//
// STATE      A path: for each step of the last run who could have made it, who is to be tried, and
//            who was. The next run repeats the path up to the last step where somebody is left to
//            try, and goes on without preemptions from there.
// INVARIANT  With reduction, of all schedules that differ only in the order of steps that touch
//            nothing in common at least one is tried, if it is within the bound.
// SEE        Flanagan and Godefroid, Dynamic partial-order reduction (2005), for which steps must
//            be tried the other way round. Coons, Musuvathi and McKinley, Bounded partial-order
//            reduction (2013), for what a bound asks besides: whoever is to run before a step is
//            also to run before the whole stretch of the step's thread, where it costs no
//            preemption that the step would cost.

/// Searches exhaustively, within a bound.
final class DepthFirstStrategy: Strategy {
    private struct Node {
        var enabled: ThreadSet
        /// Who is to be tried here; all that are tried are in it.
        var wanted: ThreadSet
        var tried: ThreadSet
        /// Who ran before and could have gone on, or -1.
        var current: Int32
        /// Preemptions before this step.
        var preemptions: Int32
        var chosen: Int32
    }

    private var path: [Node] = []
    private let bound: Int
    private let reduction: PartialOrder?
    private var isFirst = true
    /// The subject did something else when the path was repeated.
    private(set) var divergedAt: Int?
    private(set) var repeatedSteps = 0

    /// A search.
    ///
    /// - Parameters:
    ///   - bound: The most preemptions of a run.
    ///   - reduces: Whether schedules that differ only in the order of independent steps count as
    ///     one.
    ///   - threads: How many threads the subject has.
    init(bound: Int, reduces: Bool, threads: Int) {
        self.bound = bound
        reduction = reduces ? PartialOrder(threads: threads) : nil
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
            let cost = node.current >= 0 && thread != Int(node.current) ? 1 : 0
            if Int(node.preemptions) + cost <= bound { return thread }
            left = left.subtracting(ThreadSet(thread))
        }
        return -1
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
        var preemptions: Int32 = 0
        if let last = path.last {
            preemptions = last.preemptions
            if last.current >= 0, last.chosen != last.current { preemptions += 1 }
        }
        let chosen = current >= 0 ? current : enabled.first
        let wanted = reduction == nil ? enabled : ThreadSet(chosen)
        path.append(
            Node(
                enabled: enabled, wanted: wanted, tried: ThreadSet(chosen),
                current: Int32(current), preemptions: preemptions, chosen: Int32(chosen)))
        return chosen
    }

    func learn(from execution: Execution) {
        reduction?.forEachReversal(in: execution.trace, objects: execution.objects.count) {
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
