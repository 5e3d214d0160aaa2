// SPDX-License-Identifier: Apache-2.0
//
// What a range of an address space uses, entry by entry: the figures behind smaps.
//
// INVARIANT  The four sums of shared and private, clean and dirty pages add up to the resident
//            pages; so do the proportional shares of the three kinds to `proportional`.

/// The pages that a range has, by the kinds that smaps tells apart.
struct MemoryUsage {
    /// log2 of the fractions of a byte that proportional shares are summed in.
    static let shareShift = 12

    /// Pages that a counted entry maps; the zero page is not.
    var resident = 0
    /// Proportional shares in 1/4096 byte: a page that n entries map counts as one nth.
    var proportional = 0
    var proportionalDirty = 0
    var proportionalAnonymous = 0
    var proportionalFile = 0
    var proportionalSharedMemory = 0
    var sharedClean = 0
    var sharedDirty = 0
    var privateClean = 0
    var privateDirty = 0
    var referenced = 0
    var anonymous = 0
    /// Anonymous pages that MADV_FREE gave up and nobody wrote since.
    var lazyFree = 0
    /// Pages in swap slots, and their share: a slot that n entries name counts as one nth.
    var swapped = 0
    var proportionalSwapped = 0
    /// The share of the pages that locked VMAs map.
    var locked = 0

    /// Counts what one entry of a VMA maps, be it out of the program's reach (PROT_NONE).
    mutating func add(_ entry: Entry, frames: FrameTable, isLocked: Bool) {
        guard entry.isMapped, !entry.isUncounted else { return }
        let frame = frames[entry.frame]
        let flags = frame.flags
        let mappings = Int(max(1, frame.mapCount))
        let share = (Int(pageSize) << MemoryUsage.shareShift) / mappings
        let isDirty = entry.isDirty || flags.contains(.dirty)
        resident += 1
        proportional += share
        switch MapCounts.residentKind(flags) {
        case .anonymous:
            proportionalAnonymous += share
            anonymous += 1
            if !flags.contains(.swapBacked), !isDirty { lazyFree += 1 }
        case .file: proportionalFile += share
        case .sharedMemory: proportionalSharedMemory += share
        }
        if isDirty { proportionalDirty += share }
        switch (mappings > 1, isDirty) {
        case (true, false): sharedClean += 1
        case (true, true): sharedDirty += 1
        case (false, false): privateClean += 1
        case (false, true): privateDirty += 1
        }
        if entry.isAccessed || flags.contains(.referenced) { referenced += 1 }
        if isLocked { locked += share }
    }

    /// Counts a page in a swap slot that so many entries name.
    mutating func addSwapped(uses: Int) {
        swapped += 1
        proportionalSwapped += (Int(pageSize) << MemoryUsage.shareShift) / max(1, uses)
    }
}

extension AddressSpaces {
    /// Adds what a VMA has; the address space's lock is held.
    func measure(
        _ vma: VMARef, in space: AddressSpace, into usage: inout MemoryUsage, on cpu: CPU
    ) {
        let isLocked = vma.flags.contains(.locked)
        forEachEntry(in: space, from: vma.start, to: vma.end, on: cpu) { _, entry in
            if entry.isSwapped {
                usage.addSwapped(uses: swap.countHint(entry.swapSlot))
            } else {
                usage.add(entry, frames: frames, isLocked: isLocked)
            }
        }
    }
}
