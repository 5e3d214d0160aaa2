// SPDX-License-Identifier: Apache-2.0
//
// The text of /proc/zoneinfo, and what shows free blocks: buddyinfo, pagetypeinfo and the two
// files of debugfs extfrag, each of which has a function on figures in BuddyViews.swift and
// FragmentationViews.swift.
//
// LINUX   There are the zones DMA32, Normal and Movable; one without frames has the short form.
//         Counters are exact, so that `vm stats threshold` is 0.

extension Machine {
    /// What /proc/zoneinfo shows.
    public func zoneinfo() -> String {
        inspect { _ in
            let all = allocator.zoneStatistics
            var text = ""
            for node in 0..<configuration.nodes {
                let populated = all.filter { $0.node == node }
                for type in ZoneType.allCases {
                    text += "Node \(node), zone \(padded(type.kernelName, 8))\n"
                    guard let zone = populated.first(where: { $0.type == type }) else {
                        text += ZoneStatistics.unpopulated(type, node: node).watermarkLines
                        continue
                    }
                    if zone.type == populated.first?.type {
                        text += "  per-node stats\n"
                        text += lines(KernelCounters.node, nodeCounters(populated))
                    }
                    text += zone.watermarkLines
                    text += lines(KernelCounters.zone, zoneCounters([zone]))
                    text += lines(KernelCounters.locality, [:])
                    text += zone.pagesetLines
                    text += "  node_unreclaimable:  0\n  start_pfn:           \(zone.start)\n"
                }
            }
            return text
        }
    }

    private func lines(_ names: [String], _ values: [String: Int]) -> String {
        names.map { "      \(padded($0, -12)) \(values[$0] ?? 0)\n" }.joined()
    }

    /// What /proc/buddyinfo shows.
    public func buddyinfo() -> String { inspect { _ in buddyInfo(allocator.zoneStatistics) } }

    /// What /proc/pagetypeinfo shows.
    public func pagetypeinfo() -> String {
        inspect { _ in pageTypeInfo(allocator.zoneStatistics) }
    }

    /// What debugfs extfrag/unusable_index shows.
    public func extfragUnusableIndex() -> String {
        inspect { _ in unusableIndex(allocator.zoneStatistics) }
    }

    /// What debugfs extfrag/extfrag_index shows.
    public func extfragIndex() -> String {
        inspect { _ in fragmentationIndex(allocator.zoneStatistics) }
    }
}

extension ZoneStatistics {
    /// The figures of a zone without frames.
    fileprivate static func unpopulated(_ type: ZoneType, node: Int) -> ZoneStatistics {
        ZoneStatistics(
            node: node, type: type, start: 0, managed: 0, free: 0, min: 0, low: 0, high: 0,
            protection: ZoneType.allCases.map { _ in 0 }, freeBlocks: [], pageblocks: [],
            perCPU: [])
    }

    /// The lines from `pages free` to `protection`.
    fileprivate var watermarkLines: String {
        let values = [
            ("boost", 0), ("min", min), ("low", low), ("high", high),
            ("promo", high + (low - min)), ("spanned", managed), ("present", managed),
            ("managed", managed), ("cma", 0),
        ]
        let protections = protection.map(\.description).joined(separator: ", ")
        return "  pages free     \(free)\n"
            + values.map { "        \(padded($0, -8)) \($1)\n" }.joined()
            + "        protection: (\(protections))\n"
    }

    /// The lines about each CPU's lists.
    fileprivate var pagesetLines: String {
        var text = "  pagesets\n"
        for (cpu, lists) in perCPU.enumerated() {
            text += "    cpu: \(cpu)\n"
            text += "              count:    \(lists.count)\n"
            text += "              high:     \(lists.high)\n"
            text += "              batch:    \(lists.batch)\n"
            text += "              high_min: \(lists.high)\n"
            text += "              high_max: \(lists.high)\n"
            text += "  vm stats threshold: 0\n"
        }
        return text
    }
}
