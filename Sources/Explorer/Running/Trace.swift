// SPDX-License-Identifier: Apache-2.0

/// How a step touches an object, in ascending order of what it excludes.
enum AccessMode: UInt8 {
    /// Reads it, or takes it shared.
    case read
    /// Changes it.
    case write
    /// Takes it alone: waits for who has it, and so never comes before a release.
    case acquire
    /// Gives a shared hold of it back.
    case releaseShared
    /// Gives it back.
    case release
}

/// One step of a run: from a point to the next point of the same thread.
struct Step {
    var thread: UInt8
    var point: Point
    /// Where the steps before have left the thread that ran last: it could have gone on.
    var isPreemption: Bool
    var object: Int32
    /// Who could have made a step instead, the thread included.
    var enabled: ThreadSet
    /// The first of its accesses in the trace; the next step's is where they end.
    var firstAccess: Int32
    /// The address of the code that came to the point.
    var site: UInt
}

/// One object touched in a step.
struct Access {
    var object: Int32
    var mode: AccessMode
}

/// The steps of a run; its memory is used again for the next.
final class Trace {
    private(set) var steps: UnsafeMutablePointer<Step>
    private(set) var stepCount = 0
    private var stepCapacity = 1024
    private(set) var accesses: UnsafeMutablePointer<Access>
    private(set) var accessCount = 0
    private var accessCapacity = 4096

    init() {
        steps = .allocate(capacity: stepCapacity)
        accesses = .allocate(capacity: accessCapacity)
    }

    deinit {
        steps.deallocate()
        accesses.deallocate()
    }

    /// Forgets all steps.
    func removeAll() {
        stepCount = 0
        accessCount = 0
    }

    @inline(__always)
    func append(_ step: Step) {
        if stepCount == stepCapacity {
            Trace.grow(&steps, &stepCapacity)
        }
        (steps + stepCount).initialize(to: step)
        stepCount &+= 1
    }

    @inline(__always)
    func append(_ access: Access) {
        if accessCount == accessCapacity {
            Trace.grow(&accesses, &accessCapacity)
        }
        (accesses + accessCount).initialize(to: access)
        accessCount &+= 1
    }

    /// The accesses of a step.
    @inline(__always)
    func accesses(of step: Int) -> UnsafeBufferPointer<Access> {
        let first = Int(steps[step].firstAccess)
        let end = step + 1 < stepCount ? Int(steps[step + 1].firstAccess) : accessCount
        return UnsafeBufferPointer(start: accesses + first, count: end - first)
    }

    /// The schedule that was followed.
    var schedule: Schedule {
        var schedule = Schedule()
        for index in 0..<stepCount { schedule.append(Int(steps[index].thread)) }
        return schedule
    }

    private static func grow<Element>(
        _ memory: inout UnsafeMutablePointer<Element>, _ capacity: inout Int
    ) {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: memory, count: capacity)
        memory.deallocate()
        memory = larger
        capacity *= 2
    }
}
