// SPDX-License-Identifier: Apache-2.0
//
// The design before 2008 ("none"): nothing is kept at a frame.
//
// LAZY    Reclaim finds out each time anew: it isolates a locked page, walks its reverse map, meets
//         the locked VMA and puts the page back. The more memory is locked, the more it looks at in
//         vain.

/// Locked frames stay on the ordinary lists.
struct NoMlock: MlockPolicy {
    let batches: LRUBatches

    func mlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {}

    @inline(__always)
    func mlockNewTakingReference(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {
        batches.addTakingReference(pfn, on: cpu)
    }

    func munlock(_ pfn: PFN, _ frame: FrameRef, on cpu: CPU) {}

    func settle(with map: ReverseMap?, on cpu: CPU) {}

    func lockLazily(_ frame: FrameRef, on cpu: CPU) {}
}
