// SPDX-License-Identifier: Apache-2.0

extension Machine {
    /// An open file of a machine.
    public struct File: Sendable {
        /// The machine that it is on.
        public let machine: Machine
        // The file's memory lives until the last mapping and `close`.
        nonisolated(unsafe) let file: FileRef
        /// What the descriptor may be used for.
        public let access: Protection

        /// Its length in bytes.
        public var length: ByteCount { ByteCount(file.length.load()) }
    }

    /// A new file.
    ///
    /// - Parameters:
    ///   - name: What maps calls it.
    ///   - kind: In memory (memfd, tmpfs), or on the simulated device.
    ///   - length: Its length; it holds zeroes.
    ///   - access: What the descriptor may be used for.
    ///   - isCached: Whether a device's pages are in the page cache already, so that no first
    ///     touch waits for the device.
    ///   - isSealable: Whether ``File/addSeals(_:)`` may take from it what can be done to it.
    ///   - largeFolios: The pages that the cache keeps in folios of more than one page, ascending:
    ///     a read fault maps such a folio whole.
    /// - Returns: The file, open until ``File/close()``.
    public func makeFile(
        named name: String, kind: FileKind, length: ByteCount,
        access: Protection = [.read, .write], isCached: Bool = false, isSealable: Bool = false,
        largeFolios: [Range<UInt64>] = []
    ) -> File {
        let cpu = cpus[0]
        cpu.enter()
        defer { cpu.leave() }
        let file = cache.makeFile(
            named: name, kind: kind, length: length.bytes, isCached: isCached, on: cpu)
        file.pointer.pointee.chargesPages = kind == .memory
        if isSealable { file.pointer.pointee.seals = [] }
        if !largeFolios.isEmpty {
            let folios = UnsafeMutableBufferPointer<Range<UInt64>>.allocate(
                capacity: largeFolios.count)
            _ = folios.initialize(from: largeFolios)
            file.pointer.pointee.largeFolios = folios
        }
        return File(machine: self, file: file, access: access)
    }
}

extension Machine {
    /// shmget(2): a new System V segment.
    ///
    /// - Parameters:
    ///   - length: Its length, rounded up to pages.
    ///   - key: What maps calls it by; 0 for a private one.
    ///   - owner: Whose it is: who may lock it without privilege.
    ///   - mode: What its mode lets everybody do with it.
    /// - Returns: The segment, attached by ``Task/shmat(_:address:flags:)``.
    /// - Throws: `EINVAL` for one without a byte and for absurd lengths, `ENOMEM` where it cannot be promised.
    public func makeSegment(
        length: ByteCount, key: UInt32 = 0, owner: UInt32 = 0,
        mode: Protection = [.read, .write]
    ) throws(Errno) -> File {
        // The largest size of a segment is a number that leaves room for calculating: SHMMAX.
        guard length.bytes != 0, length.bytes <= UInt64.max - 1 << 24 else { throw .EINVAL }
        guard length.bytes <= configuration.memory.bytes &* 1024 else { throw .ENOMEM }
        let cpu = cpus[0]
        cpu.enter()
        defer { cpu.leave() }
        let digits = String(key, radix: 16)
        let name = "/SYSV" + String(repeating: "0", count: 8 - digits.count) + digits + " (deleted)"
        guard
            let file = cache.makeSegment(
                key: key, length: length.bytes, owner: owner, name: name, on: cpu)
        else { throw .ENOMEM }
        return File(machine: self, file: file, access: mode)
    }
}

extension Machine.File {
    /// ftruncate(2).
    ///
    /// - Throws: `EPERM` where a seal forbids the length.
    public func truncate(to length: ByteCount) throws(Errno) {
        try run { cpu throws(Errno) in
            let old = file.length.load()
            if file.seals.contains(.shrink), length.bytes < old { throw .EPERM }
            if file.seals.contains(.grow), length.bytes > old { throw .EPERM }
            machine.truncation.setLength(of: file, to: length.bytes, on: cpu)
        }
    }

    /// fallocate(2) with FALLOC_FL_PUNCH_HOLE.
    ///
    /// - Throws: `EPERM` where a seal forbids writing.
    public func punchHole(at offset: ByteCount, length: ByteCount) throws(Errno) {
        try run { cpu throws(Errno) in
            guard file.seals.isDisjoint(with: .againstWriting) else { throw .EPERM }
            machine.truncation.punchHole(
                in: file, offset: offset.bytes, length: length.bytes, on: cpu)
        }
    }

    /// fcntl(2) with F_ADD_SEALS: takes from everybody what may be done to the file.
    ///
    /// - Throws: `EPERM` for a descriptor that may not write and for a file that takes no seals,
    ///   `EINVAL` for one that is not in memory and for unknown seals, `EBUSY` for a seal against
    ///   writing while a shared mapping may write.
    public func addSeals(_ seals: FileSeals) throws(Errno) {
        guard file.kind == .memory else { throw .EINVAL }
        guard access.contains(.write) else { throw .EPERM }
        try run { cpu throws(Errno) in try file.add(seals, on: cpu) }
    }

    /// pread(2), without the bytes: brings the pages into the page cache.
    ///
    /// - Returns: How many bytes there are.
    /// - Throws: `EINVAL`, `EBADF` for a descriptor that may not read, `ENOMEM`.
    public func read(at offset: ByteCount, length: ByteCount) throws(Errno) -> UInt64 {
        try check(offset, length, .read)
        return try run { cpu throws(Errno) in
            try machine.cache.read(
                file, offset: offset.bytes, length: length.bytes,
                deviceRead: machine.configuration.costs.deviceRead, on: cpu)
        }
    }

    /// pwrite(2) of zeroes: dirties pages of the page cache, and grows the file.
    ///
    /// - Returns: How many bytes were written.
    /// - Throws: `EINVAL`, `EBADF` for a descriptor that may not write, `EPERM` where a seal forbids
    ///   it, `EFBIG`, `ENOMEM`.
    public func write(at offset: ByteCount, length: ByteCount) throws(Errno) -> UInt64 {
        try check(offset, length, .write)
        return try run { cpu throws(Errno) in
            try machine.cache.write(
                file, offset: offset.bytes,
                length: try file.admitted(length.bytes, at: offset.bytes), on: cpu)
        }
    }

    /// Checks the range of pread(2) and pwrite(2): the kernel's offsets have a sign.
    private func check(
        _ offset: ByteCount, _ length: ByteCount, _ right: Protection
    ) throws(Errno) {
        let most = UInt64(Int64.max)
        guard offset.bytes <= most else { throw .EINVAL }
        guard access.contains(right) else { throw .EBADF }
        guard length.bytes <= most - offset.bytes else { throw .EINVAL }
    }

    /// Lets the descriptor go; mappings keep the file.
    ///
    /// A segment without this handle goes with its last attachment.
    public func close() {
        run {
            if file.isSegment { _ = machine.cache.segmentLocks.setRemoved(false, file, on: $0) }
            machine.cache.release(file, on: $0)
        }
    }

    /// shmctl(2) with IPC_RMID: the segment goes with its last attachment.
    ///
    /// The handle stays; attaching by it then fails as with an unknown identifier.
    public func removeSegment() { run { machine.cache.removeSegment(file, on: $0) } }

    private func run<Result, Failure: Error>(
        _ body: (CPU) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let cpu = machine.cpus[0]
        cpu.enter()
        defer { cpu.leave() }
        return try body(cpu)
    }
}
