// SPDX-License-Identifier: Apache-2.0
//
// The order in which locks are taken: the declaration order below, outermost first. A thread that
// holds a lock may take only locks of later ranks, except where a case names a nesting rule.
// Checked builds stop at the first lock taken out of order (`CPU.noteAcquired`).

/// What a lock protects, in the order in which locks may be taken.
package enum LockRank: UInt8, CaseIterable, Sendable {
    /// The virtual CPU itself: one host thread at a time runs on it, and everything that is per
    /// CPU (lists of free frames, LRU batches, counters) needs no other lock.
    case cpu
    /// The table of processes: spawning, forking and reaping.
    case processes
    /// An address space: its VMAs and their tree. Faults hold it shared, calls that change VMAs
    /// exclusively. Nesting: a forking parent before its child.
    case addressSpace
    /// One frame's owner and contents; held across waiting for I/O, hence outside all below.
    case frame
    /// Which System V segments are locked, for whom, and which are to go.
    case segments
    /// The VMAs that map one file (the interval tree that reverse-map walks use).
    case fileMappings
    /// The VMAs that an anonymous group's pages may be mapped by. One lock for a whole fork tree:
    /// its root's. Nesting: none; cousins share the root.
    case anonymousGroup
    /// The entries of one page-table page, or the upper levels of one address space.
    /// Nesting: lower address first when entries move; a forking parent before its child.
    case pageTable
    /// Which swap slots are taken, by how many, and which frames hold their pages.
    case swap
    /// Which frames hold the pages of one file.
    case pageCache
    /// The LRU lists of a node, the list fields and the mlock count of frames on them, and the mlock
    /// debt of any frame.
    case lru
    /// The free lists of a zone.
    case zone
    /// The queue of a simulated device: takes nothing.
    case device
    /// What one CPU's TLB is known to hold, on machines that keep account of it. Nesting: none; who
    /// flushes or frees asks one CPU after another.
    case tlb
    /// A slab's list of free objects: taken by anyone who needs an object, takes nothing.
    case slab
}
