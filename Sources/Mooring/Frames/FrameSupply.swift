// SPDX-License-Identifier: Apache-2.0
//
// Where mechanisms get single frames from.
//
// STATE   The allocator, and what to do when it has no frame above the low mark: a function that
//         the machine sets, because reclaim stands on a floor above those who need frames.
// LOCKS   The caller holds nothing but CPUs, processes and address spaces: the function may reclaim,
//         which takes every lock from `frame` on.

/// Frames for faults, page caches and page tables.
struct FrameSupply {
    let allocator: FrameAllocator
    private let underPressure: UnsafeMutablePointer<((MigrateType, CPU) -> PFN)?>

    init(allocator: FrameAllocator) {
        self.allocator = allocator
        underPressure = .allocate(capacity: 1)
        underPressure.initialize(to: nil)
    }

    /// Gives the memory back; the allocator is its owner's.
    func deallocate() {
        underPressure.deinitialize(count: 1)
        underPressure.deallocate()
    }

    /// Says what finds a frame when none is left above the low mark.
    func setUnderPressure(_ body: @escaping (MigrateType, CPU) -> PFN) {
        underPressure.pointee = body
    }

    /// A frame, or ``PFN/none`` when there is none above the low mark.
    @inline(__always)
    func takeFree(_ type: MigrateType, on cpu: CPU) -> PFN {
        allocator.allocate(order: 0, type: type, keeping: .low, on: cpu)
    }

    /// A frame, or ``PFN/none`` when neither the allocator nor reclaim has one.
    @inline(__always)
    func take(_ type: MigrateType, on cpu: CPU) -> PFN {
        let pfn = takeFree(type, on: cpu)
        return pfn == .none ? takeUnderPressure(type, on: cpu) : pfn
    }

    @inline(never)
    private func takeUnderPressure(_ type: MigrateType, on cpu: CPU) -> PFN {
        guard let body = underPressure.pointee else {
            return allocator.allocate(order: 0, type: type, on: cpu)
        }
        return body(type, cpu)
    }
}
