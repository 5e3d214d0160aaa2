// SPDX-License-Identifier: Apache-2.0
//
// What becomes of one isolated frame.

extension Reclaimer {
    /// What is to be done with a frame.
    enum Verdict {
        /// Nobody has it any more, nor the reclaimer's reference: free it.
        case unreachable
        /// Put it back; its flags say where.
        case keep
        /// Put it back on an active list.
        case activate
    }

    /// Judges a frame, and takes it from its owner if it can be had.
    ///
    /// `use` is who has used it while it was mapped, unless the round ignores that.
    @inline(__always)
    func judge(
        _ pfn: PFN, _ frame: FrameRef, _ use: FrameUse?, _ owners: inout OwnerMemo,
        _ round: inout ReclaimRound, on cpu: CPU
    ) -> Verdict {
        let flags = frame.flags
        // RACE: locked since it was isolated. `putBack` sees the mark too.
        if flags.contains(.mlocked) { return .keep }
        if flags.contains(.writeback) { return wait(frame, &round, on: cpu) }
        if flags.contains(.anonymous), frame.mapCount == 0 {
            // Only the swap cache has it, and nobody has asked for it since.
            return flags.contains(.swapCached)
                ? swapOut(pfn, frame, nil, &round, on: cpu) : .keep
        }
        if frame.mapCount > 0, !round.ignoresUse, let verdict = judgeUse(frame, flags, use) {
            return verdict
        }
        guard let owner = owners.owner(of: frame) else {
            // RACE: its last mapping or its file is going. Whoever takes them away drops a
            // reference; ours goes with putting it back, and the last of the two frees it.
            return .keep
        }
        if frame.mapCount == 0, flags.contains(.referenced), flags.contains(.swapBacked),
            !round.ignoresUse
        {
            frame.clear(.referenced)
            return .activate
        }
        switch owner {
        case .file(let file) where file.kind == .disk:
            return takeFilePage(pfn, frame, file, &round, on: cpu)
        case .file(let file):
            // SHM_LOCK: those that were there when it was called are found here.
            if file.pointer.pointee.isLocked {
                if batches.mlockDesign != .none { frame.set(.unevictable) }
                return .keep
            }
            return swapOut(pfn, frame, owner, &round, on: cpu)
        case .group: return takeAnonymousPage(pfn, frame, owner, &round, on: cpu)
        }
    }

    /// A frame that is being written: reclaim wants it as soon as that has ended.
    @inline(never)
    private func wait(_ frame: FrameRef, _ round: inout ReclaimRound, on cpu: CPU) -> Verdict {
        if frame.testAndSet(.reclaim) {
            cpu.add(1, to: .vmscanImmediateReclaim, zone: frame.zoneIndex)
        }
        // RACE: its write may have ended before the mark was set. Then nobody rotates it, and it
        // comes round again.
        round.underWriteback += 1
        return .keep
    }

    /// The second chance: a mapped frame that was used since it was last asked stays.
    ///
    /// Once it stays inactive, to be asked again; twice, or by several, or as code, it is activated.
    @inline(__always)
    private func judgeUse(
        _ frame: FrameRef, _ flags: FrameFlags, _ use: FrameUse?
    ) -> Verdict? {
        // RACE: mapped since it was asked about.
        guard let use, !use.isLocked else { return .keep }
        guard use.accesses > 0 else {
            frame.clear(.referenced)
            return nil
        }
        if frame.testAndSet(.referenced) || use.accesses > 1
            || (use.isExecuted && !flags.contains(.swapBacked))
        {
            return .activate
        }
        return .keep
    }

    /// A page that a device holds.
    @inline(__always)
    private func takeFilePage(
        _ pfn: PFN, _ frame: FrameRef, _ file: FileRef, _ round: inout ReclaimRound, on cpu: CPU
    ) -> Verdict {
        if frame.mapCount > 0 {
            switch unmapEverywhere(pfn, frame, .file(file), on: cpu) {
            case .unmapped: break
            case .locked: return .keep
            case .stillMapped: return .activate
            }
        }
        if frame.has(.dirty) {
            // Written with its neighbours, by a flusher that nobody waits for.
            frame.set(.reclaim)
            writeBack.start(file, around: frame.pageOffset, on: cpu)
            round.underWriteback += 1
            if frame.has(.writeback) { return .keep }
        }
        return cache.evict(pfn, frame, from: file, on: cpu) ? .unreachable : .keep
    }

    /// A page of anonymous memory.
    private func takeAnonymousPage(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner, _ round: inout ReclaimRound,
        on cpu: CPU
    ) -> Verdict {
        guard frame.has(.swapBacked) else { return dropLazilyFreed(pfn, frame, owner, on: cpu) }
        return swapOut(pfn, frame, owner, &round, on: cpu)
    }

    /// A page that MADV_FREE gave up: it goes, unless it was written again.
    private func dropLazilyFreed(
        _ pfn: PFN, _ frame: FrameRef, _ owner: FrameOwner, on cpu: CPU
    ) -> Verdict {
        switch dropClean(pfn, frame, owner, on: cpu) {
        case .unmapped: break
        case .locked: return .keep
        case .stillMapped:
            // Written since: it counts as anonymous memory again.
            batches.noteIsolated(frame, -1, on: cpu)
            frame.set(.swapBacked)
            batches.noteIsolated(frame, 1, on: cpu)
            return .activate
        }
        guard frame.counts.replace(FrameRef.oneReference, by: 0) else { return .keep }
        cpu.count(.pglazyfreed)
        return .unreachable
    }
}
