// SPDX-License-Identifier: Apache-2.0

/// How scattered free memory is at one moment.
package struct FragmentationSnapshot: Equatable, Sendable {
    /// Free frames in the blocks below.
    package var freeFrames: Int
    /// Free blocks by order.
    package var freeBlocks: [Int]
    /// By order, in thousandths: how much of free memory a request of that order cannot use.
    package var unusableIndex: [Int]
    /// By order, in thousandths: why a request of that order would fail; −1000 where it would not.
    package var fragmentationIndex: [Int]

    /// The measures of these free blocks.
    package init(_ counts: FreeBlockCounts) {
        freeFrames = counts.frames
        freeBlocks = counts.blocks
        unusableIndex = counts.blocks.indices.map { counts.unusableFreeSpace(order: $0) }
        fragmentationIndex = counts.blocks.indices.map { counts.fragmentation(order: $0) }
    }
}

extension Machine {
    /// How scattered free memory is: of the whole machine, or of a node or the zones of a type.
    package func fragmentation(
        node: Int? = nil, zone: ZoneType? = nil
    ) -> FragmentationSnapshot {
        let zones = inspect { _ in allocator.zoneStatistics }.filter {
            (node == nil || $0.node == node) && (zone == nil || $0.type == zone)
        }
        return FragmentationSnapshot(
            FreeBlockCounts(
                blocks: (0..<orderCount).map { order in
                    zones.reduce(0) { $0 + $1.freeBlocksByOrder[order] }
                }))
    }
}
