// SPDX-License-Identifier: Apache-2.0
//
// Carries out a workload on a system. What happens at one item: `RunSession`. What is asked of
// views: `ExpectationChecker`. Two systems side by side: `SystemComparison`.

import Mooring

/// How a run is followed.
package struct RunOptions {
    /// How many differences, and how many failed claims, are kept; all are counted.
    package var findingLimit = 100
    /// How many points the timeline has at most.
    package var timelineLimit = 400
    /// Called after every `auditInterval` operations; what it throws ends the run.
    package var audit: (() throws -> Void)?
    package var auditInterval = 1
    /// Called now and then with how many items are done, and of how many.
    package var progress: ((_ done: Int, _ total: Int) -> Void)?

    package init() {}
}

/// Carries out a workload on a system.
package struct Runner {
    private let system: any MemorySystem
    private let options: RunOptions

    package init(system: any MemorySystem, options: RunOptions = .init()) {
        self.system = system
        self.options = options
    }

    /// Carries out all of a workload.
    package func run(_ workload: Workload) throws(RunFailure) -> RunSummary {
        let session = RunSession(workload, on: system, options: options)
        for index in 0..<workload.count { _ = try session.perform(index) }
        return session.finish()
    }

    package func run(_ scenario: Scenario) throws(RunFailure) -> RunSummary {
        try run(.scenario(scenario))
    }

    package func run(_ recording: Recording) throws(RunFailure) -> RunSummary {
        try run(.recording(recording))
    }
}
