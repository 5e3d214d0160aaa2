// SPDX-License-Identifier: Apache-2.0
//
// The texts of /proc/buddyinfo and /proc/pagetypeinfo.

/// What /proc/buddyinfo shows: free blocks of each order, a line a zone.
package func buddyInfo(_ zones: [ZoneStatistics]) -> String {
    zones.map { zone in
        zone.linePrefix + zone.freeBlocksByOrder.map { "\(padded($0, 6)) " }.joined() + "\n"
    }.joined()
}

/// What /proc/pagetypeinfo shows: free blocks by migrate type and order, pageblocks by type.
///
/// Like the kernel's, a text for one node after another: blocks first, then pageblocks.
package func pageTypeInfo(_ zones: [ZoneStatistics]) -> String {
    var text = "Page block order: \(pageblockOrder)\nPages per block:  \(pageblockFrames)\n\n"
    let nodes = zones.map(\.node).reduce(into: [Int]()) { nodes, node in
        if !nodes.contains(node) { nodes.append(node) }
    }
    for node in nodes {
        let mine = zones.filter { $0.node == node }
        text += padded("Free pages count per migrate type at order", -43)
        text += (0..<orderCount).map { "\(padded($0, 6)) " }.joined() + "\n"
        for zone in mine {
            for type in MigrateType.allCases {
                text += "Node \(padded(node, 4)), zone \(padded(zone.type.kernelName, 8)), "
                text += "type \(padded(type.kernelName, 12)) "
                text += zone.freeBlocks[type.index].map { "\(padded($0, 6)) " }.joined() + "\n"
            }
        }
        text += "\n" + padded("Number of blocks type", -23)
        text += MigrateType.allCases.map { "\(padded($0.kernelName, 12)) " }.joined() + "\n"
        for zone in mine {
            text += zone.linePrefix
            text += zone.pageblocks.map { "\(padded($0, 12)) " }.joined() + "\n"
        }
    }
    return text
}

extension ZoneStatistics {
    /// How most of the kernel's lines about a zone begin.
    var linePrefix: String { "Node \(node), zone \(padded(type.kernelName, 8)) " }
}
