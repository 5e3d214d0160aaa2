// SPDX-License-Identifier: Apache-2.0
//
// Where threads may change, and what the explorer is told besides.

import CExplorer

/// A place in a thread of a subject.
///
/// From ``read`` to ``tally`` a thread only says what it touches. At the others another thread may go
/// on.
public enum Point: UInt8, Sendable, Codable {
    /// About to take an object alone, or to wait until nobody has it.
    case lock
    /// Has just given an object back.
    case unlock
    /// About to change an object in one indivisible step that orders memory.
    case atomic
    /// Cannot go on until another thread touches the object; comes again and again until then.
    case wait
    /// About to withdraw what others may have copied of an object.
    case flush
    /// About to take an object alone if nobody has it, without waiting.
    case attempt
    /// About to take an object together with others who share it.
    case lockShared
    /// Has just given a shared hold of an object back.
    case unlockShared
    /// About to read an object in one indivisible step, ordered with nothing.
    case load
    /// About to read an object, and to see what its writer did before.
    case acquire
    /// About to write an object in one indivisible step, ordered with nothing.
    case store
    /// Reads plain memory.
    case read
    /// Writes plain memory.
    case write
    /// Frees the 32 bytes that begin at the object.
    case free
    /// Makes a record anew of the 32 bytes that begin at the object.
    case make
    /// Reads a number that others change meanwhile: nothing orders it, nor needs to.
    case sample
    /// Changes a number that others may ``sample``.
    case tally
    /// Sleeps until another thread wakes who sleeps on the object; an earlier wake does not count.
    case sleep
    /// About to wake who sleeps on an object.
    case wake

    /// Whether another thread may go on here.
    @inline(__always)
    public var mayChange: Bool { rawValue < Point.read.rawValue || rawValue > Point.tally.rawValue }

    /// Whether memory must live at the point.
    ///
    /// What is free may be looked at, as an allocator does who wants to merge blocks.
    @inline(__always)
    var isUse: Bool {
        switch self {
        case .load, .make, .free, .sample, .tally: false
        default: true
        }
    }

    /// Whether a thread touches the object when it goes on; else it has when it comes to the point.
    @inline(__always)
    var usesWhenPassed: Bool { mayChange && self != .unlock && self != .unlockShared }

    /// Tells the explorer that the running thread has come to a point.
    ///
    /// Does nothing outside of an exploration. `object` is an address; what is at it is not
    /// looked at.
    @inline(__always)
    public static func reach(_ point: Point, _ object: UnsafeRawPointer) {
        explorer_reach(point.rawValue, UInt(bitPattern: object))
    }

    /// Ends the run with a finding: for checks that would otherwise stop the program.
    ///
    /// Returns only outside of an exploration.
    public static func fail(_ message: @autoclosure () -> String) {
        Execution.current?.end(with: Finding(.check, message()))
    }
}

/// Threads of a subject, by number.
public struct ThreadSet: Equatable, Sendable {
    var bits: UInt32

    static let empty = ThreadSet(bits: 0)

    @inline(__always)
    init(bits: UInt32) { self.bits = bits }

    @inline(__always)
    init(_ thread: Int) { bits = 1 << UInt32(thread) }

    @inline(__always)
    func contains(_ thread: Int) -> Bool { bits >> UInt32(thread) & 1 != 0 }

    @inline(__always)
    var isEmpty: Bool { bits == 0 }

    @inline(__always)
    var count: Int { bits.nonzeroBitCount }

    /// The lowest number; the set is not empty.
    @inline(__always)
    var first: Int { bits.trailingZeroBitCount }

    @inline(__always)
    mutating func insert(_ thread: Int) { bits |= 1 << UInt32(thread) }

    @inline(__always)
    mutating func formUnion(_ other: ThreadSet) { bits |= other.bits }

    @inline(__always)
    func subtracting(_ other: ThreadSet) -> ThreadSet { ThreadSet(bits: bits & ~other.bits) }

    /// The number at a position in ascending order.
    @inline(__always)
    subscript(position: Int) -> Int {
        var rest = bits
        for _ in 0..<position { rest &= rest - 1 }
        return rest.trailingZeroBitCount
    }
}
