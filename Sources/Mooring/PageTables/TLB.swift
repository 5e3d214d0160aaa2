// SPDX-License-Identifier: Apache-2.0
//
// Withdrawing translations: what it costs, and what it promises.
//
// STATE   A CPU that ever ran in an address space may hold translations of it and has to be
//         interrupted. What each CPU holds is kept account of only where the machine is asked to:
//         TranslationCaches.swift.
// ORDER   An entry is changed, then translations are flushed, then frames that the entry led to,
//         and page tables that the walk went through, are freed: until the flush another CPU may
//         still reach them. Whoever changes entries while accesses may run (all but holders of the
//         address space's lock, exclusively) says so first: `beginWithdrawal`.

/// Flushes of translation look-aside buffers.
struct TLB {
    /// Above this many pages a flush drops everything rather than page by page, as Linux does by
    /// default on x86 (`tlb_single_page_flush_ceiling`).
    static let singlePageCeiling = 33

    let cpuCount: Int
    /// What each CPU holds, on machines that keep account of it.
    let caches: TranslationCaches?

    /// Withdraws the translations of a range of an address space from every CPU; none if it is empty.
    @inline(__always)
    func flush(_ space: AddressSpace, _ range: FlushRange, on cpu: CPU) {
        if range.isEmpty { return }
        SchedulingPoint.reach(.flush, space.pointer)
        if range.pageCount > TLB.singlePageCeiling {
            cpu.count(.tlbLocalFlushAll)
        } else {
            cpu.count(.tlbLocalFlushOne, range.pageCount)
        }
        caches?.drop(space, range, ofCPU: cpu.index, on: cpu)
        if cpuCount > 1 { shootDown(space, range, on: cpu) }
    }

    @inline(never)
    private func shootDown(_ space: AddressSpace, _ range: FlushRange, on cpu: CPU) {
        // ORDER: entries first, then the look at who runs here. A CPU says that it runs here before
        // it looks at an entry, so that it either sees the new one or is interrupted.
        MemoryFence.full()
        var others = 0
        for index in 0..<cpuCount where index != cpu.index {
            let slot = AddressSpaceSlot(
                raw: space.pointer.pointee.slots + index * AddressSpace.slotStride)
            guard slot.hasRun else { continue }
            others += 1
            caches?.drop(space, range, ofCPU: index, on: cpu)
        }
        if others > 0 {
            cpu.count(.tlbRemoteFlush)
            cpu.count(.tlbRemoteFlushReceived, others)
        }
    }

    /// Forgets the translations of an address space that nobody runs in any more.
    ///
    /// LINUX: that is no flush: a CPU that left an address space uses none of them.
    @inline(__always)
    func forget(_ space: AddressSpace, on cpu: CPU) {
        guard let caches else { return }
        for index in 0..<cpuCount { caches.drop(space, .all, ofCPU: index, on: cpu) }
    }

    /// Remembers the table of an address for the CPU's next access, unless each access has to walk
    /// so that its translation can be looked at.
    @inline(__always)
    func remember(_ table: TableRef, of address: UInt64, in slot: AddressSpaceSlot) {
        guard caches == nil else { return }
        slot.region = address >> TableLevel.pmd.rawValue
        slot.table = table
    }

    /// Says that entries of an address space are about to change under the eyes of its CPUs, which
    /// may use what they hold until the flush.
    @inline(__always)
    func beginWithdrawal(in space: AddressSpace) {
        if caches != nil { space.withdrawals.add(1) }
    }

    /// Says that all that was withdrawn is flushed.
    @inline(__always)
    func endWithdrawal(in space: AddressSpace) {
        if caches != nil { space.withdrawals.subtract(1) }
    }
}

/// The addresses whose translations a flush withdraws: from the first that changed to the last, as
/// the kernel has it.
struct FlushRange {
    private(set) var start = UInt64.max
    private(set) var end: UInt64 = 0

    /// Nothing yet.
    init() {}

    /// These addresses.
    @inline(__always)
    init(_ range: Range<UInt64>) {
        start = range.lowerBound
        end = range.upperBound
    }

    /// Everything that a user can map.
    static let all = FlushRange(0..<PageTables.userTop)

    @inline(__always)
    var isEmpty: Bool { start > end }

    /// How many pages it covers; 0 too for tables that held nothing.
    @inline(__always)
    var pageCount: Int { Int((end - start) >> pageShift) }

    /// Takes in more addresses, and what lies between.
    @inline(__always)
    mutating func include(_ other: FlushRange) {
        start = min(start, other.start)
        end = max(end, other.end)
    }
}
