// SPDX-License-Identifier: Apache-2.0
//
// The 2022 design of mlock ("count"), seen from one frame.
//
// STATE      `mlocked` on a frame says that a locked VMA maps it. While the frame is on the
//            unevictable list, `mlockCount` says how many do; it lives in the link field that the
//            unevictable list, being only counted, does not need.
// INVARIANT  The count may err low, never high: a frame released too early is found again by
//            reclaim, which meets the locked VMA in its reverse-map walk and locks it anew; a
//            count too high would hold the frame for ever.
// LOCKS      Setting the mark is one atomic operation; counting needs the lru lock, and is done
//            by per-CPU batches, many frames under one hold. No reverse map is walked.
// LAZY       Between request and drain the mark is set and the count is not; reclaim judges by
//            the mark. The drain completes it: LRUBatches.swift.
// RACE       Requests wait in the batch of the CPU that made them, so a munlock may be carried out
//            before its mlock, when another CPU unlocked or unmapped the page. It then leaves a
//            debt, `mlockDebt`, that the mlock pays. A debt is made only while the count is 0, and
//            the count grows only where there is no debt.
// SEE        Mooring.docc/LifeOfALockedPage.md, "Races".

/// The unevictable list counts the locked VMAs that map each of its frames.
struct CountedMlock: MlockPolicy {
    let batches: LRUBatches

    @inline(__always)
    func mlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        if !Mutation.marksLate.isActive { batches.markLocked(frame, on: cpu) }
        hold(frame)
        batches.requestTakingReference(.mlock, pfn, on: cpu)
    }

    @inline(__always)
    func mlockNewTakingReference(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        batches.markLocked(frame, on: cpu)
        batches.requestTakingReference(.mlockNew, pfn, on: cpu)
    }

    /// Nothing changes at once; the drain decides by the count.
    @inline(__always)
    func munlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        hold(frame)
        batches.requestTakingReference(.munlock, pfn, on: cpu)
    }

    /// Counts the reference that a request holds until it is carried out.
    @inline(__always)
    private func hold(_ frame: FrameRef) {
        if Mutation.holdsInTwoSteps.isActive {
            frame.counts.store(frame.counts.load() + FrameRef.oneReference)
        } else {
            frame.counts.add(FrameRef.oneReference)
        }
    }

    func settle(with map: ReverseMap?, on cpu: CPU) {}

    /// Marks the frame and counts nothing: whoever isolated it puts it back on the unevictable list,
    /// where its count starts at 0.
    ///
    /// That is low by one; the VMA's munlock finds the count at 0 and clears the mark all the same.
    func lockLazily(_ frame: FrameRef, on cpu: CPU) { batches.markLocked(frame, on: cpu) }
}

extension LRUBatches {
    /// Counts a locked mapping of a frame, moving it to the unevictable list if it is not there.
    ///
    /// `isNew` says that no batch of additions has the frame: it is listed here.
    @inline(__always)
    func countLock(_ pfn: PFN, _ frame: FrameRef, isNew: Bool, node: Int, on cpu: CPU) {
        if Mutation.marksLate.isActive { markLocked(frame, on: cpu) }
        let isPaid = payDebt(of: frame)
        let isListed = frame.has(.onLRU)
        // RACE: the frame is in another CPU's batch of additions, or isolated. Whoever puts it on a
        // list sees the mark, puts it on the unevictable one and starts the count at 0: this
        // mapping is not counted, which errs low.
        guard isListed || isNew else { return }
        guard frame.has(.mlocked) else {
            // RACE: the mark may have been cleared by a munlock that was carried out since it was
            // asked for, of another mapping for all that is known here. The frame is then evictable
            // though this mapping may be locked, which errs low: reclaim finds it there.
            if !isListed { lists.add(pfn, frame, node: node, on: cpu) }
            return
        }
        if isListed {
            if frame.has(.unevictable) {
                if !isPaid { frame.mlockCount += 1 }
                return
            }
            lists.moveToUnevictable(frame, node: node, on: cpu)
        } else {
            lists.addUnevictable(frame, node: node, on: cpu)
        }
        cpu.count(.unevictableCulled)
        if !isPaid { frame.mlockCount = 1 }
    }

    /// Counts a locked mapping less; the last one clears the mark and makes the frame evictable.
    ///
    /// Under the node's lock; `isListed` says whether the frame is on a list.
    @inline(__always)
    func countUnlock(
        _ pfn: PFN, _ frame: FrameRef, isListed: Bool, node: Int, on cpu: CPU
    ) {
        if isListed, frame.has(.unevictable), frame.mlockCount > 0 {
            frame.mlockCount -= 1
            if frame.mlockCount > 0 { return }
        } else {
            owe(frame)
        }
        guard frame.testAndClear(.mlocked) else { return }
        cpu.add(-1, to: .mlock, zone: frame.zoneIndex)
        guard isListed else {
            // RACE: somebody isolated the frame. Its mark is gone, so the holder puts it back on
            // an evictable list; if it was unevictable then, reclaim rescues it later.
            cpu.count(.unevictableStranded)
            return
        }
        cpu.count(.unevictableMunlocked)
        // LINUX: a page of a segment that SHM_LOCK locks stays on the unevictable list. Here nobody
        // knows the segment, and it becomes evictable.
        if frame.has(.unevictable) {
            lists.moveFromUnevictable(pfn, frame, node: node, on: cpu)
            cpu.count(.unevictableRescued)
        }
    }

    /// Whether a munlock has overtaken the request at hand, which is settled then.
    @inline(__always)
    private func payDebt(of frame: FrameRef) -> Bool {
        guard frame.mlockDebt > 0 else { return false }
        frame.mlockDebt -= 1
        return true
    }

    /// Leaves a debt for a munlock that found no count, unless no mlock can be waiting: each request
    /// holds a reference.
    ///
    /// RACE: references of other kinds come and go, and a file may be letting go of the frame; what
    /// is counted too much here makes a debt that errs low. No waiting request is overlooked: it
    /// has its reference since before the request at hand was made.
    @inline(never)
    private func owe(_ frame: FrameRef) {
        if Mutation.owesNothing.isActive { return }
        // ORDER: counts first. A page cache clears its mark before it drops its reference.
        let counts = frame.counts.loadAcquiring()
        let references = Int(UInt32(truncatingIfNeeded: counts)) - Int(counts >> 32)
        let caches = (frame.has(.fileCached) ? 1 : 0) + (frame.has(.swapCached) ? 1 : 0)
        if references - caches > 1 { frame.mlockDebt += 1 }
    }
}
