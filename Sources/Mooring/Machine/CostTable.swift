// SPDX-License-Identifier: Apache-2.0

/// What steps cost in virtual nanoseconds, so that designs can be compared without a stopwatch.
///
/// The defaults are medians measured on a Linux 6.18 virtual machine (2 cores, AMD EPYC).
public struct CostTable: Sendable {
    /// Reading a page from the simulated device: a fast SSD's 4 KiB random read.
    ///
    /// Not measured on that machine; the usual figure of data sheets.
    public var deviceRead: UInt64 = 80_000
    /// A fault, without clearing or copying.
    public var fault: UInt64 = 510
    /// Clearing a page that is not in the processor's cache.
    public var clearPage: UInt64 = 490
    /// Copying a page that is not in the processor's cache.
    public var copyPage: UInt64 = 630
    /// An interrupt to another CPU to flush its TLB, and the wait for it.
    public var shootdown: UInt64 = 2_000

    /// The defaults.
    public init() {}
}
