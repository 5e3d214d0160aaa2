// SPDX-License-Identifier: Apache-2.0

import Mooring

/// A process that the work goes on with, and the run had to do without.
package struct LostProcess: Hashable, Sendable {
    /// What became of it.
    package enum Cause: Hashable, Sendable {
        /// A signal ended it: SIGKILL for want of memory, or one that the recorded process did not
        /// get.
        case killed(Signal)
        /// The call failed that makes the process, or makes it another program.
        case failed(CallKind, Errno)
    }

    package var process: ProcessID
    package var name: String
    package var cause: Cause
    /// The step it was lost in, from 0, its line in a scenario, and its time in nanoseconds since
    /// the recording began.
    package var step: Int
    package var line: Int?
    package var time: UInt64
    /// The call that lost it, as a scenario would write it.
    package var operation: String
    /// What it held when it was killed; `nil` where it never began.
    package var held: MemoryFigures?
    /// The machine's free memory at that moment, where lack of it was the cause.
    ///
    /// Some is left: the last frames are kept for emergencies.
    package var freeMemory: UInt64?
    /// Whether the work says that this happens.
    package var wasExpected: Bool
    /// How many later steps were passed over: its own, and those of its children to be.
    package var skippedSteps = 0
}
