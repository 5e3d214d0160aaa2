// SPDX-License-Identifier: Apache-2.0

import Mooring

/// One line of a recording: an operation, and what the recorded kernel made of it.
package struct Step: Hashable, Sendable {
    /// Nanoseconds since the recording began; 0 in a scenario.
    package var time: UInt64
    /// The thread that did it, as the recorded kernel numbered it.
    package var thread: Int32
    /// What was done.
    package var operation: Operation
    /// What the recorded kernel answered, where the recording knows.
    package var recorded: Outcome?

    package init(
        time: UInt64 = 0, thread: Int32 = 0, _ operation: Operation, recorded: Outcome? = nil
    ) {
        self.time = time
        self.thread = thread
        self.operation = operation
        self.recorded = recorded
    }
}

/// What a recording knows of a process beyond its steps.
package struct RecordedProcess: Hashable, Sendable {
    package var process: ProcessID
    /// The name it had last (`comm`).
    package var name: String
    /// Peak resident memory at its exit (`VmHWM`), in bytes, where the recorder learned it.
    package var peakResident: UInt64?

    package init(process: ProcessID, name: String, peakResident: UInt64? = nil) {
        self.process = process
        self.name = name
        self.peakResident = peakResident
    }
}

/// A program's memory operations as a real kernel carried them out, in that kernel's order.
package struct Recording: Hashable, Sendable {
    /// The command that was recorded.
    package var command: String
    /// `uname -sr` of the recording kernel, or the tool whose output was imported.
    package var source: String
    package var steps: [Step]
    package var processes: [RecordedProcess]

    package init(
        command: String, source: String, steps: [Step] = [], processes: [RecordedProcess] = []
    ) {
        self.command = command
        self.source = source
        self.steps = steps
        self.processes = processes
    }
}
