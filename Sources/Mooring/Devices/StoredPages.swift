// SPDX-License-Identifier: Apache-2.0

/// What a device holds of one file, on machines whose frames have contents.
///
/// A page that was never written there is zeroes. Changes under the lock of the file's cache.
struct StoredPages {
    private var pages: [UInt64: UnsafeMutableRawPointer] = [:]

    /// Takes over the bytes of a page.
    mutating func store(_ bytes: UnsafeRawPointer, at offset: UInt64) {
        let page =
            pages[offset]
            ?? .allocate(byteCount: Int(pageSize), alignment: 16)
        page.copyMemory(from: bytes, byteCount: Int(pageSize))
        pages[offset] = page
    }

    /// Fills a page with what is stored of it.
    func load(_ offset: UInt64, into bytes: UnsafeMutableRawPointer) {
        guard let page = pages[offset] else {
            bytes.initializeMemory(as: UInt64.self, repeating: 0, count: 512)
            return
        }
        bytes.copyMemory(from: page, byteCount: Int(pageSize))
    }

    /// Clears bytes within one page.
    func clear(_ range: Range<Int>, ofPage offset: UInt64) {
        guard let page = pages[offset] else { return }
        (page + range.lowerBound).initializeMemory(
            as: UInt8.self, repeating: 0, count: range.count)
    }

    /// Forgets pages `first...last`.
    mutating func remove(from first: UInt64, through last: UInt64) {
        guard !pages.isEmpty else { return }
        for (offset, page) in pages where first <= offset && offset <= last {
            page.deallocate()
            pages[offset] = nil
        }
    }
}
