// SPDX-License-Identifier: Apache-2.0
//
// Who makes a call: its address space, its limits, and the virtual CPU that it runs on.

/// The flat state behind ``ProcessRef``.
struct ProcessState {
    var number: Int32
    var space: AddressSpace
    /// Soft and hard limits by ``Resource`` raw value; all ones is no limit.
    var soft: InlineArray<4, UInt64>
    var hard: InlineArray<4, UInt64>
    /// Whose process it is: what SHM_LOCK counts by.
    var user: UInt32 = 0
    /// CAP_IPC_LOCK.
    var mayLockAnything = true
    /// `oom_score_adj`: -1000 (never killed for want of memory) to 1000.
    var oomScoreAdjustment = 0
    /// CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RAWIO, CAP_SYS_RESOURCE, CAP_IPC_OWNER.
    var isAdmin = true

    init(number: Int32, space: AddressSpace) {
        self.number = number
        self.space = space
        soft = .init(repeating: .max)
        hard = .init(repeating: .max)
        soft[Int(Resource.memlock.rawValue)] = 8 << 20
        hard[Int(Resource.memlock.rawValue)] = 8 << 20
        soft[Int(Resource.stack.rawValue)] = 8 << 20
    }
}

/// A process, as calls see it.
struct ProcessRef: Equatable {
    let pointer: UnsafeMutablePointer<ProcessState>

    @inline(__always)
    var space: AddressSpace {
        get { pointer.pointee.space }
        nonmutating set { pointer.pointee.space = newValue }
    }

    /// A soft limit in bytes; all ones is no limit.
    func limit(_ resource: Resource) -> UInt64 { pointer.pointee.soft[Int(resource.rawValue)] }
}

/// A process that makes a call on a virtual CPU.
struct Caller {
    let process: ProcessRef
    let cpu: CPU

    @inline(__always)
    var space: AddressSpace { process.space }

    /// Whether `pages` more pages may be in its address space.
    func mayGrow(by pages: Int) -> Bool {
        let limit = process.limit(.addressSpace)
        return limit == .max
            || UInt64(max(0, space.pointer.pointee.totalPages + pages)) <= limit >> pageShift
    }

    /// Whether `pages` more private writable pages may be in its address space.
    func mayGrowData(by pages: Int) -> Bool {
        let limit = process.limit(.data)
        return limit == .max
            || UInt64(max(0, space.pointer.pointee.dataPages + pages)) <= limit >> pageShift
    }

    /// Whether it may lock memory at all.
    var mayLock: Bool {
        process.pointer.pointee.mayLockAnything || process.limit(.memlock) != 0
    }

    /// Whether `pages` pages may be locked in its address space altogether.
    func mayLock(total pages: Int) -> Bool {
        let limit = process.limit(.memlock)
        return process.pointer.pointee.mayLockAnything || limit == .max
            || UInt64(pages) <= limit >> pageShift
    }
}
