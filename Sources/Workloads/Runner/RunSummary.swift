// SPDX-License-Identifier: Apache-2.0

import Mooring

/// What became of a run.
package struct RunSummary: Sendable {
    /// What carried it out: ``MemorySystem/name``.
    package var system: String
    /// How many operations were carried out.
    package var operations = 0
    package var elapsed: Duration = .zero

    /// System calls, the most frequent first.
    package var calls: [CallTally] = []
    /// Accesses by kind; stores count as writes and loads as reads.
    package var accesses: [AccessTally] = []
    /// Faults by kind, as the system tells kinds apart.
    package var faults: [FaultCount] = []
    /// Processes in the order in which they appeared.
    package var processes: [ProcessSummary] = []
    /// Processes that the work goes on with, and the run had to do without.
    package var lost: [LostProcess] = []
    /// How many steps were passed over because their processes were lost.
    package var skippedSteps: Int { lost.reduce(0) { $0 + $1.skippedSteps } }
    /// How many operations ran on each virtual CPU; empty where there is one CPU.
    package var operationsByCPU: [Int] = []

    /// The most that processes held together at any point of the timeline: sums, in which a page
    /// that several map counts for each.
    package var peak = MemoryFigures()
    /// Figures over time: evenly spaced, and where a process was lost.
    package var timeline: [TimelinePoint] = []

    /// How many outcomes were held against recorded ones.
    package var compared = 0
    /// Where they differ: the first ones.
    package var differences: [Difference] = []
    /// How many differ in all, by what differs.
    package var differenceCounts: [Difference.Kind: Int] = [:]
    /// How many differ in all.
    package var differenceCount: Int { differenceCounts.values.reduce(0, +) }

    /// How many claims of a scenario were checked: outcomes and `expect` lines.
    package var checked = 0
    /// What was not carried out because the system's host does not let it be, and what follows.
    package var leftOut: [LeftOut] = []
    /// How many claims were passed over.
    package var skipped: Int { leftOut.reduce(0) { $0 + $1.claims } }
    /// What the system did otherwise than the work says: ``MemorySystem/remarks``.
    package var remarks: [String] = []
    /// The claims that do not hold: the first ones.
    package var failures: [ExpectationFailure] = []
    package var failureCount = 0

    /// Whether every claim holds, every outcome is as recorded, and no process was lost.
    package var isClean: Bool {
        failureCount == 0 && differenceCount == 0 && lost.allSatisfy(\.wasExpected)
    }
}

/// How often a system call was made.
package struct CallTally: Hashable, Sendable {
    package var kind: CallKind
    package var count = 0
    package var errors: [Errno: Int] = [:]
    package var errorCount: Int { errors.values.reduce(0, +) }
}

/// How often memory was accessed.
package struct AccessTally: Hashable, Sendable {
    package var kind: AccessKind
    package var count = 0
    /// Pages touched, each as often as it was.
    package var pages: UInt64 = 0
    package var signals: [Signal: Int] = [:]
}

/// What memory a process holds, in bytes.
package struct MemoryFigures: Hashable, Sendable {
    package var resident: UInt64 = 0
    package var locked: UInt64 = 0
    package var pageTables: UInt64 = 0

    package init() {}

    init(_ sample: ProcessSample) {
        resident = sample.resident
        locked = sample.locked
        pageTables = sample.pageTables
    }

    mutating func add(_ other: MemoryFigures) {
        resident += other.resident
        locked += other.locked
        pageTables += other.pageTables
    }

    mutating func raise(to other: MemoryFigures) {
        resident = max(resident, other.resident)
        locked = max(locked, other.locked)
        pageTables = max(pageTables, other.pageTables)
    }
}

/// What became of a process.
package struct ProcessSummary: Hashable, Sendable {
    package var process: ProcessID
    package var name: String
    /// Who forked it; `nil` for one that the work began with.
    package var parent: ProcessID?
    /// The step that it appeared in.
    package var firstStep: Int
    /// The step that it exited or was killed in; `nil` if it outlived the work.
    package var lastStep: Int?

    /// The most it held.
    ///
    /// Resident memory is the system's own peak (VmHWM); locked memory is seen
    /// after each call that locks, and page tables at the points of the timeline and at exit.
    package var peak = MemoryFigures()
    /// Its address spaces in order: what fork left it, and one for each program it executed.
    ///
    /// One that it shared with its parent is left out.
    package var images: [ImageSummary] = []
    package var minorFaults: UInt64 = 0
    package var majorFaults: UInt64 = 0

    /// VmHWM when it exited or the work ended: of the last program that it executed.
    package var finalPeakResident: UInt64 { images.last?.peakResident ?? 0 }
    /// What the recording says of that.
    package var recordedPeakResident: UInt64? { images.last?.recordedPeakResident }
    /// How far that peak is from the recorded one: 0.05 is 5 % more.
    package var deviation: Double? { images.last?.deviation }
    /// The most that any of its address spaces held when it was recorded.
    package var recordedPeak: UInt64? { images.compactMap(\.recordedPeakResident).max() }
    /// How far the peak of that of its address spaces is off which is off most.
    package var worstDeviation: Double? {
        images.compactMap(\.deviation).max { $0.magnitude < $1.magnitude }
    }
}

/// What an address space held.
package struct ImageSummary: Hashable, Sendable {
    /// How many programs the process had executed by then; 0 is what fork left it.
    package var image: Int
    /// What the process was called then.
    package var name: String
    /// VmHWM when it ended, and what the recording says of that.
    package var peakResident: UInt64
    package var recordedPeakResident: UInt64?
    /// What was resident when it ended, and what the recording says of that.
    package var lastResident: ResidentFigures
    package var recordedLastResident: ResidentFigures?
    /// Whether it ended before the work was done with it: the process was lost.
    package var isCutShort = false
    /// Whether an operation of the process was left out.
    package var isIncomplete = false

    /// How far the peak is from the recorded one: 0.05 is 5 % more; `nil` where that says nothing.
    package var deviation: Double? {
        guard !isCutShort, !isIncomplete, let recordedPeakResident, recordedPeakResident > 0 else {
            return nil
        }
        return Double(peakResident) / Double(recordedPeakResident) - 1
    }
}

extension ResidentFigures {
    init(_ sample: ProcessSample) {
        self.init(
            anonymous: sample.anonymous, file: sample.file, sharedMemory: sample.sharedMemory)
    }
}

/// What processes held after a step.
package struct TimelinePoint: Hashable, Sendable {
    package struct Process: Hashable, Sendable {
        package var process: ProcessID
        package var figures: MemoryFigures
    }

    package var step: Int
    /// Nanoseconds since the recording began; 0 in a scenario.
    package var time: UInt64
    /// Those that lived then; one that shares another's memory is left out.
    package var processes: [Process]
    /// Their sum.
    package var total: MemoryFigures
}

/// An outcome that is not as recorded.
package struct Difference: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// One succeeded and the other failed, or they failed in different ways.
        case outcome
        /// Both succeeded, and a mapping lies elsewhere.
        case placement
        /// Both succeeded with different results.
        case result
    }

    package var kind: Kind
    /// Which step of the recording, from 0.
    package var step: Int
    /// The operation as a scenario would write it.
    package var operation: String
    package var recorded: Outcome
    package var got: Outcome
}

/// What was left out of a run for one reason.
package struct LeftOut: Hashable, Sendable {
    /// What is forbidden and what to do about it: a sentence that goes on after a colon.
    package var reason: String
    /// Operations that were not carried out.
    package var operations = 0
    /// Claims and recorded outcomes that were not checked, or do not hold and are no wonder: of the
    /// machine, or of a process that such an operation is missing of.
    package var claims = 0

    package init(reason: String) { self.reason = reason }
}

/// A claim of a scenario that does not hold.
package struct ExpectationFailure: Hashable, Sendable, CustomStringConvertible {
    package var line: Int
    /// The line, as the printer writes it.
    package var text: String
    /// What is the case instead.
    package var got: String

    package var description: String { "line \(line): \(text)\n  but got: \(got)" }
}

/// Why a run could not go on.
package struct RunFailure: Error, Sendable, CustomStringConvertible {
    /// The step, from 0, and its line in a scenario.
    package var step: Int
    package var line: Int?
    /// What was being done, as a scenario would write it.
    package var operation: String
    package var reason: String
    /// What had been found until then.
    package var summary: RunSummary

    package var description: String {
        "the run stopped at \(line.map { "line \($0)" } ?? "step \(step)"), "
            + "\"\(operation)\": \(reason)"
    }
}
