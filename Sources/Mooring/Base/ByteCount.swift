// SPDX-License-Identifier: Apache-2.0

/// A number of bytes, so that no `Int` has to say its unit in a comment.
public struct ByteCount: Hashable, Comparable, Sendable {
    /// The number of bytes.
    public var bytes: UInt64

    /// Takes a plain number of bytes.
    @inlinable
    public init(_ bytes: UInt64) { self.bytes = bytes }

    /// Takes a number of bytes.
    public static func bytes(_ count: UInt64) -> ByteCount { ByteCount(count) }
    /// Takes a number of 1024-byte units.
    public static func kibibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 10) }
    /// Takes a number of 1024² byte units.
    public static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 20) }
    /// Takes a number of 1024³ byte units.
    public static func gibibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 30) }
    /// Takes a number of 1024⁴ byte units.
    public static func tebibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 40) }
    /// Takes a number of 4 KiB pages.
    public static func pages(_ count: UInt64) -> ByteCount { ByteCount(count << 12) }

    /// How many 4 KiB pages hold this many bytes.
    public var pagesRoundedUp: UInt64 { bytes / pageSize + (bytes % pageSize == 0 ? 0 : 1) }

    /// Whether one is the smaller number of bytes.
    public static func < (one: ByteCount, other: ByteCount) -> Bool { one.bytes < other.bytes }
}

/// The size of a page and of a frame in bytes: 4 KiB, as on x86-64.
public let pageSize: UInt64 = 4096

/// log2 of ``pageSize``.
public let pageShift: UInt64 = 12

extension UInt64 {
    /// The address of the page that holds this one.
    @inlinable
    package var pageAligned: UInt64 { self & ~(pageSize - 1) }

    /// Whether this address or length is a whole number of pages.
    @inlinable
    package var isPageAligned: Bool { self & (pageSize - 1) == 0 }

    /// This length in whole pages, in bytes; wraps to 0 past the top as the kernel's own does.
    @inlinable
    package var roundedUpToPages: UInt64 { (self &+ (pageSize - 1)) & ~(pageSize - 1) }
}
