// SPDX-License-Identifier: Apache-2.0
//
// Who has used a frame since it was last asked.
//
// LAZY    Clearing an accessed bit flushes no translation, as on x86 Linux: a processor that still
//         holds one will not set the bit again until it walks the tables anew. The frame may look
//         unused for so long; that costs a refault at worst.

/// What a walk over the entries that map a frame has found.
struct FrameUse {
    /// How many entries were accessed since the last walk.
    var accesses = 0
    /// Whether one of these is in an executable VMA.
    var isExecuted = false
    /// Whether a locked VMA maps it; the walk ended there.
    var isLocked = false
}

extension ReverseMap {
    /// Says who has used a frame, and clears the bits that say so.
    ///
    /// A frame that a locked VMA maps is marked as locked if it was not ("lazy mlock"): see
    /// ``LRUBatches/lockLazily(_:by:on:)``.
    func takeAccesses(
        of pfn: PFN, _ frame: FrameRef, owner: FrameOwner, batches: LRUBatches, on cpu: CPU
    ) -> FrameUse {
        var use = FrameUse()
        forEachPlace(of: pfn, frame, owner: owner, on: cpu) { place in
            if batches.lockLazily(frame, by: place.vma, on: cpu) {
                use.isLocked = true
                return false
            }
            // A page that nobody may touch keeps the bit of when somebody could.
            guard place.entry.isAccessed else { return true }
            _ = place.table.word(place.index).clearBits(Entry.accessed)
            // What a program reads once from end to end tells nothing about what comes.
            if place.vma.flags.contains(.sequentialRead) { return true }
            use.accesses += 1
            if place.vma.flags.contains(.execute) { use.isExecuted = true }
            return true
        }
        return use
    }
}
