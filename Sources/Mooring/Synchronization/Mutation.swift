// SPDX-License-Identifier: Apache-2.0
//
// Mistakes that the engine can be told to make, each at the one place where a rule holds: most are
// about the order of CPUs, which the explorer shows that it would find; the last few are about what
// a single call does, which `mooring verify` shows that it would find.

/// A mistake in the engine, made only while somebody asks for it.
package enum Mutation: UInt8, CaseIterable, Sendable {
    /// A frame's mark is looked at before the lock under which it is put on a list.
    case judgesBeforeLock
    /// A frame's mlock mark is looked at before the frame is marked as listed.
    case marksListedLast
    /// A page found in the page cache is mapped without looking whether it is still there.
    case mapsWithoutLooking
    /// munlock looks whether a frame is on a list before it has the lock of the lists.
    case looksBeforeLock
    /// A request for the mlock batch takes its reference by reading the count and writing it back.
    case holdsInTwoSteps
    /// The mlock batch is drained without the lock of the lists.
    case drainsWithoutLock
    /// A munlock that overtakes its mlock leaves no debt.
    case owesNothing
    /// A frame is marked when the request to count it is carried out, not when it is made.
    case marksLate
    /// The mark of a frame is counted off by who is about to drop the last reference, not by who has.
    case countsMarkEarly
    /// A first fault writes its entry without looking whether another CPU has.
    case faultsWithoutLooking
    /// A copy on write replaces the entry without looking whether another CPU has.
    case replacesWithoutLooking
    /// A copy on write lets go of the frame that it copies before it has copied it.
    case copiesLate
    /// munmap does not wait for faults that are under way.
    case unmapShares
    /// What a CPU remembers of VMAs is found valid before it has the lock of its address space.
    case validatesBeforeLock
    /// Truncation changes the file's length after it has taken the pages away.
    case shrinksLast
    /// Punching a hole walks the mappings before it empties the index.
    case unmapsFirst
    /// mremap moves entries without keeping walks of the file's mappings out.
    case movesUnseen
    /// fork does not wait for faults that are under way.
    case forkShares
    /// fork looks before it has the lock whether mlockall said anything of the future that the child
    /// is not to have.
    case forkLooksBeforeLock
    /// An address space that ends frees its tables before its VMAs leave the reverse maps.
    case freesTablesFirst
    /// A VMA's bounds change without keeping walks of the file's mappings out.
    case reboundsUnseen
    /// A CPU whose allocation fails takes the free frames of CPUs that somebody runs on.
    case drainsBusyCPUs
    /// Who drains the batches of all CPUs does not enter them.
    case drainsWithoutEntering
    /// A file's page is marked dirty without looking whether it has left the cache meanwhile.
    case dirtiesGonePages
    /// A walk passes over a table that looks empty without taking its lock.
    case trustsEmptyTables
    /// Frames that were unmapped are freed before translations of them are flushed.
    case freesBeforeFlush
    /// Translations are flushed before the entry changes.
    case flushesFirst
    /// A CPU says that it runs in an address space after it has read its entries.
    case runsUnseen
    /// mremap moves entries before their new place is in the reverse maps.
    case linksTargetLast
    /// mremap flushes the translations of the old place after walks can find the new one.
    case flushesMoveLate
    /// A VMA that is split shrinks before its upper part is in the reverse maps.
    case shrinksBeforeLinking
    /// A VMA that is merged leaves the reverse maps before the other reaches over its pages.
    case leavesBeforeReaching
    /// fork copies entries before the child's VMA is among the mappings of its file.
    case linksCopyLast
    /// mlock counts pages before it marks the VMA.
    case countsLockFirst
    /// MADV_FREE takes an entry out and puts it back clean.
    case cleansInTwoSteps
    /// The processor marks an entry without looking whether it is still the one that it used.
    case marksWithoutLooking
    /// The first write of a shared page is noted without looking whether the page is still mapped.
    case notesWriteWithoutLooking
    /// The last sharer of a page writes in place without looking whether it is still mapped.
    case reusesWithoutLooking
    /// A first read maps the zero frame without looking whether another CPU has mapped a page.
    case mapsZeroWithoutLooking
    /// A page is put into the cache without looking whether another CPU has brought it in.
    case bringsInWithoutLooking
    /// A first private write of a file's page does not look whether another CPU has copied it.
    case copiesFileWithoutLooking
    /// A page table is hung up without looking whether another CPU has made one.
    case makesTableWithoutLooking
    /// A segment's lock is looked at before the lock under which its page joins the cache.
    case judgesSegmentEarly
    /// A segment is attached that its last holder is letting go.
    case attachesToDestroyed
    /// An isolated frame is put back by the mark that it had before the lists' lock was taken.
    case putsBackUnseen
    /// A frame leaves the swap cache without looking whether a fault has found it there.
    case evictsWithoutLooking
    /// The owner of a frame is plain memory, and nothing orders who sets it and who reads it.
    case ownerIsUnordered
    /// mremap forgets that what it moves is locked on fault.
    case remapForgetsOnFault
    /// What mlockall says of the future stays when a later one says nothing of it.
    case futureStays
    /// mlock holds what is locked already against the limit once more.
    case countsLockedTwice
    /// MADV_DONTNEED takes the pages of locked memory away.
    case discardsLocked
    /// mprotect leaves locked memory that becomes writable as absent as it was.
    case protectPopulatesNothing
    /// Truncation leaves private copies of the pages that go mapped.
    case truncationSparesCopies

    /// The mistakes that one process on one CPU shows.
    package static let ofCalls: [Mutation] = [
        .remapForgetsOnFault, .futureStays, .countsLockedTwice, .discardsLocked,
        .protectPopulatesNothing, .truncationSparesCopies,
    ]

    /// Whether the engine is to make this mistake: never, unless somebody on this thread of the
    /// host asks for it, and the build is instrumented.
    @inline(__always)
    var isActive: Bool {
        guard SchedulingPoint.isInstrumented else { return false }
        return SchedulingPoint.control == rawValue &+ 2
    }
}
