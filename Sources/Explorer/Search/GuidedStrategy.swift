// SPDX-License-Identifier: Apache-2.0

/// Follows a schedule as far as it can be followed, then goes on without preemptions.
///
/// A stretch ends early where its thread cannot go on; a stretch of a thread that cannot go on at
/// all is left out.
final class GuidedStrategy: Strategy {
    private let schedule: Schedule
    private var stretch = 0
    private var stepsLeft = 0
    private var isFresh = true

    init(_ schedule: Schedule) { self.schedule = schedule }

    var wantsForcedSteps: Bool { true }

    func prepare() -> Bool {
        guard isFresh else { return false }
        isFresh = false
        stretch = 0
        stepsLeft = schedule.stretches.first?.steps ?? 0
        return true
    }

    func choose(step: Int, _ enabled: ThreadSet, current: Int) -> Int {
        while stretch < schedule.stretches.count {
            let thread = schedule.stretches[stretch].thread
            if stepsLeft > 0, enabled.contains(thread) {
                stepsLeft -= 1
                return thread
            }
            stretch += 1
            if stretch < schedule.stretches.count {
                stepsLeft = schedule.stretches[stretch].steps
            }
        }
        return current >= 0 ? current : enabled.first
    }
}
