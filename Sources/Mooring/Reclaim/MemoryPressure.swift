// SPDX-License-Identifier: Apache-2.0
//
// What an allocation does when no zone has a frame above its low mark: the slow path, which the
// machine hands to `FrameSupply`.
//
// ORDER   Daemons first, then the reserves between the low mark and the minimum, then reclaim in the
//         name of whoever asks. What no reclaim can free is for the caller to deal with: a fault
//         asks for somebody to be killed, once it holds no lock.

/// Finds frames when memory is short.
struct MemoryPressure {
    let reclaim: Reclaimer
    let allocator: FrameAllocator

    /// Rounds of direct reclaim that an allocation waits for.
    private static let attempts = 16
    /// How many of them in a row may free nothing: a page that is used or wanted is freed by the third
    /// look at the earliest.
    private static let fruitlessAttempts = 4

    /// A frame, or ``PFN/none`` when nothing more can be reclaimed.
    func take(_ type: MigrateType, on cpu: CPU) -> PFN {
        let nodes = reclaim.lists.nodeCount
        for node in 0..<nodes { reclaim.wakeDaemon(node: node, on: cpu) }
        var pfn = allocator.allocate(order: 0, type: type, on: cpu)
        let highest: ZoneType = type == .movable ? .movable : .normal
        var attempt = 0
        var fruitless = 0
        while pfn == .none, attempt < MemoryPressure.attempts {
            if attempt == 0 {
                cpu.count(type == .movable ? .allocstallMovable : .allocstallNormal)
            }
            var freed = 0
            for node in 0..<nodes where freed == 0 {
                freed = reclaim.reclaimDirectly(node: node, highest: highest, on: cpu)
            }
            pfn = allocator.allocate(order: 0, type: type, on: cpu)
            // Writes that are under way will leave clean pages behind.
            fruitless = freed > 0 || reclaim.waitForWrite(on: cpu) ? 0 : fruitless + 1
            if fruitless == MemoryPressure.fruitlessAttempts { break }
            attempt += 1
        }
        return pfn
    }
}
