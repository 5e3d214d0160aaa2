// SPDX-License-Identifier: Apache-2.0
//
// The text of /proc/meminfo.
//
// LINUX   All of a machine's frames are managed memory: nothing is set aside for a kernel's image
//         or for descriptors, so that MemTotal is the size that was asked for. The kernel's own
//         use (slab, stacks, vmalloc), swap and huge pages are 0. VmallocTotal is the constant of
//         x86-64 with four levels.

extension Machine {
    /// What /proc/meminfo shows.
    public func meminfo() -> String {
        inspect { _ in
            let zones = allocator.zoneStatistics
            let gauges = Dictionary(uniqueKeysWithValues: Gauge.allCases.map { ($0, total($0)) })
            func pages(_ of: Gauge...) -> Int {
                of.reduce(0) { $0 + (gauges[$1] ?? 0) }.kilobytes
            }
            let free = zones.reduce(0) { $0 + $1.free }
            let available = ZoneStatistics.available(
                zones, fileLRU: (gauges[.activeFile] ?? 0) + (gauges[.inactiveFile] ?? 0))
            let values: [String: Int] = [
                "MemTotal": zones.reduce(0) { $0 + $1.managed }.kilobytes,
                "MemFree": free.kilobytes,
                "MemAvailable": available.kilobytes,
                "Cached": pages(.filePages),
                "SwapCached": pages(.swapCached),
                "SwapTotal": swap.totalSlots.kilobytes,
                "SwapFree": swap.freeSlots.kilobytes,
                "Active": pages(.activeAnon, .activeFile),
                "Inactive": pages(.inactiveAnon, .inactiveFile),
                "Active(anon)": pages(.activeAnon),
                "Inactive(anon)": pages(.inactiveAnon),
                "Active(file)": pages(.activeFile),
                "Inactive(file)": pages(.inactiveFile),
                "Unevictable": pages(.unevictable),
                "Mlocked": pages(.mlock),
                "Dirty": pages(.dirty),
                "Writeback": pages(.writeback),
                "AnonPages": pages(.anonPages),
                "Mapped": pages(.mapped),
                "Shmem": pages(.shmem),
                "PageTables": pages(.pageTablePages),
                "CommitLimit": Int(spaces.commitment.limitPages).kilobytes,
                "Committed_AS": Int(spaces.commitment.committedPages).kilobytes,
                "VmallocTotal": 34_359_738_367,
                "Hugepagesize": pageblockFrames.kilobytes,
            ]
            var buffer = TextBuffer()
            for name in Machine.meminfoNames {
                let isCount = name.hasPrefix("HugePages_")
                buffer.appendField(name, values[name] ?? 0, unit: isCount ? "" : " kB")
            }
            return buffer.text
        }
    }

    private static let meminfoNames = [
        "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active",
        "Inactive", "Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)",
        "Unevictable", "Mlocked", "SwapTotal", "SwapFree", "Zswap", "Zswapped", "Dirty",
        "Writeback", "AnonPages", "Mapped", "Shmem", "KReclaimable", "Slab", "SReclaimable",
        "SUnreclaim", "KernelStack", "PageTables", "SecPageTables", "NFS_Unstable", "Bounce",
        "WritebackTmp", "CommitLimit", "Committed_AS", "VmallocTotal", "VmallocUsed",
        "VmallocChunk", "Percpu", "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped",
        "FileHugePages", "FilePmdMapped", "Balloon", "HugePages_Total", "HugePages_Free",
        "HugePages_Rsvd", "HugePages_Surp", "Hugepagesize", "Hugetlb", "DirectMap4k",
        "DirectMap2M", "DirectMap1G",
    ]
}

extension ZoneStatistics {
    /// How much a new program may use without swapping: what is free above the reserves, and the
    /// file pages on LRU lists but for those that reclaim had better leave.
    ///
    /// A zone reserves its high mark and the most that it keeps from others' requests; of file
    /// pages half stay, or as many as the low marks come to where that is less.
    static func available(_ zones: [ZoneStatistics], fileLRU: Int) -> Int {
        let reserved = zones.reduce(0) { sum, zone in
            sum + Swift.min(zone.managed, (zone.protection.max() ?? 0) + zone.high)
        }
        let low = zones.reduce(0) { $0 + $1.low }
        let free = zones.reduce(0) { $0 + $1.free }
        return max(0, free - reserved + fileLRU - Swift.min(fileLRU / 2, low))
    }
}
