// SPDX-License-Identifier: Apache-2.0
//
// Shared memory whose uses are points: what a subject is written with. Outside of an exploration
// each does what its name says, for one thread.

import CExplorer

/// A word that threads read and change in indivisible steps.
public final class Atomic<Value: Equatable> {
    private var value: Value

    /// A word with a value.
    public init(_ value: Value) { self.value = value }

    @inline(__always)
    private func reach() {
        explorer_reach_for_caller(
            Point.atomic.rawValue, UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    }

    /// The value.
    @inline(never)
    public func load() -> Value {
        reach()
        return value
    }

    /// Sets the value.
    @inline(never)
    public func store(_ value: Value) {
        reach()
        self.value = value
    }

    /// Sets the value; returns the one before.
    @inline(never)
    public func exchange(_ value: Value) -> Value {
        reach()
        let old = self.value
        self.value = value
        return old
    }

    /// Waits until another thread has set it to something else than `value`.
    ///
    /// A loop that only looks again and again is found as one without an end: in a run without
    /// preemptions nobody else ever goes on.
    @inline(never)
    public func wait(while value: Value) {
        reach()
        while self.value == value {
            explorer_reach_for_caller(
                Point.wait.rawValue, UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
        }
    }

    /// Sets the value if it is `expected`; returns whether it was.
    @inline(never)
    public func compareExchange(_ expected: Value, _ desired: Value) -> Bool {
        reach()
        guard value == expected else { return false }
        value = desired
        return true
    }
}

extension Atomic where Value: AdditiveArithmetic {
    /// Adds; returns the new value.
    @inline(never)
    public func add(_ amount: Value) -> Value {
        reach()
        value += amount
        return value
    }
}

/// A lock.
public final class Mutex {
    private var isHeld = false

    /// A lock that nobody has.
    public init() {}

    private var address: UInt { UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()) }

    /// Takes it, waiting until nobody has it.
    @inline(never)
    public func lock() {
        explorer_reach_for_caller(Point.lock.rawValue, address)
        while isHeld { explorer_reach_for_caller(Point.wait.rawValue, address) }
        isHeld = true
    }

    /// Gives it back.
    @inline(never)
    public func unlock() {
        isHeld = false
        explorer_reach_for_caller(Point.unlock.rawValue, address)
    }

    /// Takes it around a piece of work.
    public func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try body()
    }
}

/// Where threads sleep until another one wakes them.
public final class Signal {
    /// Nobody sleeps yet.
    public init() {}

    private var address: UInt { UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()) }

    /// Sleeps until the next ``wake()``; one that came before does not count.
    @inline(never)
    public func sleep() { explorer_reach_for_caller(Point.sleep.rawValue, address) }

    /// Wakes all who sleep.
    @inline(never)
    public func wake() { explorer_reach_for_caller(Point.wake.rawValue, address) }
}

/// Plain memory: no point, but a finding where nothing orders two uses of it.
public final class Cell<Value> {
    private var stored: Value

    /// Memory with a value.
    public init(_ value: Value) { stored = value }

    /// The value.
    public var value: Value {
        @inline(never) get {
            explorer_reach_for_caller(
                Point.read.rawValue, UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
            return stored
        }
        @inline(never) set {
            explorer_reach_for_caller(
                Point.write.rawValue, UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
            stored = newValue
        }
    }
}
