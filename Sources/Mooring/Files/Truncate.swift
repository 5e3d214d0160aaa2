// SPDX-License-Identifier: Apache-2.0
//
// ftruncate(2) and punching holes: pages of a file go, wherever they are mapped.
//
// ORDER   Length first, then the index, then the mappings. A fault looks a page up and maps it
//         under one hold of its table's lock; so it either finds the page gone from the index, or
//         has mapped it before the walk below comes to its table.
// LOCKS   fileMappings is held over the walk, so that no VMA of the file goes away under it.

/// Takes pages away from files.
struct Truncation {
    let cache: PageCache
    let unmapper: Unmapper

    /// Changes a file's length; what lies beyond a shorter one is unmapped everywhere, private
    /// copies included.
    func setLength(of file: FileRef, to length: UInt64, on cpu: CPU) {
        if Mutation.shrinksLast.isActive {
            take(file, from: ByteCount(length).pagesRoundedUp, through: .max, .pages, on: cpu)
        }
        file.cacheLock.lock(.pageCache, on: cpu)
        let old = file.length.load()
        file.length.store(length)
        file.cacheLock.unlock(.pageCache, on: cpu)
        guard length < old, !Mutation.shrinksLast.isActive else { return }
        let first = ByteCount(length).pagesRoundedUp
        let scope: UnmapScope =
            Mutation.truncationSparesCopies.isActive ? .filePages : .truncatedPages
        take(file, from: first, through: .max, scope, on: cpu)
        clearTail(of: file, from: length, on: cpu)
    }

    /// Takes the whole pages of a byte range out of a file; private copies stay.
    ///
    /// Partial pages at the ends are cleared.
    func punchHole(in file: FileRef, offset: UInt64, length: UInt64, on cpu: CPU) {
        let end = offset &+ length < offset ? UInt64.max : offset + length
        let first = ByteCount(offset).pagesRoundedUp
        let pastLast = end >> pageShift
        if first < pastLast {
            take(file, from: first, through: pastLast - 1, .filePages, on: cpu)
        } else if pastLast == 0 {
            // LINUX: the end of whole pages that a hole inside the first page has is one before the
            // file's start, which is taken for no end: all pages are unmapped, though kept.
            unmap(file, from: first, through: .max, scope: .filePages, on: cpu)
        }
        if first > pastLast {
            clear(file, from: offset, to: end, on: cpu)
        } else {
            clear(file, from: offset, to: min(end, first << pageShift), on: cpu)
            clear(file, from: max(offset, pastLast << pageShift), to: end, on: cpu)
        }
    }

    /// Takes pages `first...last` out of the index, then out of every mapping.
    private func take(
        _ file: FileRef, from first: UInt64, through last: UInt64, _ scope: UnmapScope,
        on cpu: CPU
    ) {
        if Mutation.unmapsFirst.isActive {
            unmap(file, from: first, through: last, scope: scope, on: cpu)
        }
        cache.remove(file, from: first, through: last, on: cpu)
        if !Mutation.unmapsFirst.isActive {
            unmap(file, from: first, through: last, scope: scope, on: cpu)
        }
    }

    private func unmap(
        _ file: FileRef, from first: UInt64, through last: UInt64, scope: UnmapScope, on cpu: CPU
    ) {
        file.lockMappings(on: cpu)
        defer { file.unlockMappings(on: cpu) }
        var node = file.mappings.first(overlapping: first, last)
        while let current = node {
            node = file.mappings.next(after: current, overlapping: first, last)
            // SAFETY: a file's tree holds the nodes of VMAs, which name their VMA as owner.
            let vma = VMARef(
                pointer: current.pointee.owner.unsafelyUnwrapped
                    .assumingMemoryBound(to: VMAState.self))
            let space = vma.addressSpace
            let from = max(first, current.pointee.first) - current.pointee.first
            let to = min(last, current.pointee.last) - current.pointee.first + 1
            unmapper.unmap(
                vma, in: space, from: vma.start + from << pageShift,
                to: vma.start + to << pageShift, scope: scope, on: cpu)
        }
    }

    /// Clears the bytes of the last page beyond the end, so that a file that grows again reads
    /// zeroes there.
    private func clearTail(of file: FileRef, from length: UInt64, on cpu: CPU) {
        guard !length.isPageAligned else { return }
        clear(file, from: length, to: length.roundedUpToPages, on: cpu)
    }

    /// Clears bytes within one page, in the cache or else on the device.
    ///
    /// LINUX: that dirties a page of a file in memory, though it is nothing to write back.
    private func clear(_ file: FileRef, from start: UInt64, to end: UInt64, on cpu: CPU) {
        guard start < end else { return }
        file.cacheLock.lock(.pageCache, on: cpu)
        defer { file.cacheLock.unlock(.pageCache, on: cpu) }
        let page = start >> pageShift
        let pfn = file.index.lookup(page)
        guard pfn != .none else {
            let first = Int(start & (pageSize - 1))
            return file.pointer.pointee.stored.clear(first..<first + Int(end - start), ofPage: page)
        }
        if file.kind == .memory { cache.frames[pfn].markDirty(on: cpu) }
        guard cache.keepsBytes else { return }
        (cache.memory.bytes(of: pfn) + Int(start & (pageSize - 1))).initializeMemory(
            as: UInt8.self, repeating: 0, count: Int(end - start))
    }
}
