// SPDX-License-Identifier: Apache-2.0
//
// Atomic words inside flat records. A record's accessor hands one of these out, so that every
// shared word is read and written through here. Operations that several CPUs compete in pass a
// scheduling point; plain reads and writes of a word say in instrumented builds that they were.

import Synchronization

/// A byte that one CPU writes at a time and any may read.
struct AtomicField8 {
    let byte: UnsafeMutablePointer<Atomic<UInt8>>

    @inline(__always)
    init(at address: UnsafeMutableRawPointer) {
        byte = address.assumingMemoryBound(to: Atomic<UInt8>.self)
    }

    @inline(__always)
    func load() -> UInt8 {
        SchedulingPoint.reach(.load, byte)
        return byte.pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    func store(_ value: UInt8) {
        SchedulingPoint.reach(.store, byte)
        byte.pointee.store(value, ordering: .relaxed)
    }
}

/// A 32-bit word that several CPUs change at once.
struct AtomicField32 {
    let word: UnsafeMutablePointer<Atomic<UInt32>>

    @inline(__always)
    init(at address: UnsafeMutableRawPointer) {
        word = address.assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// The value, ordered with nothing.
    @inline(__always)
    func load() -> UInt32 {
        SchedulingPoint.reach(.load, word)
        return word.pointee.load(ordering: .relaxed)
    }

    /// The value and everything its writer did before.
    @inline(__always)
    func loadAcquiring() -> UInt32 {
        SchedulingPoint.reach(.acquire, word)
        return word.pointee.load(ordering: .acquiring)
    }

    /// Sets the value, ordered with nothing: for a word that nobody else can reach.
    @inline(__always)
    func store(_ value: UInt32) {
        SchedulingPoint.reach(.store, word)
        word.pointee.store(value, ordering: .relaxed)
    }

    /// Publishes the value and everything done before.
    @inline(__always)
    func storeReleasing(_ value: UInt32) {
        SchedulingPoint.reach(.atomic, word)
        word.pointee.store(value, ordering: .releasing)
    }

    /// Sets bits; returns whether any of them was set before.
    @inline(__always)
    @discardableResult
    func testAndSet(_ bits: UInt32) -> Bool {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.bitwiseOr(bits, ordering: .acquiringAndReleasing).oldValue & bits != 0
    }

    /// Clears bits; returns whether any of them was set before.
    @inline(__always)
    @discardableResult
    func testAndClear(_ bits: UInt32) -> Bool { fetchAndClear(bits) & bits != 0 }

    /// Clears bits; returns the word as it was before.
    @inline(__always)
    func fetchAndClear(_ bits: UInt32) -> UInt32 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.bitwiseAnd(~bits, ordering: .acquiringAndReleasing).oldValue
    }

    /// Adds, wrapping; returns the new value.
    @inline(__always)
    @discardableResult
    func add(_ amount: UInt32) -> UInt32 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.wrappingAdd(amount, ordering: .acquiringAndReleasing).newValue
    }
}

/// A 64-bit word that several CPUs change at once.
struct AtomicField64 {
    let word: UnsafeMutablePointer<Atomic<UInt64>>

    @inline(__always)
    init(at address: UnsafeMutableRawPointer) {
        word = address.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// The value, ordered with nothing.
    @inline(__always)
    func load() -> UInt64 {
        SchedulingPoint.reach(.load, word)
        return word.pointee.load(ordering: .relaxed)
    }

    /// The value and everything its writer did before.
    @inline(__always)
    func loadAcquiring() -> UInt64 {
        SchedulingPoint.reach(.acquire, word)
        return word.pointee.load(ordering: .acquiring)
    }

    /// Sets the value, ordered with nothing: for a word that nobody else can reach.
    @inline(__always)
    func store(_ value: UInt64) {
        SchedulingPoint.reach(.store, word)
        word.pointee.store(value, ordering: .relaxed)
    }

    /// Publishes the value and everything done before.
    @inline(__always)
    func storeReleasing(_ value: UInt64) {
        SchedulingPoint.reach(.atomic, word)
        word.pointee.store(value, ordering: .releasing)
    }

    /// Replaces the value; returns the one before.
    @inline(__always)
    @discardableResult
    func exchange(_ value: UInt64) -> UInt64 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.exchange(value, ordering: .acquiringAndReleasing)
    }

    /// Replaces `expected` by `desired`; returns whether it was there.
    @inline(__always)
    func replace(_ expected: UInt64, by desired: UInt64) -> Bool {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.compareExchange(
            expected: expected, desired: desired, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Adds unless the value is 0: a count at 0 belongs to whoever brought it there.
    ///
    /// - Returns: Whether it was added.
    @inline(__always)
    func addUnlessZero(_ amount: UInt64) -> Bool {
        SchedulingPoint.reach(.atomic, word)
        var seen = word.pointee.load(ordering: .relaxed)
        while seen != 0 {
            let (isExchanged, now) = word.pointee.compareExchange(
                expected: seen, desired: seen &+ amount, ordering: .acquiringAndReleasing)
            if isExchanged { return true }
            seen = now
        }
        return false
    }

    /// Adds, wrapping; returns the new value.
    @inline(__always)
    @discardableResult
    func add(_ amount: UInt64) -> UInt64 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.wrappingAdd(amount, ordering: .acquiringAndReleasing).newValue
    }

    /// Subtracts, wrapping; returns the new value.
    @inline(__always)
    @discardableResult
    func subtract(_ amount: UInt64) -> UInt64 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.wrappingSubtract(amount, ordering: .acquiringAndReleasing).newValue
    }

    /// Sets bits; returns the value before.
    @inline(__always)
    @discardableResult
    func setBits(_ bits: UInt64) -> UInt64 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.bitwiseOr(bits, ordering: .acquiringAndReleasing).oldValue
    }

    /// Clears bits; returns the value before.
    @inline(__always)
    func clearBits(_ bits: UInt64) -> UInt64 {
        SchedulingPoint.reach(.atomic, word)
        return word.pointee.bitwiseAnd(~bits, ordering: .acquiringAndReleasing).oldValue
    }

    /// Makes the value at least `value`; costs a locked operation only where it was less.
    @inline(__always)
    func raise(to value: UInt64) {
        guard load() < value else { return }
        SchedulingPoint.reach(.atomic, word)
        _ = word.pointee.max(value, ordering: .relaxed)
    }
}

/// A full fence, for places where each of two CPUs writes one word and then looks at the other's.
enum MemoryFence {
    @inline(__always)
    static func full() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
}

/// A counter that one CPU writes and any may read.
struct CounterWord {
    let word: UnsafeMutablePointer<Atomic<Int64>>

    @inline(__always)
    init(at address: UnsafeMutableRawPointer) {
        word = address.assumingMemoryBound(to: Atomic<Int64>.self)
    }

    @inline(__always)
    func load() -> Int64 {
        SchedulingPoint.reach(.sample, word)
        return word.pointee.load(ordering: .relaxed)
    }

    @inline(__always)
    func store(_ value: Int64) {
        SchedulingPoint.reach(.tally, word)
        word.pointee.store(value, ordering: .relaxed)
    }

    /// Adds without a locked operation: only its own CPU writes it.
    @inline(__always)
    func add(_ amount: Int) {
        SchedulingPoint.reach(.tally, word)
        let now = word.pointee.load(ordering: .relaxed) &+ Int64(truncatingIfNeeded: amount)
        word.pointee.store(now, ordering: .relaxed)
    }
}
