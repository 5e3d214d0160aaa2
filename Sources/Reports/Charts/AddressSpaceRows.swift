// SPDX-License-Identifier: Apache-2.0
//
// An address space as rows of a strip: a few dozen however many areas there are. First the
// segments of a file become one row, then what is small goes together with its neighbours.

import Workloads

/// A row of the strip.
struct AddressSpaceRow {
    /// What an area is, as far as its name tells.
    enum Kind: String, CaseIterable {
        case file
        case heap
        case anonymous
        case stack
        case sharedMemory
        case kernel
        /// Several of them.
        case mixed

        var label: String {
            switch self {
            case .file: "files"
            case .heap: "heap"
            case .anonymous: "anonymous"
            case .stack: "stack"
            case .sharedMemory: "shared memory"
            case .kernel: "the kernel's own"
            case .mixed: "several"
            }
        }
    }

    var kind: Kind
    var start: UInt64
    var end: UInt64
    /// How many areas it stands for.
    var areas: Int
    var name: String
    /// `rw-p`, or nothing where they differ.
    var rights: String
    /// Bytes that are mapped: less than from start to end where there are gaps between.
    var mapped: UInt64
    var resident: UInt64
    var locked: UInt64

    init(_ area: AddressSpacePicture.Area) {
        kind = Kind(area)
        start = area.start
        end = area.end
        areas = 1
        name = area.name
        rights = area.rights
        mapped = area.length
        resident = area.resident
        locked = area.locked
    }

    /// Takes in the next row.
    private mutating func absorb(_ next: AddressSpaceRow) {
        end = next.end
        areas += next.areas
        if kind != next.kind { kind = .mixed }
        if name != next.name { name = "" }
        if rights != next.rights { rights = "" }
        mapped += next.mapped
        resident += next.resident
        locked += next.locked
    }

    /// How many rows stay as they are where there are too many.
    private static let keptLimit = 24
    /// From how many rows on small ones go together.
    private static let rowLimit = 44

    /// The rows of an address space, in ascending order.
    static func rows(_ areas: [AddressSpacePicture.Area]) -> [AddressSpaceRow] {
        var rows: [AddressSpaceRow] = []
        let isLong = areas.count > rowLimit
        for row in areas.map(AddressSpaceRow.init) {
            if isLong, let last = rows.last, last.end == row.start, last.name == row.name,
                last.kind == row.kind
            {
                rows[rows.count - 1].absorb(row)
            } else {
                rows.append(row)
            }
        }
        guard rows.count > rowLimit else { return rows }
        let ranked = rows.indices.sorted { one, other in
            (rows[other].weight, one) < (rows[one].weight, other)
        }
        let kept = Set(ranked.prefix(keptLimit))
        var folded: [AddressSpaceRow] = []
        var isOpen = false
        for index in rows.indices {
            if kept.contains(index) {
                folded.append(rows[index])
                isOpen = false
            } else if isOpen {
                folded[folded.count - 1].absorb(rows[index])
            } else {
                folded.append(rows[index])
                isOpen = true
            }
        }
        return folded
    }

    /// What makes a row worth keeping: memory that is there counts for more than room for it.
    private var weight: UInt64 { resident &+ mapped >> 8 }
}

extension AddressSpaceRow.Kind {
    init(_ area: AddressSpacePicture.Area) {
        let name = area.name
        if name.isEmpty || name.hasPrefix("[anon") {
            self = area.rights.last == "s" ? .sharedMemory : .anonymous
        } else if name.hasPrefix("[heap]") {
            self = .heap
        } else if name.hasPrefix("[stack]") {
            self = .stack
        } else if name.hasPrefix("[") {
            self = .kernel
        } else if name.hasPrefix("/dev/shm/") || name.hasPrefix("/memfd:")
            || name.hasPrefix("/SYSV") || name.hasPrefix("/dev/zero")
        {
            self = .sharedMemory
        } else {
            self = .file
        }
    }
}
