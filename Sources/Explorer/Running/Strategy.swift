// SPDX-License-Identifier: Apache-2.0

/// Decides who goes on at each point of a run.
protocol Strategy: AnyObject {
    /// Prepares the next run.
    ///
    /// - Returns: `false` when there is none to make.
    func prepare() -> Bool

    /// Whether it is asked even where only one thread can go on.
    var wantsForcedSteps: Bool { get }

    /// Steps at the begin of the next run that an earlier one made too.
    var repeatedSteps: Int { get }

    /// Who goes on, one of `enabled`; -1 ends the run.
    ///
    /// `current` is who has run last if it could go on, else -1.
    func choose(step: Int, _ enabled: ThreadSet, current: Int) -> Int

    /// Learns from a run that is over.
    func learn(from execution: Execution)
}

extension Strategy {
    var wantsForcedSteps: Bool { false }
    var repeatedSteps: Int { 0 }
    func learn(from execution: Execution) {}
}
