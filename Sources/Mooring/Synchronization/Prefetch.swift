// SPDX-License-Identifier: Apache-2.0
//
// Bringing words that lie far apart into the processor's cache together.
//
// Work on many frames or pages looks at one word after another that no cache holds. Between two of
// them are locks and other atomic operations, over which a processor does not look ahead, so that it
// waits for each. Loaded in a row beforehand they come in the time of a few.

import Synchronization

/// Words that work is about to look at.
struct Prefetch {
    private let words: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var count = 0

    /// Collects words, `limit` at most, and loads them.
    ///
    /// What keeps them from being freed has to hold until `collect` and this have ended.
    @inline(__always)
    static func upTo(_ limit: Int, _ collect: (inout Prefetch) -> Void) {
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: limit) {
            guard let base = $0.baseAddress else { return }
            var prefetch = Prefetch(words: base)
            collect(&prefetch)
            prefetch.load()
        }
    }

    private init(words: UnsafeMutablePointer<UnsafeMutableRawPointer>) { self.words = words }

    /// Adds an aligned word of 4 bytes or more.
    @inline(__always)
    mutating func add(_ word: UnsafeMutableRawPointer) {
        (words + count).initialize(to: word)
        count &+= 1
    }

    /// Loads them: nothing else may be in this loop, for the processor looks ahead over so many
    /// instructions only.
    ///
    /// Swift has no prefetch. The loads are atomic ones, because the compiler drops others whose
    /// value nobody looks at.
    @inline(__always)
    private func load() {
        for index in 0..<count {
            _ = words[index].assumingMemoryBound(to: Atomic<UInt32>.self).pointee
                .load(ordering: .relaxed)
        }
    }
}
