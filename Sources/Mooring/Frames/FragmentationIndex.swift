// SPDX-License-Identifier: Apache-2.0
//
// Two measures of how scattered free memory is, in thousandths as the kernel keeps them.

/// Free memory as the measures see it: how many blocks there are of each order.
package struct FreeBlockCounts: Equatable, Sendable {
    /// Free blocks by order.
    package var blocks: [Int]

    package init(blocks: [Int]) { self.blocks = blocks }

    /// Free frames.
    package var frames: Int {
        blocks.enumerated().reduce(0) { $0 + $1.element << $1.offset }
    }

    /// Frames in blocks that hold at least 2^`order`.
    private func usableFrames(order: Int) -> Int {
        blocks.enumerated().dropFirst(order).reduce(0) { $0 + $1.element << $1.offset }
    }

    /// How much of free memory a request of this order cannot use: 0 none, 1000 all.
    ///
    /// With nothing free nothing is usable: 1000.
    package func unusableFreeSpace(order: Int) -> Int {
        let free = frames
        guard free > 0 else { return 1000 }
        return (free - usableFrames(order: order)) * 1000 / free
    }

    /// Why a request of this order would fail: toward 0 for lack of memory, toward 1000 because
    /// it is scattered; −1000 when it would not fail, 0 when nothing is free.
    package func fragmentation(order: Int) -> Int {
        let count = blocks.reduce(0, +)
        guard count > 0 else { return 0 }
        guard usableFrames(order: order) == 0 else { return -1000 }
        // 1 − (1 + F / 2^order) / B. Each division rounds down.
        return 1000 - (1000 + ((frames * 1000) >> order)) / count
    }
}
