// SPDX-License-Identifier: Apache-2.0

import Mooring

/// What the importer knows of a process while it reads.
struct PerfScriptProcess {
    var id: ProcessID
    var name: String
    /// How many times it called execve.
    var image = 0
    /// Its address space, as an index in the importer's list.
    var space: Int
    /// The file behind a descriptor, as an index in the importer's list.
    var descriptors: [UInt64: Int] = [:]
    /// What ftruncate made of a descriptor whose file is not known yet.
    var truncations: [UInt64: UInt64] = [:]
    /// The thread whose fork took the lock of the address space last.
    var copier: Int32?
    /// The image that execve is building.
    var build: PerfScriptImage?
}

/// What the importer knows of a thread while it reads.
struct PerfScriptThread {
    /// A call that has begun.
    struct PendingCall {
        var name: String
        var arguments: SIMD8<UInt64>
        /// The step it already has, if it is one that gives memory away.
        var step: Int?
        /// Where among the steps it belongs, and when that was: where it took the lock.
        var place: (order: Int, time: UInt64)?
        /// The mapped files that a fork copies.
        var copied: FileAreas?
        /// What it mapped.
        var area: PerfScriptArea?
    }

    /// A fault whose effect on resident memory is still being read.
    struct OpenFault {
        var address: UInt64
        var kind: AccessKind
        /// Pages of files and segments that it added.
        var growth = 0
    }

    var call: PendingCall?
    var openFault: OpenFault?
    /// The step of the last fault, if nothing but its effects came after it.
    var lastFault: Int?
    /// The counters' name of an address space that fork or execve is filling.
    var freshSpace: UInt64?
}

/// What the importer knows of an address space while it reads.
struct PerfScriptSpace {
    /// The process that it is reported under.
    var owner: ProcessID
    var image: Int
    /// How many processes use it.
    var users = 1
    /// What the kernel's counters call it (a hash of its descriptor's address).
    var counter: UInt64?
    /// The mapped files, page by page.
    var files = FileAreas()
    /// Where the break is, once a call has told.
    var breakAt: UInt64?
    /// The step of the execve that made it.
    var execStep: Int?
    /// MCL_FUTURE without MCL_ONFAULT is in force.
    var populatesNewAreas = false
}

/// The kernel's counters of one address space.
struct PerfScriptCounters {
    /// In the order of ``PerfScriptEvent/ResidentKind``, in bytes.
    var values = SIMD4<Int64>()
    var peak: Int64 = 0
    /// The values when the address space was last changed from within.
    var last: SIMD4<Int64>?

    mutating func set(_ kind: PerfScriptEvent.ResidentKind, _ bytes: Int64, isOwn: Bool) {
        values[kind.rawValue] = bytes
        peak = max(peak, values.wrappedSum())
        if isOwn { last = values }
    }
}

/// An address space under construction by execve.
struct PerfScriptImage {
    var name: String
    var areas: [PerfScriptArea] = []
    var mapTop: UInt64?
    /// The faults that the kernel took while it built the image.
    var faults: [Call] = []
    /// How many pages of arguments the kernel had written before the first recorded fault.
    var argumentPages: Int?

    /// Adds an area in the place of whatever was there: the kernel maps the whole of a file first
    /// and its segments over it.
    mutating func add(_ new: PerfScriptArea) {
        var pieces: [PerfScriptArea] = []
        for area in areas {
            if area.end <= new.start || area.start >= new.end {
                pieces.append(area)
                continue
            }
            if area.start < new.start {
                var piece = area
                piece.length = new.start - area.start
                pieces.append(piece)
            }
            if area.end > new.end {
                var piece = area
                piece.start = new.end
                piece.length = area.end - new.end
                if area.hasFile { piece.offset += new.end - area.start }
                pieces.append(piece)
            }
        }
        pieces.append(new)
        pieces.sort { $0.start < $1.start }
        areas = pieces
    }
}

/// A file of the recording while it is read.
struct PerfScriptFile {
    var id: FileID
    var description: FileDescription
    /// The step that creates it.
    var step: Int
    /// How far mappings reach into it, in bytes.
    var extent: UInt64 = 0
    /// Its length as the recorder found it.
    var statedLength: UInt64?
    /// Its length as ftruncate made it before it was first mapped.
    var truncatedLength: UInt64?
    /// Large folios that faults in it brought to light, by their first page.
    var folios: [UInt64: Range<UInt64>] = [:]

    /// The length to go by while the text is being read.
    var knownPages: UInt64? {
        (statedLength ?? truncatedLength).map { $0 / pageSize + ($0 % pageSize == 0 ? 0 : 1) }
    }

    /// Adds folios; a larger one replaces those it contains.
    mutating func learn(_ found: [Range<UInt64>]) {
        for folio in found {
            if folios.values.contains(where: { $0.overlaps(folio) && $0.count >= folio.count }) {
                continue
            }
            folios = folios.filter { !$0.value.overlaps(folio) }
            folios[folio.lowerBound] = folio
        }
    }
}
