// SPDX-License-Identifier: Apache-2.0
//
// Operations that a system's host forbids. The run goes on without them, and what is otherwise than
// it should be in such a process afterwards is counted with the omission: it is no wonder.

import Mooring

extension RunSession {
    /// Whether an operation of the process, or of its parent before it forked, was left out.
    func isIncomplete(_ process: ProcessID) -> Bool { processes[process]?.missing != nil }

    /// Counts an operation that is not carried out.
    func leaveOut(_ operation: Operation, _ refusal: HostRefusal) {
        processes[operation.process]?.missing = refusal
        leaveOut(refusal.reason) { $0.operations += 1 }
    }

    /// Counts a claim about the machine, where the system shares its own.
    func leaveOutClaimOnMachine() {
        leaveOut("figures of the machine are not the work's alone.") { $0.claims += 1 }
    }

    /// Whether what a process shows is excused by an operation that was left out; then it is counted
    /// with that.
    func excuses(_ process: ProcessID?) -> Bool {
        guard let refusal = process.flatMap({ processes[$0]?.missing }) else { return false }
        leaveOut(refusal.reason) { $0.claims += 1 }
        return true
    }

    private func leaveOut(_ reason: String, _ count: (inout LeftOut) -> Void) {
        let known = summary.leftOut.firstIndex { $0.reason == reason }
        if known == nil { summary.leftOut.append(LeftOut(reason: reason)) }
        count(&summary.leftOut[known ?? summary.leftOut.count - 1])
    }
}
