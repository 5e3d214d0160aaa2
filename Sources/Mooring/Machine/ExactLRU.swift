// SPDX-License-Identifier: Apache-2.0
//
// A referee for reclaim: pages of one mapping of a file, of which the one that was accessed least
// recently makes room for each that comes.
//
// No accessed bit, no second list and no watermark has a say: the inactive list of files is kept in
// the order of use. For one CPU and one mapping, on a machine that has memory to spare.

/// A mapping whose pages leave in the order in which they were last used.
package struct ExactLRU {
    private let task: Machine.Task
    private let region: Region
    private let limit: Int
    private var resident = 0

    init(_ task: Machine.Task, _ region: Region, limit: Int) {
        self.task = task
        self.region = region
        self.limit = limit
    }

    /// Reads pages of the region in the order given.
    ///
    /// - Throws: The signal that the first forbidden or impossible access ends in.
    package mutating func access(_ pages: UnsafeBufferPointer<UInt32>) throws(AccessFailure) {
        let machine = task.machine
        let reclaim = machine.spaces.reclaim
        let stopped = task.enter { caller -> (signal: Signal, address: UInt64)? in
            for page in pages {
                let address = region.address + UInt64(page) << pageShift
                if let pfn = machine.access.frame(at: address, in: caller.space) {
                    reclaim.noteUse(pfn, on: caller.cpu)
                    continue
                }
                if resident == limit, reclaim.evictOldest(on: caller.cpu) { resident -= 1 }
                if let stopped = machine.access.touch(
                    caller, from: address, to: address + 1, .read)
                {
                    return stopped
                }
                reclaim.batches.drain(on: caller.cpu)
                resident += 1
            }
            return nil
        }
        if let stopped { throw AccessFailure(signal: stopped.signal, address: stopped.address) }
    }
}

extension Reclaimer {
    /// Puts a listed frame where the one that was used last belongs.
    fileprivate func noteUse(_ pfn: PFN, on cpu: CPU) {
        let frame = frames[pfn]
        let node = LRULists.node(ofZone: frame.zoneIndex)
        lists.lock(ofNode: node).lock(.lru, on: cpu)
        lists.moveToHead(pfn, frame, of: LRUList(of: frame.flags), node: node)
        lists.lock(ofNode: node).unlock(.lru, on: cpu)
    }

    /// Frees the frame at the tail of the first node's inactive list of files, used or not.
    fileprivate func evictOldest(on cpu: CPU) -> Bool {
        let (taken, _) = batches.isolate(
            .inactiveFile, node: 0, into: isolated(cpu), scan: 1, highest: .movable, on: cpu)
        var round = ReclaimRound(agent: .proactive, target: 1, highest: .movable)
        round.ignoresUse = true
        reclaimIsolated(taken, &round, on: cpu)
        return round.reclaimed == 1
    }
}
