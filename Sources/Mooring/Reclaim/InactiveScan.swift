// SPDX-License-Identifier: Apache-2.0
//
// The inactive lists: what is at their tails is taken, unless it was used.

extension Reclaimer {
    /// Looks at the tail of an inactive list and frees what can be freed.
    func scanInactive(
        _ list: LRUList, node: Int, count: Int, _ round: inout ReclaimRound, on cpu: CPU
    ) {
        device.endDue(on: cpu)
        swap.device.endDue(on: cpu)
        let (taken, scanned) = batches.isolate(
            list, node: node, into: isolated(cpu), scan: count, highest: round.highest, on: cpu)
        note(scanned, isFile: list.isFile, &round, on: cpu)
        guard taken > 0 else { return }
        let before = round.reclaimed
        round.written = 0
        reclaimIsolated(taken, &round, on: cpu)
        let freed = round.reclaimed - before
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        lists.noteCost(
            taken - freed + round.written * Reclaimer.batch, ofFile: list.isFile, node: node)
        lists.lock(ofNode: node).unlock(.lru, on: cpu)
    }

    /// Counts frames that were looked at.
    func note(_ scanned: Int, isFile: Bool, _ round: inout ReclaimRound, on cpu: CPU) {
        round.scanned += scanned
        cpu.count(round.agent.scanEvent, scanned)
        cpu.count(isFile ? .pgscanFile : .pgscanAnon, scanned)
    }

    /// Judges the frames that this CPU has isolated; frees some and puts the others back.
    func reclaimIsolated(_ count: Int, _ round: inout ReclaimRound, on cpu: CPU) {
        let buffer = isolated(cpu)
        let freed = unreachable(cpu)
        let uses = uses(cpu)
        if !round.ignoresUse { takeUses(of: buffer, count, into: uses, on: cpu) }
        var owners = OwnerMemo(map: map, cpu: cpu)
        prefetchIndex(of: buffer, count, round.ignoresUse ? nil : uses, &owners, on: cpu)
        var kept = 0
        var freedCount = 0
        var freedFiles = 0
        for index in 0..<count {
            let pfn = buffer[index]
            let frame = frames[pfn]
            let isFile = !frame.has(.swapBacked)
            switch judge(pfn, frame, round.ignoresUse ? nil : uses[index], &owners, &round, on: cpu)
            {
            case .unreachable:
                cpu.add(-1, to: isFile ? .isolatedFile : .isolatedAnon, zone: frame.zoneIndex)
                freed[freedCount] = pfn
                freedCount += 1
                if isFile { freedFiles += 1 }
                continue
            case .keep: break
            case .activate:
                if !frame.has(.unevictable) {
                    frame.set(.active)
                    let node = LRULists.node(ofZone: frame.zoneIndex)
                    lists.age(ofNode: node).add(1)
                    cpu.count(.pgactivate)
                }
            }
            buffer[kept] = pfn
            kept += 1
        }
        owners.end()
        batches.free(freed, count: freedCount, on: cpu)
        batches.putBack(buffer, count: kept, on: cpu)
        round.reclaimed += freedCount
        cpu.count(round.agent.stealEvent, freedCount)
        cpu.count(.pgstealFile, freedFiles)
        cpu.count(.pgstealAnon, freedCount - freedFiles)
    }

    /// Asks who has used each of the frames that this CPU has isolated: nil for those that nobody
    /// maps, or that are judged by something else.
    private func takeUses(
        of buffer: UnsafeMutablePointer<PFN>, _ count: Int,
        into uses: UnsafeMutablePointer<FrameUse?>, on cpu: CPU
    ) {
        var walk = UseWalk(map: map, batches: batches, cpu: cpu)
        walk.prefetch(buffer, count)
        for index in 0..<count {
            let frame = frames[buffer[index]]
            let isAsked =
                frame.mapCount > 0 && frame.flags.isDisjoint(with: [.mlocked, .writeback])
            (uses + index).initialize(
                to: isAsked ? walk.takeAccesses(of: buffer[index], frame) : nil)
        }
        walk.end()
    }

    /// Brings the slots of a file's index that frames will leave into the processor's cache.
    ///
    /// For the file of the first: see ``UseWalk/prefetch(_:_:)``.
    private func prefetchIndex(
        of buffer: UnsafeMutablePointer<PFN>, _ count: Int,
        _ uses: UnsafeMutablePointer<FrameUse?>?, _ owners: inout OwnerMemo, on cpu: CPU
    ) {
        guard count > 1, case .file(let file) = owners.owner(of: frames[buffer[0]]) else { return }
        file.cacheLock.lock(.pageCache, on: cpu)
        Prefetch.upTo(count) { list in
            var next: UInt64 = 0
            for index in 0..<count {
                let frame = frames[buffer[index]]
                let offset = frame.pageOffset
                let isUsed = uses?[index].map { $0.accesses > 0 } ?? false
                if offset != next, !isUsed, owners.knows(frame),
                    let slot = file.index.address(of: offset)
                {
                    list.add(slot)
                }
                next = offset + 1
            }
        }
        file.cacheLock.unlock(.pageCache, on: cpu)
    }
}
