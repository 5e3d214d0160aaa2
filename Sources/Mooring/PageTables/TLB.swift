// SPDX-License-Identifier: Apache-2.0
//
// What withdrawing translations costs: flushes of this CPU, and interrupts to others.
//
// STATE   An address space counts how often translations were withdrawn; a CPU that ever ran in
//         it may hold some and has to be interrupted.
// ORDER   Frames whose entries were cleared are freed only after the flush: until then another
//         CPU may still reach them through a translation that it holds.

/// Flushes of translation look-aside buffers.
struct TLB {
    /// Above this many pages a flush drops everything rather than page by page, as Linux does by
    /// default on x86 (`tlb_single_page_flush_ceiling`).
    static let singlePageCeiling = 33

    let cpuCount: Int

    /// Withdraws the translations of `pages` pages of an address space from every CPU.
    @inline(__always)
    func flush(_ space: AddressSpace, pages: Int, on cpu: CPU) {
        SchedulingPoint.reach(.flush, space.pointer)
        if pages > TLB.singlePageCeiling {
            cpu.count(.tlbLocalFlushAll)
        } else {
            cpu.count(.tlbLocalFlushOne, pages)
        }
        if cpuCount > 1 { shootDown(space, on: cpu) }
    }

    @inline(never)
    private func shootDown(_ space: AddressSpace, on cpu: CPU) {
        space.translationGeneration.add(1)
        var others = 0
        for index in 0..<cpuCount where index != cpu.index {
            let slot = AddressSpaceSlot(
                raw: space.pointer.pointee.slots + index * AddressSpace.slotStride)
            if slot.everRan.load() != 0 { others += 1 }
        }
        if others > 0 {
            cpu.count(.tlbRemoteFlush)
            cpu.count(.tlbRemoteFlushReceived, others)
        }
    }
}
