// SPDX-License-Identifier: Apache-2.0

/// A number for the state that a run has reached, made of what each thread has read and written.
///
/// Two schedules that differ only in the order of steps that do not touch the same objects lead
/// to the same number, and to the same state.
final class StateHash {
    private let histories: UnsafeMutablePointer<UInt64>
    private let count: Int
    /// The state's number.
    private(set) var value: UInt64 = 0

    init(threads: Int) {
        count = threads
        histories = .allocate(capacity: threads)
        reset()
    }

    deinit { histories.deallocate() }

    /// Begins a run.
    func reset() {
        value = 0
        for thread in 0..<count { histories[thread] = UInt64(thread) &* 0x9E37_79B9_7F4A_7C15 }
    }

    @inline(__always)
    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0xFF51_AFD7_ED55_8CCD
        return product ^ (product >> 32)
    }

    /// A thread touches an object.
    @inline(__always)
    func note(
        _ thread: Int, _ object: UnsafeMutablePointer<ObjectTable.Object>, isRead: Bool
    ) {
        let old = histories[thread]
        // A write sees the value and everyone who read it; the order of readers means nothing.
        let seen = object.pointee.history &+ (isRead ? 0 : object.pointee.reads)
        let new = StateHash.mix(
            old, seen &+ object.pointee.identity &+ (isRead ? 1 : 2))
        if isRead {
            object.pointee.reads &+= new
        } else {
            object.pointee.history = new
            object.pointee.reads = 0
        }
        histories[thread] = new
        value &+= StateHash.mix(new, 1) &- StateHash.mix(old, 1)
    }
}
