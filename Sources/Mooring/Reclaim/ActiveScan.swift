// SPDX-License-Identifier: Apache-2.0
//
// The active lists: their tails move to the inactive lists, where they have to prove themselves.

extension Reclaimer {
    /// Looks at the tail of an active list and makes inactive what need not stay.
    ///
    /// Whether a frame was used since makes no difference, but that the question is put anew: it
    /// will be asked again at the inactive list's tail. Only code stays, for every program that
    /// runs it would have to wait.
    func scanActive(
        _ list: LRUList, node: Int, count: Int, _ round: ReclaimRound, on cpu: CPU
    ) {
        let buffer = isolated(cpu)
        let (taken, scanned) = batches.isolate(
            list, node: node, into: buffer, scan: count, highest: round.highest, on: cpu)
        cpu.count(.pgrefill, scanned)
        var walk = UseWalk(map: map, batches: batches, cpu: cpu)
        walk.prefetch(buffer, taken)
        for index in 0..<taken {
            let pfn = buffer[index]
            let frame = frames[pfn]
            if frame.mapCount > 0, let use = walk.takeAccesses(of: pfn, frame) {
                if use.isLocked || (use.isExecuted && list.isFile) { continue }
            }
            frame.clear(.active)
            frame.set(.workingset)
            cpu.count(.pgdeactivate)
        }
        walk.end()
        batches.putBack(buffer, count: taken, on: cpu)
    }
}
