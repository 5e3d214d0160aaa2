// SPDX-License-Identifier: Apache-2.0
//
// What the kernel of this host takes for the operations that the engine is measured on.
//
// Each sample is taken in a fresh helper (Helper.swift), whose address space holds nothing but
// what is measured, around the raw system calls or accesses. Memory is used once just before, as
// a virtual machine's idle memory costs its first user more; huge pages are off. Time is
// processor time, the helper's or its children's, so that other work on the machine disturbs
// little: compare it with processor time.
//
// SEE     CLinuxHost/helper_timings*.c (the operations themselves).

import CLinuxHost
import Mooring
import Workloads

/// The kernel's side of the benchmarks.
package enum KernelTimings {
    /// What is timed; the raw value is the benchmark's name.
    package enum Name: String, CaseIterable, Sendable {
        /// First write to each page of an anonymous area.
        case anonTouch = "anon-touch"
        /// First read of each page of an anonymous area: the zero page.
        case anonRead = "anon-read"
        /// munmap of written pages.
        case anonUnmap = "anon-unmap"
        /// mmap with `MAP_POPULATE`.
        case populate
        /// mlock of written pages.
        case mlockPopulated = "mlock-populated"
        /// munlock of pages that mlock brought in.
        case munlock
        /// mlock of an area without pages.
        case mlockUnpopulated = "mlock-unpopulated"
        /// First write to each page of an area under mlock2 with `MLOCK_ONFAULT`.
        case mlockOnFaultTouch = "mlock-onfault-touch"
        /// First read of each page of a shared mapping of a cached memfd; one page a fault, as
        /// userfaultfd write-protect registration switches fault-around off.
        case fileTouch = "file-touch"
        /// mmap with `MAP_POPULATE` of a cached memfd.
        case filePopulate = "file-populate"
        /// fork, as the parent sees it, of written pages.
        case fork
        /// fork, and all that the child does until it is gone: it exits at once.
        case forkExit = "fork-exit"
        /// First write of a forked child to each page it shares with its parent.
        case copyOnWrite = "cow-write"
        /// mremap between places at different offsets in 2 MiB: entries move.
        case mremapMove = "mremap-move"
        /// mremap between places at the same offset in 2 MiB: page tables move.
        case mremapMoveAligned = "mremap-move-aligned"
        /// mprotect of written pages to read-only and back; each call counts its pages.
        case mprotectToggle = "mprotect-toggle"
        /// mmap and munmap of a page beside this many areas.
        case vmaChurn1 = "vma-churn-1"
        case vmaChurn1000 = "vma-churn-1000"
        case vmaChurn60000 = "vma-churn-60000"
        /// mprotect of one page amid an empty area, and back; each call counts.
        case vmaSplitMerge = "vma-split-merge"
        /// First read of the page of one of 60,000 areas, in random order.
        case faultRandom = "fault-random"
        /// What locked pages of one cached file add to the exit of each of this many processes
        /// that have them locked, exiting one after the other.
        case lockedExit1 = "locked-exit-1"
        case lockedExit8 = "locked-exit-8"
        case lockedExit64 = "locked-exit-64"

        /// What one unit of the result is.
        package var unit: String {
            switch self {
            case .vmaChurn1, .vmaChurn1000, .vmaChurn60000: "ns/pair"
            case .vmaSplitMerge: "ns/op"
            case .faultRandom: "ns/fault"
            case .lockedExit1, .lockedExit8, .lockedExit64: "ns/page/process"
            default: "ns/page"
            }
        }

        /// The helper's number for it, and the count of areas or processes around it.
        fileprivate var request: (helper_timing, UInt64) {
            switch self {
            case .anonTouch: (TIME_ANON_TOUCH, 0)
            case .anonRead: (TIME_ANON_READ, 0)
            case .anonUnmap: (TIME_ANON_UNMAP, 0)
            case .populate: (TIME_POPULATE, 0)
            case .mlockPopulated: (TIME_MLOCK_POPULATED, 0)
            case .munlock: (TIME_MUNLOCK, 0)
            case .mlockUnpopulated: (TIME_MLOCK_UNPOPULATED, 0)
            case .mlockOnFaultTouch: (TIME_MLOCK_ONFAULT_TOUCH, 0)
            case .fileTouch: (TIME_FILE_TOUCH, 0)
            case .filePopulate: (TIME_FILE_POPULATE, 0)
            case .fork: (TIME_FORK, 0)
            case .forkExit: (TIME_FORK_EXIT, 0)
            case .copyOnWrite: (TIME_COW_WRITE, 0)
            case .mremapMove: (TIME_MREMAP_MOVE, 0)
            case .mremapMoveAligned: (TIME_MREMAP_MOVE_ALIGNED, 0)
            case .mprotectToggle: (TIME_MPROTECT_TOGGLE, 0)
            case .vmaChurn1: (TIME_VMA_CHURN, 1)
            case .vmaChurn1000: (TIME_VMA_CHURN, 1000)
            case .vmaChurn60000: (TIME_VMA_CHURN, 60000)
            case .vmaSplitMerge: (TIME_VMA_SPLIT_MERGE, 0)
            case .faultRandom: (TIME_FAULT_RANDOM, 60000)
            case .lockedExit1: (TIME_LOCKED_EXIT, 1)
            case .lockedExit8: (TIME_LOCKED_EXIT, 8)
            case .lockedExit64: (TIME_LOCKED_EXIT, 64)
            }
        }
    }

    /// Takes one sample.
    ///
    /// - Parameters:
    ///   - name: What to time.
    ///   - pages: How many pages, pairs, operations or faults to time at once.
    /// - Returns: Nanoseconds per unit.
    /// - Throws: `SystemFailure` where the host forbids it or has not enough memory.
    package static func run(_ name: Name, pages: Int) throws -> Double {
        precondition(pages > 0, "a sample needs something to time")
        let helper = try Helper.start()
        let (timing, count) = name.request
        let reply: HelperReply
        do {
            reply = try helper.request(
                HELPER_TIME, UInt64(timing.rawValue), UInt64(pages), count)
        } catch {
            throw SystemFailure(
                "\(name.rawValue): the helper died while it was timed; is there memory for "
                    + "\(pages) pages?")
        }
        guard !reply.failed else {
            throw SystemFailure(
                "\(name.rawValue) cannot be timed on this host with \(pages) pages: "
                    + "\(reply.outcome).")
        }
        guard reply.signal == 0, reply.address > 0 else {
            throw SystemFailure("\(name.rawValue): the helper's timing ended in a signal.")
        }
        return Double(reply.value) / Double(reply.address)
    }

    /// Takes one sample of the benchmark of that name.
    package static func run(name: String, pages: Int) throws -> Double {
        guard let known = Name(rawValue: name) else {
            throw SystemFailure("The kernel has no timing called \(name).")
        }
        return try run(known, pages: pages)
    }
}
