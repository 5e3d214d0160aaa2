// SPDX-License-Identifier: Apache-2.0
//
// Taking a frame away from everybody who maps it.
//
// ORDER   Each entry's translation is flushed under its table's lock, before the mapping's reference
//         goes. The reclaimer's own reference keeps the frame until the end.

extension Reclaimer {
    /// What came of it.
    enum Eviction {
        /// Nobody maps the frame any more.
        case unmapped
        /// A locked VMA maps it.
        case locked
        /// Somebody maps it still: an entry was not found, or must stay.
        case stillMapped
    }

    /// Takes every mapping of a file's frame away; a locked VMA stops it.
    func unmapEverywhere(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner, on cpu: CPU
    ) -> Eviction {
        let kind = MapCounts.residentKind(frame.flags)
        var isLocked = false
        map.forEachPlace(of: pfn, frame, owner: owner, on: cpu) { place in
            if batches.lockLazily(frame, by: place.vma, on: cpu) {
                isLocked = true
                return false
            }
            place.space.notePeak()
            tlb.beginWithdrawal(in: place.space)
            let final = place.table.take(place.index)
            place.table.frame.liveEntries -= 1
            if final.isDirty { frame.markDirty(on: cpu) }
            finish(place, frame, kind, on: cpu)
            return true
        }
        if isLocked { return .locked }
        return frame.mapCount == 0 ? .unmapped : .stillMapped
    }

    /// Takes the mapping of a frame that MADV_FREE gave up, if nobody wrote it since.
    func dropClean(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner, on cpu: CPU
    ) -> Eviction {
        var isLocked = false
        map.forEachPlace(of: pfn, frame, owner: owner, on: cpu) { place in
            if batches.lockLazily(frame, by: place.vma, on: cpu) {
                isLocked = true
                return false
            }
            // Atomic: the processor may be marking it dirty at this moment, and then it stays.
            let seen = place.entry
            guard !seen.isDirty, !frame.has(.dirty) else { return false }
            tlb.beginWithdrawal(in: place.space)
            guard place.table.word(place.index).replace(seen.bits, by: 0) else {
                tlb.endWithdrawal(in: place.space)
                return false
            }
            place.space.notePeak()
            place.table.frame.liveEntries -= 1
            finish(place, frame, .anonymous, on: cpu)
            return true
        }
        if isLocked { return .locked }
        return frame.mapCount == 0 ? .unmapped : .stillMapped
    }

    /// Counts a mapping off whose entry is gone, and ends the withdrawal; the reclaimer holds a
    /// reference.
    @inline(__always)
    func finish(
        _ place: ReverseMap.Place, _ frame: FrameRef, _ kind: ResidentKind, on cpu: CPU
    ) {
        place.space.slot(of: cpu).resident(kind).add(-1)
        tlb.flush(place.space, FlushRange(place.address..<place.address + pageSize), on: cpu)
        tlb.endWithdrawal(in: place.space)
        map.counts.unmapReferenced(frame, on: cpu)
    }
}
