// SPDX-License-Identifier: Apache-2.0
//
// What the page cache must have looked like, for a recording's faults to map what they mapped.
//
// A read fault in a mapped file maps not one page but those of a window of 16 around it that are
// in the page cache, and a page that belongs to a large folio brings the whole folio along. A
// recording shows the fault and by how many pages the process grew; which folios there were is
// not in it. This file replays the file mappings of every process, page by page, and explains a
// growth that exceeds the window by the smallest folios that account for it.
//
// SEE   `FileDescription.largeFolios`, which the explanation ends in.

import Mooring

/// The pages of mapped files in one address space.
struct FileAreas {
    /// A mapping of a file, and which of its pages are in the page table.
    struct Area {
        var start: UInt64
        var file: Int
        /// Page offset of `start` in the file.
        var pageOffset: UInt64
        var isShared: Bool
        /// A page of it was written privately: fork copies its page table.
        var hasPrivatePages = false
        var isPresent: [Bool]

        var end: UInt64 { start + UInt64(isPresent.count) * pageSize }
    }

    /// In ascending order, not overlapping.
    private(set) var areas: [Area] = []

    static let largestArea: UInt64 = 16 << 30

    /// Whether a call with these arguments can have succeeded.
    private static func isSensible(_ start: UInt64, _ length: UInt64) -> Bool {
        start & (pageSize - 1) == 0 && length > 0 && start < 1 << 47 && length <= 1 << 47
    }

    /// What fork(2) gives the child: the page tables of areas without private pages stay empty.
    func forked() -> FileAreas {
        var child = self
        for index in child.areas.indices where !child.areas[index].hasPrivatePages {
            child.areas[index].isPresent = Array(
                repeating: false, count: areas[index].isPresent.count)
        }
        return child
    }

    /// The index of the area that `address` lies in.
    func index(at address: UInt64) -> Int? {
        let index = firstIndex(endingAfter: address)
        guard index < areas.count, areas[index].start <= address else { return nil }
        return index
    }

    /// A file appears at an address, in the place of whatever was there.
    ///
    /// An area of more than ``largestArea`` is not followed: it is a file with holes.
    mutating func map(_ start: UInt64, length: UInt64, file: Int, offset: UInt64, isShared: Bool) {
        guard FileAreas.isSensible(start, length), length <= FileAreas.largestArea else {
            unmap(start, length: length)
            return
        }
        let pages = Int((length + pageSize - 1) / pageSize)
        insert(
            Area(
                start: start, file: file, pageOffset: offset / pageSize, isShared: isShared,
                isPresent: Array(repeating: false, count: pages)))
    }

    /// Nothing of a file is left in a range.
    mutating func unmap(_ start: UInt64, length: UInt64) {
        guard FileAreas.isSensible(start, length) else { return }
        let end = roundUp(start + length)
        var index = firstIndex(endingAfter: start)
        while index < areas.count, areas[index].start < end {
            let area = areas[index]
            var pieces: [Area] = []
            if area.start < start { pieces.append(area.part(area.start, start)) }
            if area.end > end { pieces.append(area.part(end, area.end)) }
            areas.replaceSubrange(index...index, with: pieces)
            index += pieces.count
        }
    }

    /// The page tables of a range are emptied: MADV_DONTNEED.
    mutating func drop(_ start: UInt64, length: UInt64) { mark(start, length: length, false) }

    /// The page tables of a range are filled: mlock(2), MAP_POPULATE.
    mutating func populate(_ start: UInt64, length: UInt64) { mark(start, length: length, true) }

    /// Everything is filled: mlockall(2).
    mutating func populateAll() {
        for index in areas.indices {
            areas[index].isPresent = Array(repeating: true, count: areas[index].isPresent.count)
        }
    }

    /// What mremap(2) does, where a file is involved.
    mutating func move(_ from: UInt64, length: UInt64, to: UInt64, newLength: UInt64) {
        guard let index = index(at: from), FileAreas.isSensible(from, length),
            FileAreas.isSensible(to, newLength), newLength <= FileAreas.largestArea
        else {
            unmap(from, length: length)
            unmap(to, length: newLength)
            return
        }
        var area = areas[index].part(from, min(roundUp(from + length), areas[index].end))
        let pages = Int((newLength + pageSize - 1) / pageSize)
        if area.isPresent.count > pages {
            area.isPresent.removeLast(area.isPresent.count - pages)
        } else {
            let missing = pages - area.isPresent.count
            area.isPresent += Array(repeating: false, count: missing)
        }
        unmap(from, length: length)
        area.start = to
        insert(area)
    }

    /// A private write fault gave the page at `address` a copy of its own.
    mutating func write(at address: UInt64) {
        guard let index = index(at: address) else { return }
        areas[index].hasPrivatePages = !areas[index].isShared
        areas[index].isPresent[areas[index].page(address)] = true
    }

    /// The pages, as indices in area `index`, that a read fault at `address` maps.
    func mapped(
        byFaultAt address: UInt64, in index: Int, window: Range<Int>, folios: [Range<UInt64>]
    ) -> [Range<Int>] {
        let area = areas[index]
        let table = area.table(of: address)
        var ranges = [window]
        for folio in folios {
            let range = area.indices(of: folio)
            guard range.overlaps(window), table.contains(range) else { continue }
            ranges.append(range)
        }
        return ranges
    }

    /// The fault-around window of `address`, in area `index`, in a file of `pageCount` pages.
    func window(of address: UInt64, in index: Int, filePages: UInt64?) -> Range<Int> {
        let area = areas[index]
        let from = max(address & ~(windowPages * pageSize - 1), area.start)
        let table = area.table(of: address)
        let first = area.page(from)
        var last = min(first + Int(windowPages), table.upperBound)
        if let filePages {
            let inFile = filePages > area.pageOffset ? Int(filePages - area.pageOffset) : 0
            last = min(last, max(inFile, area.page(address) + 1))
        }
        return first..<last
    }

    /// The page that `address` lies in alone, as a range of area `index`.
    func page(of address: UInt64, in index: Int) -> Range<Int> {
        let page = areas[index].page(address)
        return page..<(page + 1)
    }

    /// How many pages of the ranges are not in the page table yet.
    func missing(_ ranges: [Range<Int>], in index: Int) -> Int {
        guard ranges.count > 1 else {
            return ranges.first.map { areas[index].isPresent[$0].count { !$0 } } ?? 0
        }
        var seen = Set<Int>()
        for range in ranges {
            for page in range where !areas[index].isPresent[page] { seen.insert(page) }
        }
        return seen.count
    }

    /// The ranges are in the page table from now on.
    mutating func fill(_ ranges: [Range<Int>], in index: Int) {
        for range in ranges {
            for page in range { areas[index].isPresent[page] = true }
        }
    }

    /// The folios, as page offsets in the file, that make a fault with this window grow the process
    /// by exactly `growth` pages.
    ///
    /// First the smallest two that the window's first and last page may belong to, which may be one
    /// and the same; then one size for all that the window touches.
    func explain(growth: Int, faultAt address: UInt64, in index: Int, window: Range<Int>)
        -> [Range<UInt64>]?
    {
        let area = areas[index]
        let first = area.pageOffset + UInt64(window.lowerBound)
        let last = area.pageOffset + UInt64(window.upperBound) - 1
        func folio(_ page: UInt64, _ order: UInt64) -> Range<UInt64> {
            let start = page & ~((1 << order) - 1)
            return start..<(start + (1 << order))
        }
        func matches(_ folios: [Range<UInt64>]) -> Bool {
            let ranges = mapped(byFaultAt: address, in: index, window: window, folios: folios)
            return missing(ranges, in: index) == growth
        }
        let largest: UInt64 = 9
        for sum in 1...(2 * largest) {
            for low in (max(sum, largest) - largest)...min(sum, largest) {
                let ends = [folio(first, low), folio(last, sum - low)]
                let folios =
                    ends[0].overlaps(ends[1])
                    ? [ends[0].count > ends[1].count ? ends[0] : ends[1]]
                    : ends.filter { $0.count > 1 }
                if matches(folios) { return folios }
            }
        }
        for order in 1...largest {
            let folios = stride(from: folio(first, order).lowerBound, through: last, by: 1 << order)
                .map { folio($0, order) }
            if matches(folios) { return folios }
        }
        return nil
    }

    // MARK: Ranges

    private func firstIndex(endingAfter address: UInt64) -> Int {
        var low = 0
        var high = areas.count
        while low < high {
            let middle = (low + high) / 2
            if areas[middle].end <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func insert(_ area: Area) {
        unmap(area.start, length: area.end - area.start)
        areas.insert(area, at: firstIndex(endingAfter: area.start))
    }

    private mutating func mark(_ start: UInt64, length: UInt64, _ present: Bool) {
        let start = start & ~(pageSize - 1)
        guard FileAreas.isSensible(start, length) else { return }
        let end = roundUp(start + length)
        var index = firstIndex(endingAfter: start)
        while index < areas.count, areas[index].start < end {
            let first = areas[index].page(max(start, areas[index].start))
            let last = areas[index].page(min(end, areas[index].end))
            for page in first..<last { areas[index].isPresent[page] = present }
            index += 1
        }
    }
}

extension FileAreas.Area {
    /// The index of the page that `address` lies in.
    fileprivate func page(_ address: UInt64) -> Int { Int((address - start) / pageSize) }

    /// The piece of the area between two addresses.
    fileprivate func part(_ from: UInt64, _ to: UInt64) -> Self {
        var piece = self
        piece.start = from
        piece.pageOffset += (from - start) / pageSize
        piece.isPresent = Array(isPresent[page(from)..<page(to)])
        return piece
    }

    /// The indices of a file's pages in this area; they may lie outside of it.
    fileprivate func indices(of pages: Range<UInt64>) -> Range<Int> {
        Int(pages.lowerBound) - Int(pageOffset)..<Int(pages.upperBound) - Int(pageOffset)
    }

    /// The indices of the pages that share a page table with `address`.
    fileprivate func table(of address: UInt64) -> Range<Int> {
        let first = address & ~(tableBytes - 1)
        return page(max(first, start))..<page(min(first + tableBytes, end))
    }
}

extension Range where Bound == Int {
    fileprivate func contains(_ other: Range<Int>) -> Bool {
        other.lowerBound >= lowerBound && other.upperBound <= upperBound
    }
}

private let windowPages: UInt64 = 16
private let tableBytes: UInt64 = 2 << 20

private func roundUp(_ address: UInt64) -> UInt64 { (address &+ (pageSize - 1)) & ~(pageSize - 1) }
