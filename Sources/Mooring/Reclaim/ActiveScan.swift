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
        var owners = OwnerMemo(map: map, cpu: cpu)
        for index in 0..<taken {
            let pfn = buffer[index]
            let frame = frames[pfn]
            if frame.mapCount > 0, let owner = owners.owner(of: frame) {
                let use = map.takeAccesses(
                    of: pfn, frame, owner: owner, batches: batches, on: cpu)
                if use.isLocked || (use.isExecuted && list.isFile) { continue }
            }
            frame.clear(.active)
            frame.set(.workingset)
            cpu.count(.pgdeactivate)
        }
        owners.end()
        batches.putBack(buffer, count: taken, on: cpu)
    }
}

/// The owner of the frames that are looked at in a row, which often is the same.
struct OwnerMemo {
    private let map: ReverseMap
    private let cpu: CPU
    private var owner: FrameOwner?
    private var number: UInt32 = 0
    private var isAnonymous = false

    init(map: ReverseMap, cpu: CPU) {
        self.map = map
        self.cpu = cpu
    }

    /// The owner of a frame, kept alive until the next question; nil if it has gone.
    @inline(__always)
    mutating func owner(of frame: FrameRef) -> FrameOwner? {
        let isAnonymous = frame.has(.anonymous)
        // A number whose record is kept alive is nobody else's meanwhile.
        if let owner, number == frame.ownerNumber, self.isAnonymous == isAnonymous { return owner }
        return change(to: frame, isAnonymous)
    }

    private mutating func change(to frame: FrameRef, _ isAnonymous: Bool) -> FrameOwner? {
        end()
        owner = map.retainOwner(of: frame, on: cpu)
        // RACE: the frame may have changed owners since; the one that is kept alive says its number.
        if let owner { number = owner.number }
        self.isAnonymous = isAnonymous
        return owner
    }

    /// Lets the owner go.
    mutating func end() {
        if let owner { map.release(owner, on: cpu) }
        owner = nil
    }
}
