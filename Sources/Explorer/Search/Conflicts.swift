// SPDX-License-Identifier: Apache-2.0
//
// Which steps of a run must also be tried the other way round: of two threads that touch one
// object, not both only reading it, the second may have to come first.
//
// That something else orders the two in this run is no reason to leave them: what orders them may
// cost more preemptions to turn round than the bound has.

/// The pairs of a run's steps whose order matters.
final class Conflicts {
    private let threads: Int
    private var rows: UnsafeMutablePointer<Int32>
    private var rowCount = 256

    // Parts of an object's row, each a number a thread: the last step that wrote it, read it, gave
    // it back, plus 1.
    private static let parts = 3

    init(threads: Int) {
        self.threads = threads
        rows = .allocate(capacity: rowCount * Conflicts.parts * threads)
    }

    deinit { rows.deallocate() }

    @inline(__always)
    private func part(_ part: Int, of object: Int) -> UnsafeMutablePointer<Int32> {
        rows + (object &* Conflicts.parts &+ part) &* threads
    }

    /// Visits, for each access and each other thread, that thread's last step before it that the
    /// access's thread could have come before.
    func forEachReversal(in trace: Trace, objects: Int, _ body: (Int, Int) -> Void) {
        if objects > rowCount {
            rowCount = max(rowCount * 2, objects)
            rows.deallocate()
            rows = .allocate(capacity: rowCount * Conflicts.parts * threads)
        }
        rows.update(repeating: 0, count: objects * Conflicts.parts * threads)
        for step in 0..<trace.stepCount {
            let thread = Int(trace.steps[step].thread)
            let accesses = trace.accesses(of: step)
            for access in accesses { visitReversals(of: access, by: thread, body) }
            for access in accesses { record(access, by: thread, step) }
        }
    }

    @inline(__always)
    private func visitReversals(
        of access: Access, by thread: Int, _ body: (Int, Int) -> Void
    ) {
        let object = Int(access.object)
        let writes = part(0, of: object)
        let reads = part(1, of: object)
        let releases = part(2, of: object)
        for other in 0..<threads where other != thread {
            var step = writes[other]
            switch access.mode {
            case .read: break
            case .acquire: step = max(step, reads[other])
            // Who takes a lock never comes before it is given back; who only tries may.
            case .write: step = max(step, reads[other], releases[other])
            // Nobody else takes what is held; but somebody may have tried.
            case .release, .releaseShared: break
            }
            if step > 0 { body(Int(step) - 1, thread) }
        }
    }

    @inline(__always)
    private func record(_ access: Access, by thread: Int, _ step: Int) {
        let kind =
            switch access.mode {
            case .write, .acquire: 0
            case .read: 1
            case .release, .releaseShared: 2
            }
        part(kind, of: Int(access.object))[thread] = Int32(step + 1)
    }
}
