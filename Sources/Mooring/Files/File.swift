// SPDX-License-Identifier: Apache-2.0
//
// A file as memory management sees it: a length, the frames that hold its pages, and the VMAs
// that map it.
//
// LOCKS   fileMappings: the tree of VMAs. pageCache: the index of frames and the length.
// SEE     PageCache.swift for finding and filling pages, Truncate.swift for taking them away.

/// How a file's pages are kept.
public enum FileKind: UInt8, Sendable {
    /// In memory only: tmpfs, memfd, shared anonymous memory, System V segments.
    case memory
    /// On a device; the page cache holds copies.
    case disk
}

/// The flat state behind ``FileRef``.
struct FileState {
    /// How many pages are in swap slots (of a file in memory); under the cache's lock.
    // First, since nobody touches it without that lock: the thread sanitizer logs a change of any
    // field at the record's address.
    var swappedPages = 0
    var mappingsLock: UInt32 = 0
    var cacheLock: UInt32 = 0
    /// Length in bytes.
    var length: UInt64
    /// Mappings and open descriptions.
    var references: UInt64 = 1
    var number: UInt32
    var kind: FileKind
    /// Whether its pages are in the host's page cache before the first use, so that a first
    /// touch costs no device time.
    var isCached: Bool
    /// SHM_LOCK: its pages belong on the unevictable list; changes under the locks of segments and
    /// of the cache.
    var isLocked: Bool = false
    /// Whether each page is charged against the machine's commitment when it comes, rather than
    /// all when the file is made.
    var chargesPages = false
    /// What may not be done to it any more; an atomic word.
    var seals: FileSeals = .seal
    /// Whether it is a System V segment; then who made it, whether it is to go with its last
    /// attachment, whether that has gone, and who has locked it.
    var isSegment = false
    var isRemoved = false
    var isDestroyed = false
    var owner: UInt32 = 0
    var lockedBy: UInt32 = 0
    /// Pages in the cache; under the cache's lock.
    var index: PageIndexState
    var mappings: IntervalTreeState
    /// What maps calls it.
    var name: String
    /// The pages that the cache keeps in folios of more than one page, ascending.
    var largeFolios = UnsafeMutableBufferPointer<Range<UInt64>>(start: nil, count: 0)
    /// What its device holds, and whether a write to it has failed since somebody asked; under the
    /// cache's lock.
    var stored = StoredPages()
    var hasWriteError = false
    /// Pages charged against the machine's commitment for as long as it lives.
    var chargedPages = 0
}

/// A file.
struct FileRef: Equatable {
    let pointer: UnsafeMutablePointer<FileState>

    @inline(__always)
    private var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }

    @inline(__always)
    var number: UInt32 { pointer.pointee.number }
    @inline(__always)
    var kind: FileKind { pointer.pointee.kind }

    @inline(__always)
    private var mappingsLock: SpinLock { SpinLock(at: raw + 8) }
    @inline(__always)
    var cacheLock: SpinLock { SpinLock(at: raw + 12) }

    /// Length in bytes; changes under the cache's lock, may be read without.
    @inline(__always)
    var length: AtomicField64 { AtomicField64(at: raw + 16) }

    @inline(__always)
    var references: AtomicField64 { AtomicField64(at: raw + 24) }

    /// The number of pages that the length covers.
    @inline(__always)
    var pageCount: UInt64 { ByteCount(length.load()).pagesRoundedUp }

    @inline(__always)
    var index: PageIndex {
        PageIndex(
            at: (raw + MemoryLayout<FileState>.offset(of: \.index).unsafelyUnwrapped)
                .assumingMemoryBound(to: PageIndexState.self))
    }

    @inline(__always)
    var mappings: IntervalTree {
        IntervalTree(
            at: (raw + MemoryLayout<FileState>.offset(of: \.mappings).unsafelyUnwrapped)
                .assumingMemoryBound(to: IntervalTreeState.self))
    }

    /// The smallest range of pages that holds `pages` and every large folio that touches it and
    /// lies in `bounds`.
    func foliosTouching(_ pages: Range<UInt64>, within bounds: Range<UInt64>) -> Range<UInt64> {
        let folios = pointer.pointee.largeFolios
        var low = 0
        var high = folios.count
        while low < high {
            let middle = (low + high) / 2
            if folios[middle].upperBound <= pages.lowerBound {
                low = middle + 1
            } else {
                high = middle
            }
        }
        var result = pages
        while low < folios.count, folios[low].lowerBound < pages.upperBound {
            let folio = folios[low]
            if bounds.lowerBound <= folio.lowerBound, folio.upperBound <= bounds.upperBound {
                result =
                    min(
                        result.lowerBound, folio.lowerBound)..<max(
                        result.upperBound, folio.upperBound)
            }
            low += 1
        }
        return result
    }

    /// Which resident size its mapped pages count in.
    @inline(__always)
    var residentKind: ResidentKind { kind == .memory ? .sharedMemory : .file }
}

extension FileRef {
    /// Takes the lock of its mappings: its part of the reverse map.
    @inline(__always)
    func lockMappings(on cpu: CPU) {
        cpu.count(.fileMappingsLock)
        mappingsLock.lock(.fileMappings, on: cpu)
    }

    /// Gives it back.
    @inline(__always)
    func unlockMappings(on cpu: CPU) { mappingsLock.unlock(.fileMappings, on: cpu) }

    /// Goes through pages `first...last` of the cache, 64 at most under one hold of its lock.
    ///
    /// - Parameters:
    ///   - first: The first page.
    ///   - last: The last page.
    ///   - cpu: The CPU that the caller has entered.
    ///   - pick: Whether a page is to be worked on; runs under the lock, and may take the page out.
    ///   - work: Is given those that were picked, without the lock.
    @inline(__always)
    func forEachBatch(
        from first: UInt64, through last: UInt64, on cpu: CPU, pick: (UInt64, PFN) -> Bool,
        work: (UnsafeMutableBufferPointer<PFN>) -> Void
    ) {
        let most = 64
        var position = first
        withUnsafeTemporaryAllocation(of: PFN.self, capacity: most) { picked in
            var count: Int
            repeat {
                count = 0
                cacheLock.lock(.pageCache, on: cpu)
                while count < most, let (offset, pfn) = index.firstPresent(from: position),
                    offset <= last
                {
                    position = offset &+ 1
                    if pick(offset, pfn) {
                        picked.initializeElement(at: count, to: pfn)
                        count += 1
                    }
                }
                cacheLock.unlock(.pageCache, on: cpu)
                work(UnsafeMutableBufferPointer(rebasing: picked[..<count]))
            } while count == most
        }
    }
}

extension VMARef {
    /// The file it maps; shared anonymous memory is a file without a name.
    @inline(__always)
    var file: FileRef? {
        get {
            pointer.pointee.file.map {
                FileRef(pointer: $0.assumingMemoryBound(to: FileState.self))
            }
        }
        nonmutating set {
            pointer.pointee.file = newValue.map { UnsafeMutableRawPointer($0.pointer) }
        }
    }

    /// Its node among the mappings of its file.
    @inline(__always)
    var fileNode: UnsafeMutablePointer<IntervalNode> {
        (UnsafeMutableRawPointer(rest)
            + MemoryLayout<VMARest>.offset(of: \.fileNode).unsafelyUnwrapped)
            .assumingMemoryBound(to: IntervalNode.self)
    }
}
