// SPDX-License-Identifier: Apache-2.0

/// What steps cost in virtual nanoseconds, so that designs can be compared without a stopwatch.
///
/// A step that is not listed costs nothing.
public struct CostTable: Sendable {
    /// Reading a page from the simulated device: a fast SSD's 4 KiB random read.
    ///
    /// The usual figure of data sheets; not measured.
    public var deviceRead: UInt64 = 80_000

    /// The defaults.
    public init() {}
}
