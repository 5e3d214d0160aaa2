// SPDX-License-Identifier: Apache-2.0

/// Which virtual CPU each thread of the work runs on.
///
/// Threads get CPUs in turn, in the order in which they first do something, and stay there: the
/// same work is always spread in the same way. A scenario has one thread a process, and may say
/// where a process or an operation runs.
struct CPUSpread {
    private struct Thread: Hashable {
        var process: ProcessID
        var thread: Int32
    }

    let cpuCount: Int
    private var places: [Thread: Int] = [:]
    private var next = 0

    init(cpuCount: Int) { self.cpuCount = cpuCount }

    /// Where an operation of a thread runs; `nil` where there is no choice.
    mutating func cpu(for operation: Operation, thread: Int32) -> Int? {
        guard cpuCount > 1, operation.process != .none else { return operation.cpu }
        switch operation.call {
        case .spawn:
            if let cpu = operation.cpu { pin(operation.process, thread, to: cpu) }
        case .fork(let child, _):
            // The CPU is the child's; the call runs where its parent does.
            if let cpu = operation.cpu { pin(child, thread, to: cpu) }
        default:
            if let cpu = operation.cpu { return cpu }
        }
        let key = Thread(process: operation.process, thread: thread)
        if let place = places[key] { return place }
        let place = next
        next = (next + 1) % cpuCount
        places[key] = place
        return place
    }

    private mutating func pin(_ process: ProcessID, _ thread: Int32, to cpu: Int) {
        places[Thread(process: process, thread: thread)] = cpu
    }
}
