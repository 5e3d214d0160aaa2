// SPDX-License-Identifier: Apache-2.0
//
// Mistakes that the engine can be told to make, each at the one place where a rule about the order
// of CPUs holds. The explorer makes them to show that it would find them.

/// A mistake in the engine, made only while an explorer asks for it.
package enum Mutation: UInt8, CaseIterable, Sendable {
    /// A frame's mark is looked at before the lock under which it is put on a list.
    case judgesBeforeLock
    /// A frame's mlock mark is looked at before the frame is marked as listed.
    case marksListedLast
    /// A page found in the page cache is mapped without looking whether it is still there.
    case mapsWithoutLooking
    /// A request for the mlock batch holds no reference.
    case batchHoldsNoReference
    /// The mlock batch is drained without the lock of the lists.
    case drainsWithoutLock
    /// A munlock that overtakes its mlock leaves no debt.
    case owesNothing
    /// A frame is marked when the request to count it is carried out, not when it is made.
    case marksLate
    /// The mark of a frame that is freed while marked is not counted off.
    case forgetsMark
    /// A first fault writes its entry without looking whether another CPU has.
    case faultsWithoutLooking
    /// A copy on write replaces the entry without looking whether another CPU has.
    case replacesWithoutLooking
    /// A copy on write lets go of the frame that it copies before it has copied it.
    case copiesLate
    /// munmap does not wait for faults that are under way.
    case unmapShares
    /// What a CPU remembers of tables stays valid when tables go.
    case keepsRemembering
    /// Truncation changes the file's length after it has taken the pages away.
    case shrinksLast
    /// Punching a hole walks the mappings before it empties the index.
    case unmapsFirst
    /// mremap moves entries without keeping walks of the file's mappings out.
    case movesUnseen
    /// fork does not wait for faults that are under way.
    case forkShares
    /// fork copies what mlockall said of the future.
    case forkInheritsFuture
    /// An address space that ends frees its tables before its VMAs leave the reverse maps.
    case freesTablesFirst
    /// A VMA's bounds change without keeping walks of the file's mappings out.
    case reboundsUnseen
    /// A CPU whose allocation fails takes the free frames of CPUs that somebody runs on.
    case drainsBusyCPUs
    /// Who drains the batches of all CPUs does not enter them.
    case drainsWithoutEntering

    /// Whether the engine is to make this mistake: never, unless an explorer on this thread of the
    /// host asks for it, and the build is instrumented.
    @inline(__always)
    var isActive: Bool {
        guard SchedulingPoint.isInstrumented else { return false }
        return SchedulingPoint.control == rawValue &+ 2
    }
}
