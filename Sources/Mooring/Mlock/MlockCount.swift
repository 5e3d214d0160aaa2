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
//            the mark. The drain completes it, no later than the address space's lock under which
//            the mapping was locked is given back: LRUBatches.swift.
// RACE       One order of events still errs high, until the frame is freed: a CPU maps a file's page
//            into a locked VMA and has not drained; another one of the same address space, both
//            holding its lock shared, unmaps it (MADV_DONTNEED_LOCKED, copy on write) and drains;
//            a second process locks the page; then the first CPU drains. Linux has it too.

extension LRUBatches {
    /// A frame is mapped into a locked VMA, or one that maps it is locked: marks it and asks for
    /// the count.
    ///
    /// The caller's page-table lock and mapping keep the frame alive.
    @inline(__always)
    func mlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        mark(frame, on: cpu)
        if !Mutation.batchHoldsNoReference.isActive { frame.counts.add(FrameRef.oneReference) }
        requestTakingReference(.mlock, pfn, on: cpu)
    }

    /// The same for a frame that was never on a list; takes over the reference that the caller
    /// counted for the batch.
    @inline(__always)
    func mlockNewTakingReference(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        mark(frame, on: cpu)
        requestTakingReference(.mlockNew, pfn, on: cpu)
    }

    /// A frame leaves a locked VMA, or the VMA is unlocked.
    ///
    /// Nothing changes at once: other locked VMAs may map it. The drain decides by the count.
    @inline(__always)
    func munlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        if !Mutation.batchHoldsNoReference.isActive { frame.counts.add(FrameRef.oneReference) }
        requestTakingReference(.munlock, pfn, on: cpu)
    }

    @inline(__always)
    private func mark(_ frame: FrameRef, on cpu: CPU) {
        if !frame.has(.mlocked), !frame.testAndSet(.mlocked) {
            cpu.add(1, to: .mlock, zone: frame.zoneIndex)
            cpu.count(.unevictableMlocked)
        }
    }

    /// Counts a locked mapping of a frame, moving it to the unevictable list if it is not there.
    @inline(__always)
    func countLock(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        guard frame.has(.onLRU) else {
            // RACE: the frame is in another CPU's add batch, or isolated. Whoever puts it on a
            // list sees the mark, puts it on the unevictable one and starts the count at 0: this
            // mapping is not counted, which errs low.
            return
        }
        if frame.has(.unevictable) {
            if frame.has(.mlocked) { frame.mlockCount += 1 }
            return
        }
        // RACE: the mark may have been cleared by a munlock that was carried out since it was asked
        // for, of another mapping for all that is known here. The frame then stays evictable
        // though this mapping may be locked, which errs low: reclaim finds it there.
        guard frame.has(.mlocked) else { return }
        lists.unlink(pfn, frame, node: node, on: cpu)
        frame.clear([.active, .onLRU])
        frame.set(.unevictable)
        cpu.count(.unevictableCulled)
        lists.add(pfn, frame, node: node, on: cpu)
        frame.mlockCount = 1
    }

    /// Puts a new frame of a locked VMA straight on the unevictable list.
    @inline(__always)
    func countLockOfNew(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        guard !frame.has(.onLRU) else { return countLock(pfn, frame, node: node, on: cpu) }
        guard frame.has(.mlocked) else {
            return lists.add(pfn, frame, node: node, on: cpu)
        }
        frame.set(.unevictable)
        cpu.count(.unevictableCulled)
        lists.add(pfn, frame, node: node, on: cpu)
        frame.mlockCount = 1
    }

    /// Counts a locked mapping less; the last one clears the mark and makes the frame evictable.
    @inline(__always)
    func countUnlock(_ pfn: PFN, _ frame: FrameRef, node: Int, on cpu: CPU) {
        let isListed = frame.has(.onLRU)
        if isListed, frame.has(.unevictable), frame.mlockCount > 0 {
            frame.mlockCount -= 1
            if frame.mlockCount > 0 { return }
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
        if frame.has(.unevictable) {
            lists.unlink(pfn, frame, node: node, on: cpu)
            frame.clear([.onLRU, .unevictable])
            cpu.count(.unevictableRescued)
            lists.add(pfn, frame, node: node, on: cpu)
        }
    }
}
