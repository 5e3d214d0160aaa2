// SPDX-License-Identifier: Apache-2.0
//
// The words for flags and numbers: as scenarios write them, and as Linux's headers do, which is
// what strace prints. One table each, read in both directions.

import Mooring

/// A bit or number of a system call, as text.
package struct Word: Sendable {
    /// What a scenario writes.
    package let scenario: String
    /// What Linux's headers call it.
    package let linux: String
    package let value: UInt64

    init(_ scenario: String, _ linux: String, _ value: some BinaryInteger) {
        self.scenario = scenario
        self.linux = linux
        self.value = UInt64(truncatingIfNeeded: value)
    }
}

/// The tables.
package enum Words {
    // A combination stands before the bits that make it up.
    package static let map: [Word] = [
        Word("shared_validate", "MAP_SHARED_VALIDATE", MapFlags.sharedValidate.rawValue),
        Word("shared", "MAP_SHARED", MapFlags.shared.rawValue),
        Word("private", "MAP_PRIVATE", MapFlags.private.rawValue),
        Word("droppable", "MAP_DROPPABLE", MapFlags.droppable.rawValue),
        Word("fixed", "MAP_FIXED", MapFlags.fixed.rawValue),
        Word("anonymous", "MAP_ANONYMOUS", MapFlags.anonymous.rawValue),
        Word("map_32bit", "MAP_32BIT", MapFlags.low32Bit.rawValue),
        Word("growsdown", "MAP_GROWSDOWN", MapFlags.growsDown.rawValue),
        Word("denywrite", "MAP_DENYWRITE", MapFlags.denyWrite.rawValue),
        Word("executable", "MAP_EXECUTABLE", MapFlags.executable.rawValue),
        Word("locked", "MAP_LOCKED", MapFlags.locked.rawValue),
        Word("noreserve", "MAP_NORESERVE", MapFlags.noReserve.rawValue),
        Word("populate", "MAP_POPULATE", MapFlags.populate.rawValue),
        Word("nonblock", "MAP_NONBLOCK", MapFlags.nonBlock.rawValue),
        Word("stack", "MAP_STACK", MapFlags.stack.rawValue),
        Word("hugetlb", "MAP_HUGETLB", MapFlags.hugeTLB.rawValue),
        Word("sync", "MAP_SYNC", MapFlags.sync.rawValue),
        Word("fixed_noreplace", "MAP_FIXED_NOREPLACE", MapFlags.fixedNoReplace.rawValue),
    ]

    // A scenario writes letters; the names are for strace's text.
    package static let protection: [Word] = [
        Word("r", "PROT_READ", Protection.read.rawValue),
        Word("w", "PROT_WRITE", Protection.write.rawValue),
        Word("x", "PROT_EXEC", Protection.execute.rawValue),
        Word("growsdown", "PROT_GROWSDOWN", Protection.growsDown.rawValue),
        Word("growsup", "PROT_GROWSUP", Protection.growsUp.rawValue),
        Word("none", "PROT_NONE", 0),
    ]

    package static let remap: [Word] = [
        Word("maymove", "MREMAP_MAYMOVE", RemapFlags.mayMove.rawValue),
        Word("fixed", "MREMAP_FIXED", RemapFlags.fixed.rawValue),
        Word("dontunmap", "MREMAP_DONTUNMAP", RemapFlags.dontUnmap.rawValue),
    ]

    package static let lock: [Word] = [Word("onfault", "MLOCK_ONFAULT", LockFlags.onFault.rawValue)]

    package static let lockAll: [Word] = [
        Word("current", "MCL_CURRENT", LockAllFlags.current.rawValue),
        Word("future", "MCL_FUTURE", LockAllFlags.future.rawValue),
        Word("onfault", "MCL_ONFAULT", LockAllFlags.onFault.rawValue),
    ]

    package static let sync: [Word] = [
        Word("async", "MS_ASYNC", SyncFlags.async.rawValue),
        Word("invalidate", "MS_INVALIDATE", SyncFlags.invalidate.rawValue),
        Word("sync", "MS_SYNC", SyncFlags.sync.rawValue),
    ]

    package static let seals: [Word] = [
        Word("seal", "F_SEAL_SEAL", FileSeals.seal.rawValue),
        Word("shrink", "F_SEAL_SHRINK", FileSeals.shrink.rawValue),
        Word("grow", "F_SEAL_GROW", FileSeals.grow.rawValue),
        Word("write", "F_SEAL_WRITE", FileSeals.write.rawValue),
        Word("future_write", "F_SEAL_FUTURE_WRITE", FileSeals.futureWrite.rawValue),
        Word("exec", "F_SEAL_EXEC", FileSeals.execute.rawValue),
    ]

    package static let attach: [Word] = [
        Word("rdonly", "SHM_RDONLY", AttachFlags.readOnly.rawValue),
        Word("rnd", "SHM_RND", AttachFlags.round.rawValue),
        Word("remap", "SHM_REMAP", AttachFlags.remap.rawValue),
        Word("exec", "SHM_EXEC", AttachFlags.execute.rawValue),
    ]

    package static let advice: [Word] = [
        Word("normal", "MADV_NORMAL", Advice.normal.rawValue),
        Word("random", "MADV_RANDOM", Advice.random.rawValue),
        Word("sequential", "MADV_SEQUENTIAL", Advice.sequential.rawValue),
        Word("willneed", "MADV_WILLNEED", Advice.willNeed.rawValue),
        Word("dontneed", "MADV_DONTNEED", Advice.dontNeed.rawValue),
        Word("free", "MADV_FREE", Advice.free.rawValue),
        Word("remove", "MADV_REMOVE", Advice.remove.rawValue),
        Word("dontfork", "MADV_DONTFORK", Advice.dontFork.rawValue),
        Word("dofork", "MADV_DOFORK", Advice.doFork.rawValue),
        Word("mergeable", "MADV_MERGEABLE", Advice.mergeable.rawValue),
        Word("unmergeable", "MADV_UNMERGEABLE", Advice.unmergeable.rawValue),
        Word("hugepage", "MADV_HUGEPAGE", Advice.hugePage.rawValue),
        Word("nohugepage", "MADV_NOHUGEPAGE", Advice.noHugePage.rawValue),
        Word("dontdump", "MADV_DONTDUMP", Advice.dontDump.rawValue),
        Word("dodump", "MADV_DODUMP", Advice.doDump.rawValue),
        Word("wipeonfork", "MADV_WIPEONFORK", Advice.wipeOnFork.rawValue),
        Word("keeponfork", "MADV_KEEPONFORK", Advice.keepOnFork.rawValue),
        Word("cold", "MADV_COLD", Advice.cold.rawValue),
        Word("pageout", "MADV_PAGEOUT", Advice.pageOut.rawValue),
        Word("populate_read", "MADV_POPULATE_READ", Advice.populateRead.rawValue),
        Word("populate_write", "MADV_POPULATE_WRITE", Advice.populateWrite.rawValue),
        Word("dontneed_locked", "MADV_DONTNEED_LOCKED", Advice.dontNeedLocked.rawValue),
        Word("collapse", "MADV_COLLAPSE", Advice.collapse.rawValue),
        Word("guard_install", "MADV_GUARD_INSTALL", Advice.guardInstall.rawValue),
        Word("guard_remove", "MADV_GUARD_REMOVE", Advice.guardRemove.rawValue),
    ]

    package static let resources: [Word] = [
        Word("as", "RLIMIT_AS", Resource.addressSpace.rawValue),
        Word("data", "RLIMIT_DATA", Resource.data.rawValue),
        Word("memlock", "RLIMIT_MEMLOCK", Resource.memlock.rawValue),
        Word("stack", "RLIMIT_STACK", Resource.stack.rawValue),
    ]

    /// What a scenario may expect of an access, and which signals that covers.
    static let signals: [(word: String, signals: Set<Signal>)] = [
        ("SIGSEGV", [.segmentationUnmapped, .segmentationProtected]),
        ("SIGBUS", [.busPastEnd, .busNoMemory]),
        ("SIGKILL", [.outOfMemory]),
        ("SEGV_MAPERR", [.segmentationUnmapped]),
        ("SEGV_ACCERR", [.segmentationProtected]),
        ("BUS_PAST_END", [.busPastEnd]),
        ("BUS_NO_MEMORY", [.busNoMemory]),
    ]
}

extension Signal {
    /// The most precise word a scenario has for it.
    package var word: String {
        let narrow = Words.signals.last { $0.signals == [self] }
        return narrow?.word ?? "SIGKILL"
    }
}

extension Sequence<Word> {
    /// The words for the bits of `raw`, and the bits that no word names.
    func words(for raw: UInt64) -> (words: [String], rest: UInt64) {
        var rest = raw
        var words: [String] = []
        for word in self where word.value != 0 && rest & word.value == word.value {
            words.append(word.scenario)
            rest &= ~word.value
        }
        return (words, rest)
    }
}
