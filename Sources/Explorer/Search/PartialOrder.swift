// SPDX-License-Identifier: Apache-2.0
//
// Which steps of a run must also be tried the other way round.
//
// STATE   Steps are ordered by what they touch: two that touch one object, not both only reading
//         it, keep their order in all schedules that count as the same. A vector clock of step
//         numbers for each thread and object says what is ordered before what.

/// The order that a run's steps have by what they touch.
final class PartialOrder {
    private let threads: Int
    /// For each thread, the last step of each thread that is ordered before its next one, plus 1.
    private let clocks: UnsafeMutablePointer<Int32>
    private let before: UnsafeMutablePointer<Int32>
    private var rows: UnsafeMutablePointer<Int32>
    private var rowCount = 256

    // Parts of an object's row, each a number a thread: the last step that wrote it, read it, gave
    // it back; and what is ordered before the next reader, and before the next writer.
    private static let parts = 5

    init(threads: Int) {
        self.threads = threads
        clocks = .allocate(capacity: threads * threads)
        before = .allocate(capacity: threads)
        rows = .allocate(capacity: rowCount * PartialOrder.parts * threads)
    }

    deinit {
        clocks.deallocate()
        before.deallocate()
        rows.deallocate()
    }

    @inline(__always)
    private func part(_ part: Int, of object: Int) -> UnsafeMutablePointer<Int32> {
        rows + (object &* PartialOrder.parts &+ part) &* threads
    }

    /// Visits each pair of a step and a thread whose later step touches the same, if nothing else
    /// orders the two: the thread could have come first.
    func forEachReversal(in trace: Trace, objects: Int, _ body: (Int, Int) -> Void) {
        if objects > rowCount {
            rowCount = max(rowCount * 2, objects)
            rows.deallocate()
            rows = .allocate(capacity: rowCount * PartialOrder.parts * threads)
        }
        rows.update(repeating: 0, count: objects * PartialOrder.parts * threads)
        clocks.update(repeating: 0, count: threads * threads)
        for step in 0..<trace.stepCount {
            let thread = Int(trace.steps[step].thread)
            let clock = clocks + thread &* threads
            before.update(from: clock, count: threads)
            let accesses = trace.accesses(of: step)
            for access in accesses {
                if access.mode.rawValue <= AccessMode.acquire.rawValue {
                    visitReversals(of: access, by: thread, body)
                }
                join(access, into: clock)
            }
            clock[thread] = Int32(step + 1)
            for access in accesses { record(access, by: thread, step, clock) }
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
            if access.mode != .read { step = max(step, reads[other]) }
            // Who takes a lock never comes before it is given back; who only tries may.
            if access.mode == .write { step = max(step, releases[other]) }
            if step > before[other] { body(Int(step) - 1, thread) }
        }
    }

    @inline(__always)
    private func join(_ access: Access, into clock: UnsafeMutablePointer<Int32>) {
        let object = Int(access.object)
        let isRead = access.mode == .read
        let order = part(isRead ? 3 : 4, of: object)
        for other in 0..<threads where order[other] > clock[other] { clock[other] = order[other] }
    }

    @inline(__always)
    private func record(
        _ access: Access, by thread: Int, _ step: Int, _ clock: UnsafeMutablePointer<Int32>
    ) {
        let object = Int(access.object)
        let number = Int32(step + 1)
        switch access.mode {
        case .read: part(1, of: object)[thread] = number
        case .write, .acquire: part(0, of: object)[thread] = number
        case .release, .releaseShared: part(2, of: object)[thread] = number
        }
        let isRead = access.mode == .read || access.mode == .releaseShared
        let forWriters = part(4, of: object)
        for other in 0..<threads where clock[other] > forWriters[other] {
            forWriters[other] = clock[other]
        }
        if isRead { return }
        let forReaders = part(3, of: object)
        for other in 0..<threads where clock[other] > forReaders[other] {
            forReaders[other] = clock[other]
        }
    }
}
