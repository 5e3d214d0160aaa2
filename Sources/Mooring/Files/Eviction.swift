// SPDX-License-Identifier: Apache-2.0
//
// Taking pages of files out of memory, to be had again from a device.
//
// RACE    A page may be found in the index at any moment until it is taken out, but only under the
//         cache's lock, and whoever finds it maps it or takes a reference under that lock. So a
//         frame that has no references but those of its caches and of the reclaimer, who asks
//         under the lock, has none and gets none.

extension PageCache {
    /// Takes a clean page of a device's file out of the cache; the caller has isolated it.
    ///
    /// - Returns: Whether it did; the frame then has no reference left and is the caller's to free.
    func evict(_ pfn: PFN, _ frame: FrameRef, from file: FileRef, on cpu: CPU) -> Bool {
        file.cacheLock.lock(.pageCache, on: cpu)
        defer { file.cacheLock.unlock(.pageCache, on: cpu) }
        guard take(frame, holders: 2) else { return false }
        let node = LRULists.node(ofZone: frame.zoneIndex)
        file.index.replace(
            frame.pageOffset, by: workingset.shadow(of: frame.flags, node: node))
        frame.clear(.fileCached)
        cpu.add(-1, to: .filePages, zone: frame.zoneIndex)
        return true
    }

    /// The same for a page of a file in memory, whose frame is in the swap cache too: its slot takes
    /// its place in the index.
    func evictToSwap(_ pfn: PFN, _ frame: FrameRef, from file: FileRef, on cpu: CPU) -> Bool {
        swap.handOver(pfn, frame, on: cpu) { slot in
            file.cacheLock.lock(.pageCache, on: cpu)
            defer { file.cacheLock.unlock(.pageCache, on: cpu) }
            guard take(frame, holders: 3) else { return false }
            file.index.replace(frame.pageOffset, by: PageTrace(swapSlot: slot))
            file.pointer.pointee.swappedPages += 1
            frame.clear(.fileCached)
            let zone = frame.zoneIndex
            cpu.add(-1, to: .filePages, zone: zone)
            cpu.add(-1, to: .shmem, zone: zone)
            return true
        }
    }

    /// Takes all references of a cached frame that so many hold, if it is clean.
    @inline(__always)
    private func take(_ frame: FrameRef, holders: UInt64) -> Bool {
        // RACE: truncated since it was isolated, or found by somebody.
        guard frame.has(.fileCached),
            frame.counts.replace(holders * FrameRef.oneReference, by: 0)
        else { return false }
        guard frame.flags.isDisjoint(with: [.dirty, .writeback]) else {
            frame.counts.store(holders * FrameRef.oneReference)
            return false
        }
        return true
    }
}
