// SPDX-License-Identifier: Apache-2.0
//
// pread(2) and pwrite(2), as far as memory sees them: they fill the page cache without a mapping.

extension PageCache {
    /// Reads bytes through the cache.
    ///
    /// - Returns: How many there are: fewer than asked at the end of the file.
    /// - Throws: `ENOMEM` when no frame is left before the first byte was read.
    func read(
        _ file: FileRef, offset: UInt64, length: UInt64, deviceRead: UInt64, on cpu: CPU
    ) throws(Errno) -> UInt64 {
        let size = file.length.load()
        guard offset < size, length > 0 else { return 0 }
        let end = offset + min(length, size - offset)
        // LINUX: a page of a file in memory that was never written is zeroes, and stays absent.
        let skipsAbsent = file.kind == .memory
        return try forEachPage(file, offset, end, skipsAbsent: skipsAbsent, on: cpu) {
            page, broughtIn in
            file.cacheLock.lock(.pageCache, on: cpu)
            let pfn = file.index.lookup(page)
            if pfn != .none { batches.markAccessed(pfn, on: cpu) }
            file.cacheLock.unlock(.pageCache, on: cpu)
            guard broughtIn else { return }
            cpu.count(.pgpgin, Int(pageSize >> 10))
            cpu.state.pointee.clock += deviceRead
        }
    }

    /// Writes zeroes through the cache, growing the file as needed.
    ///
    /// - Returns: How many bytes were written.
    /// - Throws: `ENOMEM` when no frame is left before the first byte was written, `EFBIG` beyond
    ///   the longest file.
    func write(
        _ file: FileRef, offset: UInt64, length: UInt64, on cpu: CPU
    ) throws(Errno) -> UInt64 {
        guard length > 0 else { return 0 }
        let (end, overflows) = offset.addingReportingOverflow(length)
        guard !overflows, end <= PageIndex.offsetLimit << pageShift else { throw .EFBIG }
        file.cacheLock.lock(.pageCache, on: cpu)
        if end > file.length.load() { file.length.store(end) }
        file.cacheLock.unlock(.pageCache, on: cpu)
        return try forEachPage(file, offset, end, on: cpu) { page, _ in
            // RACE: truncated meanwhile: then there is nothing left to mark or to clear.
            file.cacheLock.lock(.pageCache, on: cpu)
            defer { file.cacheLock.unlock(.pageCache, on: cpu) }
            let pfn = file.index.lookup(page)
            guard pfn != .none else { return }
            frames[pfn].markDirty(on: cpu)
            batches.markAccessed(pfn, on: cpu)
            guard keepsBytes else { return }
            let from = max(offset, page << pageShift)
            let to = min(end, (page + 1) << pageShift)
            (memory.bytes(of: pfn) + Int(from & (pageSize - 1))).initializeMemory(
                as: UInt8.self, repeating: 0, count: Int(to - from))
        }
    }

    /// Brings in the pages of a byte range and visits them; returns how many bytes it came to.
    private func forEachPage(
        _ file: FileRef, _ offset: UInt64, _ end: UInt64, skipsAbsent: Bool = false, on cpu: CPU,
        _ body: (_ page: UInt64, _ broughtIn: Bool) -> Void
    ) throws(Errno) -> UInt64 {
        for page in offset >> pageShift...(end - 1) >> pageShift {
            if skipsAbsent, isAbsent(page, of: file, on: cpu) { continue }
            switch ensure(file, page, on: cpu) {
            case .found(_, let broughtIn): body(page, broughtIn)
            case .pastEnd: return max(offset, page << pageShift) - offset
            case .noMemory, .refused:
                let done = max(offset, page << pageShift) - offset
                guard done > 0 else { throw .ENOMEM }
                return done
            case .failed:
                let done = max(offset, page << pageShift) - offset
                guard done > 0 else { throw .EIO }
                return done
            }
        }
        return end - offset
    }

    /// Whether a page is neither in memory nor in a swap slot.
    private func isAbsent(_ page: UInt64, of file: FileRef, on cpu: CPU) -> Bool {
        file.cacheLock.lock(.pageCache, on: cpu)
        defer { file.cacheLock.unlock(.pageCache, on: cpu) }
        return file.index.lookup(page) == .none && file.index.trace(of: page) == nil
    }
}
