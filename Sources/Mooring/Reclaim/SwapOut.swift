// SPDX-License-Identifier: Apache-2.0
//
// Swapping a page out: a slot, entries that name it, a write, and the frame is free.
//
// ORDER   The slot first, then the entries: a fault on an entry that names the slot finds the frame
//         in the cache until it is evicted, and in the slot from then on. The write comes after the
//         last mapping is gone, so that nobody changes the page behind it.
// LAZY    Evicting waits for the write: the frame is put back, and goes to its list's tail when the
//         write has ended.

extension Reclaimer {
    /// A page that has no file: an anonymous one, or one of a file in memory.
    func swapOut(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner?, _ round: inout ReclaimRound,
        on cpu: CPU
    ) -> Verdict {
        if !frame.has(.swapCached) {
            guard owner != nil, swap.totalSlots > 0, swap.makeRoom(for: pfn, frame, on: cpu) else {
                return .activate
            }
        }
        var isNamed = !frame.has(.anonymous)
        if frame.mapCount > 0 {
            guard let owner else { return .keep }
            switch unmap(pfn, frame, owner, &isNamed, on: cpu) {
            case .unmapped: break
            case .locked:
                swap.dropIfUnused(pfn, frame, on: cpu)
                return .keep
            case .stillMapped:
                swap.dropIfUnused(pfn, frame, on: cpu)
                return .activate
            }
        }
        if frame.has(.dirty) {
            // RACE: exit may have taken the last mapping before the slot was there. Nobody would
            // ever ask for it, nor give it back.
            if !isNamed, swap.dropIfUnused(pfn, frame, on: cpu) { return .keep }
            guard swap.write(pfn, frame, on: cpu) else {
                swap.dropIfUnused(pfn, frame, on: cpu)
                return .activate
            }
            round.written += 1
            round.underWriteback += 1
            return .keep
        }
        if case .file(let file)? = owner {
            return cache.evictToSwap(pfn, frame, from: file, on: cpu) ? .unreachable : .keep
        }
        return swap.evict(pfn, frame, on: cpu) ? .unreachable : .keep
    }

    /// Takes a frame's mappings away; says in `isNamed` whether an entry came to name its slot.
    private func unmap(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner, _ isNamed: inout Bool, on cpu: CPU
    ) -> Eviction {
        switch owner {
        case .file: unmapEverywhere(pfn, frame, owner, on: cpu)
        case .group: replaceMappings(pfn, frame, owner, &isNamed, on: cpu)
        }
    }

    /// Puts swapped entries in the place of all that map an anonymous frame.
    private func replaceMappings(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner, _ isNamed: inout Bool, on cpu: CPU
    ) -> Eviction {
        var isLocked = false
        map.forEachPlace(of: pfn, frame, owner: owner, on: cpu) { place in
            if batches.lockLazily(frame, by: place.vma, on: cpu) {
                isLocked = true
                return false
            }
            guard let slot = swap.retainSlot(of: pfn, frame, on: cpu) else { return false }
            isNamed = true
            place.space.notePeak()
            tlb.beginWithdrawal(in: place.space)
            // The mark says of this one mapping that it is all there is.
            let isExclusive = frame.has(.exclusive)
            if isExclusive { frame.clear(.exclusive) }
            let final = Entry(
                bits: place.table.word(place.index).exchange(
                    Entry(swapSlot: slot, isExclusive: isExclusive).bits))
            if final.isDirty { frame.set(.dirty) }
            place.space.slot(of: cpu).swapped.add(1)
            finish(place, frame, .anonymous, on: cpu)
            return true
        }
        if isLocked { return .locked }
        return frame.mapCount == 0 ? .unmapped : .stillMapped
    }
}
