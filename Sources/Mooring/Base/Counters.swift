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
    case pgallocDMA32 = "pgalloc_dma32"
    case pgallocNormal = "pgalloc_normal"
    case pgallocMovable = "pgalloc_movable"
    case pgfree
    case pgactivate
    case pgdeactivate
    case pglazyfree
    case pgfault
    case pgmajfault
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

/// How much there is of something right now, per zone.
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

    static let count = allCases.count

    /// Its place in a zone's row.
    @inline(__always)
    var index: Int { Int(unsafeBitCast(self, to: UInt8.self)) }

    @inline(__always)
    func word(in base: UnsafeMutablePointer<Int64>, zone: Int) -> CounterWord {
        CounterWord(at: UnsafeMutableRawPointer(base + (zone &* Gauge.count &+ index)))
    }
}
