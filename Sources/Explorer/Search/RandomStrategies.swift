// SPDX-License-Identifier: Apache-2.0

/// Numbers from a seed (splitmix64), the same on every host.
struct SeededGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: (UInt64(UInt32(truncatingIfNeeded: next())) &* UInt64(bound)) >> 32)
    }
}

/// Any thread that can go on does, each with the same chance.
final class RandomStrategy: Strategy {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    func prepare() -> Bool { true }

    func choose(step: Int, _ enabled: ThreadSet, current: Int) -> Int {
        enabled[generator.below(enabled.count)]
    }
}

/// Probabilistic concurrency testing: the thread of the highest priority runs; at a few steps drawn
/// beforehand the running thread's priority falls below all others.
///
/// A mistake that needs `changes` + 1 steps in a certain order is found in a run with a chance of at
/// least 1 / (threads × steps^changes).
///
/// SEE Burckhardt and others, A randomized scheduler with probabilistic guarantees (2010).
final class PriorityStrategy: Strategy {
    private var generator: SeededGenerator
    private let changes: Int
    private var priorities = [Int](repeating: 0, count: Execution.maximumThreads)
    private var changeSteps: [Int] = []
    /// The most steps that a run has had.
    private var steps = 64
    private var lowest = 0

    init(seed: UInt64, changes: Int) {
        generator = SeededGenerator(seed: seed)
        self.changes = changes
    }

    func prepare() -> Bool {
        for index in priorities.indices { priorities[index] = index + 1 }
        for index in priorities.indices.dropFirst().reversed() {
            priorities.swapAt(index, generator.below(index + 1))
        }
        changeSteps.removeAll(keepingCapacity: true)
        for _ in 0..<changes { changeSteps.append(generator.below(steps)) }
        lowest = 0
        return true
    }

    func choose(step: Int, _ enabled: ThreadSet, current: Int) -> Int {
        var best = highest(of: enabled)
        for change in changeSteps where change == step {
            lowest -= 1
            priorities[best] = lowest
            best = highest(of: enabled)
        }
        return best
    }

    private func highest(of enabled: ThreadSet) -> Int {
        var best = enabled.first
        for position in 1..<max(1, enabled.count) {
            let thread = enabled[position]
            if priorities[thread] > priorities[best] { best = thread }
        }
        return best
    }

    func learn(from execution: Execution) { steps = max(steps, execution.trace.stepCount) }
}
