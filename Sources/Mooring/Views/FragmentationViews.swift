// SPDX-License-Identifier: Apache-2.0
//
// The texts of debugfs extfrag/unusable_index and extfrag/extfrag_index.

/// What extfrag/unusable_index shows: how much of free memory is of no use, for each order.
package func unusableIndex(_ zones: [ZoneStatistics]) -> String {
    lines(zones) { $0.unusableFreeSpace(order: $1) }
}

/// What extfrag/extfrag_index shows: why a request would fail, for each order.
package func fragmentationIndex(_ zones: [ZoneStatistics]) -> String {
    lines(zones) { $0.fragmentation(order: $1) }
}

private func lines(
    _ zones: [ZoneStatistics], _ index: (FreeBlockCounts, _ order: Int) -> Int
) -> String {
    zones.map { zone in
        let counts = FreeBlockCounts(blocks: zone.freeBlocksByOrder)
        let values = (0..<orderCount).map { "\(thousandths(index(counts, $0))) " }.joined()
        return zone.linePrefix + values + "\n"
    }.joined()
}
