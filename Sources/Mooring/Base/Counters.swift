// SPDX-License-Identifier: Apache-2.0
//
// Everything the machine counts, with the kernel's names (the fields of /proc/vmstat). A new
// counter is a new case here; views print the cases in this order.

/// Something that happened; only ever grows.
///
/// The raw name is vmstat's.
package enum Event: String, CaseIterable, Sendable {
    case pgpgin
    case pgpgout
    case pswpin
    case pswpout
    case pgallocDMA32 = "pgalloc_dma32"
    case pgallocNormal = "pgalloc_normal"
    case pgallocMovable = "pgalloc_movable"
    case allocstallNormal = "allocstall_normal"
    case allocstallMovable = "allocstall_movable"
    case pgfree
    case pgactivate
    case pgdeactivate
    case pglazyfree
    case pgfault
    case pgmajfault
    case pglazyfreed
    case pgrefill
    case pgreuse
    case pgstealKswapd = "pgsteal_kswapd"
    case pgstealDirect = "pgsteal_direct"
    case pgstealProactive = "pgsteal_proactive"
    case pgscanKswapd = "pgscan_kswapd"
    case pgscanDirect = "pgscan_direct"
    case pgscanProactive = "pgscan_proactive"
    case pgscanAnon = "pgscan_anon"
    case pgscanFile = "pgscan_file"
    case pgstealAnon = "pgsteal_anon"
    case pgstealFile = "pgsteal_file"
    case pageoutrun
    case pgrotated
    case dropPagecache = "drop_pagecache"
    case pgmigrateSuccess = "pgmigrate_success"
    case pgmigrateFail = "pgmigrate_fail"
    case unevictableCulled = "unevictable_pgs_culled"
    case unevictableScanned = "unevictable_pgs_scanned"
    case unevictableRescued = "unevictable_pgs_rescued"
    case unevictableMlocked = "unevictable_pgs_mlocked"
    case unevictableMunlocked = "unevictable_pgs_munlocked"
    case unevictableCleared = "unevictable_pgs_cleared"
    case unevictableStranded = "unevictable_pgs_stranded"
    case tlbRemoteFlush = "nr_tlb_remote_flush"
    case tlbRemoteFlushReceived = "nr_tlb_remote_flush_received"
    case tlbLocalFlushAll = "nr_tlb_local_flush_all"
    case tlbLocalFlushOne = "nr_tlb_local_flush_one"
    case swapRa = "swap_ra"
    case oomKill = "oom_kill"

    // Not in vmstat: what the kernel tells by tracepoints, or not at all.
    /// `mm_page_alloc_extfrag`: a fallback took a block of another migrate type.
    case extfrag = "mm_page_alloc_extfrag"
    case faultAnonymous = "mooring_fault_anonymous"
    case faultZeroPage = "mooring_fault_zero_page"
    case faultFileRead = "mooring_fault_file_read"
    case faultFileShared = "mooring_fault_file_shared_write"
    case faultFilePrivate = "mooring_fault_file_private_write"
    case faultCopyOnWrite = "mooring_fault_copy_on_write"
    case faultReuse = "mooring_fault_reuse"
    case faultAroundMapped = "mooring_fault_around_mapped"
    /// Walks from a frame to those who map it, each under the lock of a reverse map, and VMAs that
    /// they looked at.
    case reverseMapWalk = "mooring_reverse_map_walk"
    case reverseMapStep = "mooring_reverse_map_step"
    /// How often the lock of a file's mappings was taken, whatever for.
    case fileMappingsLock = "mooring_file_mappings_lock"
    case faultSwapIn = "mooring_fault_swap_in"
    case faultSpurious = "mooring_fault_spurious"

    static let count = allCases.count

    /// Its place in a CPU's array.
    @inline(__always)
    var index: Int { Int(unsafeBitCast(self, to: UInt8.self)) }

    @inline(__always)
    func word(in base: UnsafeMutablePointer<Int64>) -> CounterWord {
        CounterWord(at: UnsafeMutableRawPointer(base + index))
    }

    /// Whether /proc/vmstat of a kernel has a line of this name.
    package var isInVmstat: Bool { index < Event.extfrag.index }
}

/// How much there is of something right now, or how often something happened, per zone.
///
/// The raw name is vmstat's.
package enum Gauge: String, CaseIterable, Sendable {
    case inactiveAnon = "nr_inactive_anon"
    case activeAnon = "nr_active_anon"
    case inactiveFile = "nr_inactive_file"
    case activeFile = "nr_active_file"
    case unevictable = "nr_unevictable"
    case mlock = "nr_mlock"
    case anonPages = "nr_anon_pages"
    case mapped = "nr_mapped"
    case filePages = "nr_file_pages"
    case dirty = "nr_dirty"
    case writeback = "nr_writeback"
    case shmem = "nr_shmem"
    case pageTablePages = "nr_page_table_pages"
    case isolatedAnon = "nr_isolated_anon"
    case isolatedFile = "nr_isolated_file"
    case workingsetRefaultAnon = "workingset_refault_anon"
    case workingsetRefaultFile = "workingset_refault_file"
    case workingsetActivateAnon = "workingset_activate_anon"
    case workingsetActivateFile = "workingset_activate_file"
    case workingsetRestoreAnon = "workingset_restore_anon"
    case workingsetRestoreFile = "workingset_restore_file"
    case vmscanWrite = "nr_vmscan_write"
    case vmscanImmediateReclaim = "nr_vmscan_immediate_reclaim"
    case dirtied = "nr_dirtied"
    case written = "nr_written"
    case swapCached = "nr_swapcached"

    static let count = allCases.count

    /// Its place in a zone's row.
    @inline(__always)
    var index: Int { Int(unsafeBitCast(self, to: UInt8.self)) }

    @inline(__always)
    func word(in base: UnsafeMutablePointer<Int64>, zone: Int) -> CounterWord {
        CounterWord(at: UnsafeMutableRawPointer(base + (zone &* Gauge.count &+ index)))
    }
}
