// SPDX-License-Identifier: Apache-2.0

@testable import Mooring

/// What a byte of each page should be, kept as simply as can be: a dictionary from page to page.
struct ShadowSpace {
    /// The bytes of a file, one a page; shared by all who map it.
    final class Store {
        var bytes: [UInt8]
        init(pages: Int, fill: UInt8 = 0) { bytes = .init(repeating: fill, count: pages) }
    }

    /// One mapped page.
    struct Page {
        enum Backing {
            case anonymous(UInt8)
            /// A private mapping of a file: its own byte once it was written.
            case copy(Store, Int, UInt8?)
            case shared(Store, Int)
        }

        var backing: Backing
        var rights: Protection
        var isLocked = false
        var isGuard = false
        var isLeftOut = false
        var isWiped = false

        var value: UInt8 {
            switch backing {
            case .anonymous(let byte): byte
            case .copy(let store, let offset, let own): own ?? store.bytes[offset]
            case .shared(let store, let offset): store.bytes[offset]
            }
        }

        var isPrivateAnonymous: Bool {
            if case .anonymous = backing { return true }
            return false
        }

        /// Forgets what only this mapping holds.
        mutating func discard() {
            switch backing {
            case .anonymous: backing = .anonymous(0)
            case .copy(let store, let offset, _): backing = .copy(store, offset, nil)
            case .shared: break
            }
        }

        mutating func write(_ byte: UInt8) {
            switch backing {
            case .anonymous: backing = .anonymous(byte)
            case .copy(let store, let offset, _): backing = .copy(store, offset, byte)
            case .shared(let store, let offset): store.bytes[offset] = byte
            }
        }
    }

    var pages: [Int: Page] = [:]

    // MARK: Calls

    /// Changes pages in order up to the first hole.
    mutating func upToHole(_ range: Range<Int>, _ body: (inout Page) -> Void) -> Errno? {
        for page in range {
            guard pages[page] != nil else { return .ENOMEM }
            body(&pages[page, default: .init(backing: .anonymous(0), rights: [])])
        }
        return nil
    }

    /// Changes all pages there are, up to the first that `body` refuses.
    mutating func advise(_ range: Range<Int>, _ body: (inout Page) -> Errno?) -> Errno? {
        var hasHole = false
        for page in range {
            guard var copy = pages[page] else {
                hasHole = true
                continue
            }
            if let error = body(&copy) { return error }
            pages[page] = copy
        }
        return hasHole ? .ENOMEM : nil
    }

    mutating func unmap(_ range: Range<Int>) {
        for page in range { pages[page] = nil }
    }

    /// mremap with FIXED and equal sizes.
    mutating func move(_ range: Range<Int>, to target: Int, keepsSource: Bool) -> Errno? {
        guard pages[range.lowerBound] != nil else { return .EFAULT }
        for page in range {
            guard var source = pages[page] else { continue }
            pages[target + page - range.lowerBound] = source
            source.discard()
            source.isLocked = false
            source.isGuard = false
            pages[page] = keepsSource ? source : nil
        }
        return nil
    }

    /// What a forked child gets.
    func forked() -> ShadowSpace {
        var child = ShadowSpace()
        for (number, page) in pages where !page.isLeftOut {
            var copy = page
            copy.isLocked = false
            if copy.isWiped {
                copy.discard()
                copy.isGuard = false
            }
            child.pages[number] = copy
        }
        return child
    }
}
