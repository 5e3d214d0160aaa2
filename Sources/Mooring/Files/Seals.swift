// SPDX-License-Identifier: Apache-2.0
//
// Seals of a file in memory: what may not be done to it any more, whoever asks. fcntl(2),
// F_ADD_SEALS.
//
// INVARIANT  A seal is never taken off again.
// LOCKS      fileMappings: seals change under it, and may be read without.

extension FileRef {
    /// What may not be done to it any more.
    var seals: FileSeals { FileSeals(rawValue: UInt32(sealsWord.load())) }

    private var sealsWord: AtomicField32 {
        AtomicField32(
            at: UnsafeMutableRawPointer(pointer)
                + MemoryLayout<FileState>.offset(of: \.seals).unsafelyUnwrapped)
    }

    /// Adds seals.
    ///
    /// - Throws: `EINVAL` for a file that has none or for unknown ones, `EPERM` where no more may
    ///   be added, `EBUSY` for a seal against writing while a shared mapping may write.
    func add(_ seals: FileSeals, on cpu: CPU) throws(Errno) {
        guard kind == .memory, !isSegment, seals.isSubset(of: .all) else { throw .EINVAL }
        var seals = seals
        // LINUX: a file that may be executed, as every memfd here, shall then stay as it is.
        if seals.contains(.execute) { seals.formUnion([.shrink, .grow, .againstWriting]) }
        lockMappings(on: cpu)
        defer { unlockMappings(on: cpu) }
        guard !self.seals.contains(.seal) else { throw .EPERM }
        // RACE: a mapping that looked at the seals before, and has not joined the file's yet, is
        // not seen here. It may then write, as one that was made just before the seal.
        if seals.contains(.write), hasWritableMapping { throw .EBUSY }
        sealsWord.testAndSet(seals.rawValue)
    }

    /// Whether a shared mapping writes to the file, or may be given the right to.
    private var hasWritableMapping: Bool {
        var node = mappings.first(overlapping: 0, .max)
        while let current = node {
            node = mappings.next(after: current, overlapping: 0, .max)
            // SAFETY: a file's tree holds the nodes of VMAs, which name their VMA as owner.
            let vma = VMARef(
                pointer: current.pointee.owner.unsafelyUnwrapped
                    .assumingMemoryBound(to: VMAState.self))
            if vma.flags.contains([.shared, .mayWrite]) { return true }
        }
        return false
    }

    /// How much of a write of `length` bytes the seals let through.
    ///
    /// LINUX: a write is done page by page, and the page in which it would pass the end of a file
    /// sealed against growing is not written at all.
    ///
    /// - Throws: `EPERM` where that is nothing.
    func admitted(_ length: UInt64, at offset: UInt64) throws(Errno) -> UInt64 {
        let seals = seals
        if !seals.isDisjoint(with: .againstWriting) { throw .EPERM }
        let end = self.length.load()
        guard seals.contains(.grow), length > 0, offset &+ length > end else { return length }
        if offset >= end.pageAligned { throw .EPERM }
        return end.pageAligned - offset
    }
}
