// SPDX-License-Identifier: Apache-2.0
//
// The public face of a process: system calls and memory accesses on a virtual CPU.

/// A piece of a task's address space, in bytes.
public struct Region: Hashable, Sendable {
    /// Where it starts.
    public var address: UInt64
    /// How long it is in bytes.
    public var length: UInt64

    /// The `length` bytes from `address` on.
    public init(address: UInt64, length: UInt64) {
        self.address = address
        self.length = length
    }

    /// Pages `pages` of it, counted from its start.
    public subscript(pages: Range<Int>) -> Region {
        Region(
            address: address + UInt64(pages.lowerBound) * pageSize,
            length: UInt64(pages.count) * pageSize)
    }
}

/// An access ended in a signal.
public struct AccessFailure: Error, Hashable, Sendable {
    /// Which signal the program gets.
    public let signal: Signal
    /// The address that it names.
    public let address: UInt64
}

extension Machine {
    /// A process that runs on this machine.
    ///
    /// Several tasks may be driven by several host threads at once, each on a virtual CPU of its
    /// own: see ``on(cpu:)``.
    public struct Task: Sendable {
        /// The machine that it runs on.
        public let machine: Machine
        // The process's memory lives until `exit`, and nobody may use the task afterwards.
        nonisolated(unsafe) let process: ProcessRef
        /// The virtual CPU that it runs on.
        public let cpuIndex: Int

        var cpu: CPU { machine.cpus[cpuIndex] }

        /// Its number on the machine.
        public var number: Int32 { process.pointer.pointee.number }

        /// The same task, running on another virtual CPU.
        public func on(cpu index: Int) -> Task {
            precondition(machine.cpus.indices.contains(index), "the machine has no such CPU")
            return Task(machine: machine, process: process, cpuIndex: index)
        }

        /// Runs a call on the task's CPU.
        @inline(__always)
        func enter<Result, Failure: Error>(
            _ body: (Caller) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            let cpu = self.cpu
            cpu.enter()
            defer { cpu.leave() }
            return try body(Caller(process: process, cpu: cpu))
        }
    }

    /// Starts a process with an empty address space.
    ///
    /// It takes no memory yet: page tables come with its first page, and so does the lack of them.
    public func spawn(on cpuIndex: Int = 0) -> Task {
        let cpu = cpus[cpuIndex]
        cpu.enter()
        defer { cpu.leave() }
        let process = processes.add(spaces.makeSpace(on: cpu), parent: nil, on: cpu)
        return Task(machine: self, process: process, cpuIndex: cpuIndex)
    }
}

extension Machine.Task {
    // MARK: Memory

    /// mmap(2).
    ///
    /// - Returns: The mapped region, its length in whole pages.
    public func mmap(
        address: UInt64 = 0, length: ByteCount, protection: Protection, flags: MapFlags,
        file: Machine.File? = nil, offset: ByteCount = .bytes(0)
    ) throws(Errno) -> Region {
        let start = try mmap(
            address: address, length: length.bytes, protection: protection, flags: flags,
            file: file, offset: offset.bytes)
        return Region(address: start, length: length.bytes.roundedUpToPages)
    }

    package func mmap(
        address: UInt64, length: UInt64, protection: Protection, flags: MapFlags,
        file: Machine.File?, offset: UInt64
    ) throws(Errno) -> UInt64 {
        try enter { caller throws(Errno) in
            try machine.spaces.mmap(
                caller, address: address, length: length, protection: protection, flags: flags,
                file: file.map { OpenFile(file: $0.file, access: $0.access) }, offset: offset)
        }
    }

    /// munmap(2).
    public func munmap(_ region: Region) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.munmap(caller, address: region.address, length: region.length)
        }
    }

    /// brk(2): the end of the heap, moved if possible.
    public func brk(_ address: UInt64) -> UInt64 {
        enter { machine.spaces.brk($0, address) }
    }

    /// mlock(2), or mlock2(2) with MLOCK_ONFAULT.
    public func mlock(_ region: Region, onFault: Bool = false) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.mlock(
                caller, address: region.address, length: region.length, onFault: onFault)
        }
    }

    /// munlock(2).
    public func munlock(_ region: Region) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.munlock(caller, address: region.address, length: region.length)
        }
    }

    /// mlockall(2).
    public func mlockall(_ flags: LockAllFlags) throws(Errno) {
        try enter { caller throws(Errno) in try machine.spaces.mlockall(caller, flags: flags) }
    }

    /// munlockall(2).
    public func munlockall() { enter { machine.spaces.munlockall($0) } }

    // MARK: Accesses

    /// Touches every page of a region in ascending order.
    ///
    /// - Throws: The signal that the first forbidden or impossible access ends in.
    public func access(_ region: Region, _ kind: AccessKind) throws(AccessFailure) {
        let (end, overflows) = region.address.addingReportingOverflow(region.length)
        let stopped = enter {
            machine.access.touch(
                $0, from: region.address, to: overflows ? .max : end, kind)
        }
        if let stopped { throw AccessFailure(signal: stopped.signal, address: stopped.address) }
    }

    /// Touches pages of a region, counted from its first, in the order given.
    ///
    /// - Throws: The signal that the first forbidden or impossible access ends in.
    package func access(
        _ pages: UnsafeBufferPointer<UInt32>, of region: Region, _ kind: AccessKind
    ) throws(AccessFailure) {
        let stopped = enter { machine.access.touch($0, pages, from: region.address, kind) }
        if let stopped { throw AccessFailure(signal: stopped.signal, address: stopped.address) }
    }

    /// A way to read a region of a file of which so many pages stay in memory: those that were read
    /// last.
    package func leastRecentlyUsed(of region: Region, keeping limit: Int) -> ExactLRU {
        ExactLRU(self, region, limit: limit)
    }

    /// Writes bytes; on a machine without contents only the faults happen.
    public func write(_ bytes: [UInt8], at address: UInt64) throws(AccessFailure) {
        guard machine.configuration.contents == .bytes else {
            return try access(Region(address: address, length: UInt64(bytes.count)), .write)
        }
        var buffer = bytes
        try copy(&buffer, at: address, .write)
    }

    /// Reads bytes; zeroes on a machine without contents.
    public func read(_ count: Int, at address: UInt64) throws(AccessFailure) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        guard machine.configuration.contents == .bytes else {
            try access(Region(address: address, length: UInt64(count)), .read)
            return buffer
        }
        try copy(&buffer, at: address, .read)
        return buffer
    }

    private func copy(
        _ buffer: inout [UInt8], at address: UInt64, _ kind: AccessKind
    ) throws(AccessFailure) {
        let stopped = buffer.withUnsafeMutableBytes { bytes in
            enter { machine.access.copy($0, at: address, kind, bytes) }
        }
        if let stopped { throw AccessFailure(signal: stopped.signal, address: stopped.address) }
    }

    // MARK: Processes

    /// fork(2): a child with a copy of this address space, sharing its pages until one writes.
    public func fork() throws(Errno) -> Machine.Task {
        try enter { caller throws(Errno) in
            let space = try machine.spaces.fork(caller)
            let child = machine.processes.add(space, parent: process, on: caller.cpu)
            return Machine.Task(machine: machine, process: child, cpuIndex: cpuIndex)
        }
    }

    /// clone(2) with CLONE_VM: a process that runs in the same address space.
    package func cloneSharingMemory() -> Machine.Task {
        enter { caller in
            caller.space.users.add(1)
            let child = machine.processes.add(caller.space, parent: process, on: caller.cpu)
            return Machine.Task(machine: machine, process: child, cpuIndex: cpuIndex)
        }
    }

    /// exit(2): the process and, if it was its last user, its address space go.
    ///
    /// The task must not be used any more.
    public func exit() {
        enter { caller in
            let space = caller.space
            // ORDER: out of the table before its memory goes, for who chooses a victim finds it there.
            machine.processes.remove(process, on: caller.cpu)
            machine.spaces.release(space, on: caller.cpu)
        }
    }

    /// setrlimit(2) for one limit; `nil` is no limit.
    ///
    /// - Throws: `EINVAL` for a soft limit above the hard one, `EPERM` for a hard limit raised
    ///   without privilege.
    public func setLimit(_ resource: Resource, soft: UInt64?, hard: UInt64?) throws(Errno) {
        try enter { caller throws(Errno) in
            let index = Int(resource.rawValue)
            let state = caller.process.pointer
            guard (soft ?? .max) <= (hard ?? .max) else { throw .EINVAL }
            if (hard ?? .max) > state.pointee.hard[index], !state.pointee.isAdmin { throw .EPERM }
            state.pointee.soft[index] = soft ?? .max
            state.pointee.hard[index] = hard ?? .max
        }
    }

    /// Writes `oom_score_adj`: thousandths of all memory to add to what the process counts when
    /// somebody has to be killed; -1000 is never.
    ///
    /// - Throws: `EINVAL` outside of -1000 to 1000, `EACCES` for less than before without privilege.
    public func setOOMScoreAdjustment(_ adjustment: Int) throws(Errno) {
        try enter { caller throws(Errno) in
            guard (-1000...1000).contains(adjustment) else { throw .EINVAL }
            let state = caller.process.pointer
            guard adjustment >= state.pointee.oomScoreAdjustment || state.pointee.isAdmin else {
                throw .EACCES
            }
            state.pointee.oomScoreAdjustment = adjustment
        }
    }

    /// Whether it was killed for want of memory: every access ends in ``Signal/outOfMemory``.
    ///
    /// True of some moment: another CPU may be killing it.
    public var isKilled: Bool { heldWhenKilled != nil }

    /// What it held when it was killed for want of memory; nil while it lives.
    package var heldWhenKilled: HeldMemory? { process.space.pointer.pointee.held }

    /// Gives or takes CAP_IPC_LOCK: whether RLIMIT_MEMLOCK binds.
    public func setLockPrivilege(_ isHeld: Bool) {
        enter { $0.process.pointer.pointee.mayLockAnything = isHeld }
    }
}
