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
    ///   - largeFolios: The pages that the cache keeps in folios of more than one page, ascending:
    ///     a read fault maps such a folio whole.
    /// - Returns: The file, open until ``File/close()``.
    package func makeFile(
        named name: String, kind: FileKind, length: ByteCount,
        access: Protection = [.read, .write], isCached: Bool = false,
        largeFolios: [Range<UInt64>] = []
    ) -> File {
        let cpu = cpus[0]
        cpu.enter()
        defer { cpu.leave() }
        let file = cache.makeFile(
            named: name, kind: kind, length: length.bytes, isCached: isCached, on: cpu)
        if !largeFolios.isEmpty {
            let folios = UnsafeMutableBufferPointer<Range<UInt64>>.allocate(
                capacity: largeFolios.count)
            _ = folios.initialize(from: largeFolios)
            file.pointer.pointee.largeFolios = folios
        }
        return File(machine: self, file: file, access: access)
    }
}

extension Machine.File {
    /// ftruncate(2).
    public func truncate(to length: ByteCount) {
        run { machine.truncation.setLength(of: file, to: length.bytes, on: $0) }
    }

    /// fallocate(2) with FALLOC_FL_PUNCH_HOLE.
    public func punchHole(at offset: ByteCount, length: ByteCount) {
        run {
            machine.truncation.punchHole(
                in: file, offset: offset.bytes, length: length.bytes, on: $0)
        }
    }

    /// Lets the descriptor go; mappings keep the file.
    public func close() { run { machine.cache.release(file, on: $0) } }

    private func run(_ body: (CPU) -> Void) {
        let cpu = machine.cpus[0]
        cpu.enter()
        body(cpu)
        cpu.leave()
    }
}
