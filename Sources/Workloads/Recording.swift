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

/// What a recording knows of a process beyond its steps, for one address space that it had.
package struct RecordedProcess: Hashable, Sendable {
    package var process: ProcessID
    /// Which of its address spaces: how many times it had called execve(2) by then.
    ///
    /// 0 is what fork left it; a child that shared its parent's memory has no such entry.
    package var image: Int
    /// The name it had last (`comm`).
    package var name: String
    /// The most that was resident at one time (`VmHWM`), in bytes, where the recorder learned it.
    package var peakResident: UInt64?
    /// What was resident when the address space ended, where the recorder learned it.
    package var lastResident: ResidentFigures?

    package init(
        process: ProcessID, image: Int = 1, name: String, peakResident: UInt64? = nil,
        lastResident: ResidentFigures? = nil
    ) {
        self.process = process
        self.image = image
        self.name = name
        self.peakResident = peakResident
        self.lastResident = lastResident
    }
}

/// Resident memory by kind, in bytes: RssAnon, RssFile and RssShmem.
package struct ResidentFigures: Hashable, Sendable {
    package var anonymous: UInt64
    package var file: UInt64
    package var sharedMemory: UInt64

    package init(anonymous: UInt64 = 0, file: UInt64 = 0, sharedMemory: UInt64 = 0) {
        self.anonymous = anonymous
        self.file = file
        self.sharedMemory = sharedMemory
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
