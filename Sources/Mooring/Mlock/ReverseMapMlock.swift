// SPDX-License-Identifier: Apache-2.0
//
// The 2008 design of mlock ("rmap"), seen from one frame.
//
// STATE   `mlocked` says that a locked VMA maps the frame, and nothing says how many do. Each CPU has
//         a list of the frames whose unlock it has yet to complete, one reference each.
// LAZY    Unlocking clears the mark, isolates the frame, and asks the reverse map whether another
//         locked VMA maps it; only then is it put back. That takes the lock of the file's mappings
//         or of the anonymous group, which ranks before the table's: so it waits in the list until
//         the table's lock is given back (`settle`).
// RACE    A frame that cannot be isolated is in another's hands: its mark stays cleared, and is
//         counted as stranded. The holder puts it back where its flags say, and if a locked VMA
//         maps it still, reclaim meets it there and locks it lazily. The same is true of a caller
//         that cannot walk: truncation, whose pages leave their file anyway.

/// One CPU's unlocks that wait for their walks.
struct WaitingUnlocks {
    /// A table's worth at least, for tables are settled one by one; with the count, whole cache
    /// lines.
    static let capacity = 542
    var count = 0
    var frames: InlineArray<542, PFN> = .init(repeating: .none)
}

/// Locked frames are marked; unlocking walks their reverse maps.
struct ReverseMapMlock: MlockPolicy {
    let batches: LRUBatches

    @inline(__always)
    func mlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        batches.markLocked(frame, on: cpu)
        frame.counts.add(FrameRef.oneReference)
        batches.requestTakingReference(.cull, pfn, on: cpu)
    }

    @inline(__always)
    func mlockNewTakingReference(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        batches.markLocked(frame, on: cpu)
        // The drain of additions looks at the mark.
        batches.addTakingReference(pfn, on: cpu)
    }

    func munlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        guard let waiting = batches.waitingUnlocks(cpu), frame.has(.mlocked) else { return }
        guard waiting.pointee.count < WaitingUnlocks.capacity else {
            return clearMark(frame, on: cpu)
        }
        frame.counts.add(FrameRef.oneReference)
        waiting.pointee.frames[waiting.pointee.count] = pfn
        waiting.pointee.count += 1
    }

    func settle(with map: ReverseMap?, on cpu: CPU) {
        guard let waiting = batches.waitingUnlocks(cpu) else { return }
        for index in 0..<waiting.pointee.count {
            let pfn = waiting.pointee.frames[index]
            let frame = batches.frames[pfn]
            if let map {
                complete(pfn, frame, map, on: cpu)
            } else {
                clearMark(frame, on: cpu)
            }
            batches.release(pfn, on: cpu)
        }
        waiting.pointee.count = 0
    }

    func lockLazily(_ frame: FrameRef, on cpu: CPU) { batches.markLocked(frame, on: cpu) }

    /// Clears the mark and leaves the rest to reclaim.
    private func clearMark(_ frame: FrameRef, on cpu: CPU) {
        guard frame.testAndClear(.mlocked) else { return }
        cpu.add(-1, to: .mlock, zone: frame.zoneIndex)
        cpu.count(.unevictableStranded)
    }

    private func complete(_ pfn: PFN, _ frame: FrameRef, _ map: ReverseMap, on cpu: CPU) {
        // ORDER: cleared before it is isolated. Who isolates it first puts it back by its flags.
        guard frame.testAndClear(.mlocked) else { return }
        cpu.add(-1, to: .mlock, zone: frame.zoneIndex)
        guard batches.isolateLocked(frame, on: cpu) else {
            return cpu.count(.unevictableStranded)
        }
        if isLockedElsewhere(pfn, frame, map, on: cpu) {
            batches.markLocked(frame, on: cpu)
        } else {
            cpu.count(.unevictableMunlocked)
            cpu.count(.unevictableRescued)
        }
        var isolated = pfn
        batches.putBack(&isolated, count: 1, on: cpu)
    }

    private func isLockedElsewhere(
        _ pfn: PFN, _ frame: FrameRef, _ map: ReverseMap, on cpu: CPU
    ) -> Bool {
        guard frame.mapCount > 0, let owner = map.retainOwner(of: frame, on: cpu) else {
            return false
        }
        var isLocked = false
        map.forEachPlace(of: pfn, frame, owner: owner, on: cpu) { place in
            isLocked = place.vma.flags.contains(.locked)
            return !isLocked
        }
        map.release(owner, on: cpu)
        return isLocked
    }
}

extension LRUBatches {
    /// Takes a frame, which the caller holds a reference to, off the unevictable list or any other.
    fileprivate func isolateLocked(_ frame: FrameRef, on cpu: CPU) -> Bool {
        let node = LRULists.node(ofZone: frame.zoneIndex)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        defer { lists.lock(ofNode: node).unlock(.lru, on: cpu) }
        guard frame.testAndClear(.onLRU) else { return false }
        lists.unlink(frame, node: node, on: cpu)
        frame.clear(.unevictable)
        noteIsolated(frame, 1, on: cpu)
        frame.counts.add(FrameRef.oneReference)
        return true
    }
}
