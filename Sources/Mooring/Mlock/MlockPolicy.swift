// SPDX-License-Identifier: Apache-2.0
//
// The three designs of mlock, seen from one frame, and which one a machine runs.
//
// STATE   `VMAFlags.locked` on a VMA is the truth in all designs. They differ in what they keep of it
//         at a frame, and so in what unlocking costs and in what reclaim sees.
// SEE     Mooring.docc/LifeOfALockedPage.md follows one page through each.

/// How locked memory is kept from reclaim.
public enum MlockDesign: String, Sendable, CaseIterable {
    /// Before 2008: locked pages stay on the ordinary lists, and reclaim looks at them again and
    /// again.
    case none
    /// 2008: they are marked and leave the lists; who unlocks one walks its reverse map to see who
    /// else has locked it.
    case reverseMap = "rmap"
    /// 2022: the unevictable list counts for each how many locked VMAs map it.
    case count
}

/// What a design does with a frame that enters a locked VMA or leaves one.
///
/// The first three run under the lock of the page table that maps the frame, which keeps it alive.
protocol MlockPolicy {
    /// A frame is mapped into a locked VMA, or one that maps it is locked.
    func mlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU)

    /// The same for a frame that was never on a list; takes over the reference that the caller
    /// counted for the batch.
    func mlockNewTakingReference(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU)

    /// A frame leaves a locked VMA, or the VMA is unlocked; other locked VMAs may map it.
    func munlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU)

    /// Completes what ``munlock(_:_:on:)`` has left undone; the caller holds no table's lock.
    ///
    /// - Parameters:
    ///   - map: Finds who else maps a frame; nil for a caller that holds a lock of reverse maps.
    ///   - cpu: The CPU that the caller has entered.
    func settle(with map: ReverseMap?, on cpu: CPU)

    /// Reclaim has found an isolated frame in a locked VMA ("lazy mlock").
    func lockLazily(_ frame: FrameRef, on cpu: CPU)
}

extension LRUBatches {
    // A switch in each, rather than a stored witness: one predicted branch for a locked page, none
    // for any other, and the compiler sees through it.

    /// Tells the design that a frame is mapped into a locked VMA, or that one that maps it is locked.
    @inline(__always)
    func mlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        switch mlockDesign {
        case .count: CountedMlock(batches: self).mlock(pfn, frame, on: cpu)
        case .reverseMap: ReverseMapMlock(batches: self).mlock(pfn, frame, on: cpu)
        case .none: break
        }
    }

    /// The same for a frame that was never on a list.
    @inline(__always)
    func mlockNewTakingReference(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        switch mlockDesign {
        case .count: CountedMlock(batches: self).mlockNewTakingReference(pfn, frame, on: cpu)
        case .reverseMap:
            ReverseMapMlock(batches: self).mlockNewTakingReference(pfn, frame, on: cpu)
        case .none: NoMlock(batches: self).mlockNewTakingReference(pfn, frame, on: cpu)
        }
    }

    /// Tells the design that a frame leaves a locked VMA, or that the VMA is unlocked.
    @inline(__always)
    func munlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        switch mlockDesign {
        case .count: CountedMlock(batches: self).munlock(pfn, frame, on: cpu)
        case .reverseMap: ReverseMapMlock(batches: self).munlock(pfn, frame, on: cpu)
        case .none: break
        }
    }

    /// Lets the design complete unlocks; the caller holds no table's lock.
    @inline(__always)
    func settleUnlocks(with map: ReverseMap?, on cpu: CPU) {
        if case .reverseMap = mlockDesign {
            ReverseMapMlock(batches: self).settle(with: map, on: cpu)
        }
    }

    /// Says whether a VMA that maps an isolated frame is locked, and lets the design mark the frame.
    ///
    /// Runs under the lock of the table that maps the frame there.
    ///
    /// RACE: munlock changes the flags of a VMA before or after it goes through its pages, so the flag
    /// may be seen when this page's turn is over, and a mark that is set then would never be
    /// cleared. `lockChanges` is set before the first page's turn, and pages take their turns under
    /// their table's lock, which is held here: who does not see it comes before the page's turn, or
    /// after the flags have changed. The address space's own lock cannot be had here: the fault that
    /// reclaims may hold it, or another one's.
    func lockLazily(_ frame: FrameRef, by vma: VMARef, on cpu: CPU) -> Bool {
        let isChanging = vma.addressSpace.lockChanges.loadAcquiring() != 0
        guard vma.flags.contains(.locked) else { return false }
        // Which way it goes is known next time; until then the frame had better stay.
        if isChanging, !Mutation.marksWhileChanging.isActive { return true }
        switch mlockDesign {
        case .count: CountedMlock(batches: self).lockLazily(frame, on: cpu)
        case .reverseMap: ReverseMapMlock(batches: self).lockLazily(frame, on: cpu)
        case .none: break
        }
        return true
    }

    /// Marks a frame as mapped by a locked VMA.
    @inline(__always)
    func markLocked(_ frame: FrameRef, on cpu: CPU) {
        if !frame.has(.mlocked), !frame.testAndSet(.mlocked) {
            cpu.add(1, to: .mlock, zone: frame.zoneIndex)
            cpu.count(.unevictableMlocked)
        }
    }
}
