// SPDX-License-Identifier: Apache-2.0
//
// Data races on plain memory, by vector clocks.
//
// STATE   Each thread and each object that orders threads has a clock for every thread. Taking an
//         object joins the object's clock into the thread's, giving it back the thread's into the
//         object's. Each plain object remembers its last write and every thread's last read.
// SEE     Flanagan and Freund, FastTrack (2009), for why one write is enough to remember.

/// Finds accesses to plain memory that nothing orders.
final class RaceDetector {
    /// What a point does to the order of threads.
    enum Effect {
        case acquire
        case release
        case both
    }

    /// Two accesses that nothing orders.
    struct Race {
        let other: Int
        let otherWrote: Bool
        let isWrite: Bool
    }

    private let threads: Int
    private let clocks: UnsafeMutablePointer<UInt32>
    /// For each object a clock, then the thread and time of the last write, then times of reads.
    private var rows: UnsafeMutablePointer<UInt32>
    private var rowCount = 256
    private let rowWords: Int
    /// Rows that this run has cleared.
    private var cleared = 0

    init(threads: Int) {
        self.threads = threads
        rowWords = 2 * threads + 2
        clocks = .allocate(capacity: threads * threads)
        rows = .allocate(capacity: rowCount * rowWords)
        reset()
    }

    deinit {
        clocks.deallocate()
        rows.deallocate()
    }

    /// Begins a run.
    func reset() {
        cleared = 0
        clocks.update(repeating: 0, count: threads * threads)
        for thread in 0..<threads { clocks[thread * threads + thread] = 1 }
    }

    @inline(__always)
    private func row(_ object: Int) -> UnsafeMutablePointer<UInt32> {
        if object >= cleared { clear(through: object) }
        return rows + object &* rowWords
    }

    private func clear(through object: Int) {
        if object >= rowCount {
            let larger = max(rowCount * 2, object + 1)
            let memory = UnsafeMutablePointer<UInt32>.allocate(capacity: larger * rowWords)
            memory.update(from: rows, count: cleared * rowWords)
            rows.deallocate()
            rows = memory
            rowCount = larger
        }
        (rows + cleared * rowWords).update(repeating: 0, count: (object + 1 - cleared) * rowWords)
        cleared = object + 1
    }

    /// A thread passes an object that orders threads.
    @inline(__always)
    func synchronize(_ thread: Int, _ object: Int, _ effect: Effect) {
        let mine = clocks + thread &* threads
        let its = row(object)
        if effect != .release {
            for other in 0..<threads where its[other] > mine[other] { mine[other] = its[other] }
        }
        if effect != .acquire {
            for other in 0..<threads where mine[other] > its[other] { its[other] = mine[other] }
            mine[thread] &+= 1
        }
    }

    /// A thread makes an object anew.
    func noteMade(_ thread: Int, _ object: Int) {
        let its = row(object) + threads
        its[0] = UInt32(thread)
        its[1] = clocks[thread &* threads &+ thread]
    }

    /// Whether a thread is ordered after an object was made anew.
    func knows(_ thread: Int, _ object: Int) -> Bool {
        let its = row(object) + threads
        return its[1] <= clocks[thread &* threads &+ Int(its[0])]
    }

    /// A thread reads plain memory; returns the write that nothing orders with it.
    @inline(__always)
    func read(_ thread: Int, _ object: Int) -> Race? {
        let mine = clocks + thread &* threads
        let its = row(object) + threads
        its[2 &+ thread] = mine[thread]
        let writer = Int(its[0])
        if its[1] > mine[writer] { return Race(other: writer, otherWrote: true, isWrite: false) }
        return nil
    }

    /// A thread writes plain memory; returns an access that nothing orders with it.
    @inline(__always)
    func write(_ thread: Int, _ object: Int) -> Race? {
        let mine = clocks + thread &* threads
        let its = row(object) + threads
        let writer = Int(its[0])
        let written = its[1]
        its[0] = UInt32(thread)
        its[1] = mine[thread]
        if written > mine[writer] { return Race(other: writer, otherWrote: true, isWrite: true) }
        for other in 0..<threads where its[2 &+ other] > mine[other] {
            return Race(other: other, otherWrote: false, isWrite: true)
        }
        return nil
    }
}
