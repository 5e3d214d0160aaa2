// SPDX-License-Identifier: Apache-2.0
//
// What happens to a frame's counts when an entry that maps it comes or goes. Every place that
// writes or clears an entry calls these, under the table's lock.

/// Counting of mappings.
struct MapCounts {
    let frames: FrameTable
    let batches: LRUBatches

    /// What became of a frame's last user when a mapping went.
    enum Leftover {
        /// Nobody can reach it: the caller frees it after flushing.
        case unreachable
        /// Others hold it; the mapping's reference is to be dropped after flushing.
        case referenced
    }

    /// An anonymous frame that nobody knew so far gets its first mapping, beside one reference
    /// for the batch that puts it on a list.
    @inline(__always)
    func mapFirstAnonymous(
        _ pfn: PFN, _ frame: FrameRef, group: AnonGroup, offset: UInt64, isLocked: Bool,
        on cpu: CPU
    ) {
        frame.resetFlags([.anonymous, .swapBacked, .upToDate, .exclusive])
        frame.setOwner(group.number, pageOffset: offset)
        frame.counts.store(FrameRef.oneMapping + FrameRef.oneReference)
        cpu.add(1, to: .anonPages, zone: frame.zoneIndex)
        if isLocked {
            batches.mlockNewTakingReference(pfn, frame, on: cpu)
        } else {
            batches.addTakingReference(pfn, on: cpu)
        }
    }

    /// A frame gets one more mapping.
    @inline(__always)
    func map(_ pfn: PFN, _ frame: FrameRef, isLocked: Bool, on cpu: CPU) {
        if frame.counts.add(FrameRef.oneMapping) >> 32 == 1 {
            cpu.add(
                1, to: frame.has(.anonymous) ? .anonPages : .mapped, zone: frame.zoneIndex)
        }
        if isLocked { batches.mlock(pfn, frame, on: cpu) }
    }

    /// A frame loses a mapping; its reference stays with the caller unless nobody is left.
    @inline(__always)
    func unmap(_ pfn: PFN, _ frame: FrameRef, isLocked: Bool, on cpu: CPU) -> Leftover {
        if isLocked { batches.munlock(pfn, frame, on: cpu) }
        let isAnonymous = frame.has(.anonymous)
        if isAnonymous, frame.counts.replace(FrameRef.oneMapping, by: 0) {
            // Only this entry knew it, and with no reference left nobody can come to know it.
            cpu.add(-1, to: .anonPages, zone: frame.zoneIndex)
            return .unreachable
        }
        noteUnmapped(
            frame, frame.counts.subtract(FrameRef.oneMapping - FrameRef.oneReference), on: cpu)
        return .referenced
    }

    /// A frame that the caller holds a reference to loses a mapping and the mapping's reference.
    @inline(__always)
    func unmapReferenced(_ frame: FrameRef, on cpu: CPU) {
        noteUnmapped(frame, frame.counts.subtract(FrameRef.oneMapping), on: cpu)
    }

    @inline(__always)
    private func noteUnmapped(_ frame: FrameRef, _ counts: UInt64, on cpu: CPU) {
        guard counts >> 32 == 0 else { return }
        cpu.add(-1, to: frame.has(.anonymous) ? .anonPages : .mapped, zone: frame.zoneIndex)
    }

    /// Which resident size of its address space a mapped frame counts in.
    @inline(__always)
    static func residentKind(_ flags: FrameFlags) -> ResidentKind {
        if flags.contains(.anonymous) { return .anonymous }
        return flags.contains(.swapBacked) ? .sharedMemory : .file
    }
}
