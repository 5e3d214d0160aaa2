// SPDX-License-Identifier: Apache-2.0

/// What steps cost in virtual nanoseconds, so that designs can be compared without a stopwatch.
///
/// A step that is not listed costs nothing.
public struct CostTable: Sendable {
    /// Reading a page from the simulated device: a fast SSD's 4 KiB random read.
    ///
    /// The usual figure of data sheets; not measured.
    public var deviceRead: UInt64 = 80_000

    /// Writing a page to it, from the moment the device begins with it: the same data sheets.
    public var deviceWrite: UInt64 = 20_000
    /// What each page adds when many are moved in a row: 2 GB a second.
    public var devicePage: UInt64 = 2_048

    /// Unmapping a page of a file when a process exits, in nanoseconds: measured on this engine, as
    /// what follows, by the experiment `locked-exit` with 8 processes.
    public var unmapPage: UInt64 = 20
    /// What it adds to walk from the frame to those who map it.
    public var reverseMapWalk: UInt64 = 50
    /// What each VMA on the way adds.
    public var reverseMapStep: UInt64 = 10

    /// The defaults.
    public init() {}
}
