// SPDX-License-Identifier: Apache-2.0
//
// A task's calls on System V segments.

extension Machine.Task {
    /// shmat(2).
    ///
    /// - Parameters:
    ///   - segment: What ``Machine/makeSegment(length:key:owner:mode:)`` made.
    ///   - address: Where; 0 leaves the choice to the machine.
    ///   - flags: How.
    /// - Returns: Where it is.
    /// - Throws: The error that the kernel would report.
    public func shmat(
        _ segment: Machine.File, address: UInt64 = 0, flags: AttachFlags = []
    ) throws(Errno) -> UInt64 {
        try enter { caller throws(Errno) in
            try machine.spaces.shmat(
                caller, segment.file, mode: segment.access, address: address,
                flags: flags)
        }
    }

    /// shmdt(2).
    public func shmdt(_ address: UInt64) throws(Errno) {
        try enter { caller throws(Errno) in try machine.spaces.shmdt(caller, address: address) }
    }

    /// shmctl(2) with SHM_LOCK or SHM_UNLOCK.
    public func shmLock(_ segment: Machine.File, locked: Bool) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.lockSegment(caller, segment.file, locked)
        }
    }

    /// setuid(2) for what is counted by user.
    public func setUser(_ user: UInt32) { enter { $0.process.pointer.pointee.user = user } }

    /// Gives or takes CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RAWIO, CAP_SYS_RESOURCE and
    /// CAP_IPC_OWNER together.
    public func setAdministrator(_ isHeld: Bool) {
        enter { $0.process.pointer.pointee.isAdmin = isHeld }
    }
}
