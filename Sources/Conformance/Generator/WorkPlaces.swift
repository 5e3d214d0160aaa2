// SPDX-License-Identifier: Apache-2.0
//
// Where random work happens: an arena in which mappings are put on purpose, across the border of
// two page tables and too short for a huge page; the top, where a kernel puts what nobody placed;
// and the start of the heap.

import Mooring
import Workloads

/// The places of random work.
enum WorkPlaces {
    struct Place: Sendable {
        let start: UInt64
        let pages: UInt64

        func contains(_ address: UInt64) -> Bool {
            address >= start && address < start + pages * pageSize
        }
    }

    static let arena = Place(start: 0x2000_001E_0000, pages: 64)
    static let top = Place(start: ExecImage.defaultMapTop - 48 * pageSize, pages: 48)
    static let heap = Place(start: 0x5555_5555_C000, pages: 16)

    static func contain(_ address: UInt64) -> Bool {
        [arena, top, heap].contains { $0.contains(address) }
    }

    static func random(_ random: inout some RandomNumberGenerator) -> Place {
        switch random.below(20) {
        case 0..<15: arena
        case 15..<18: top
        default: heap
        }
    }

    /// The longest area that a call is given whole.
    static let longest = 64 * pageSize
    /// What processes begin with where the host has no lower limit.
    static let hardLockLimit: UInt64 = 8 << 20
    static let stackLimit: UInt64 = 8 << 20

    /// A program without areas: an empty address space.
    static let program = ExecImage(
        name: "work", areas: [], mapTop: ExecImage.defaultMapTop, breakStart: heap.start)
}

extension ProcessPermissions {
    /// The hard limit that processes begin with; `nil` for none.
    func hardLimit(_ resource: Resource) -> UInt64? {
        let given = hardLimits[resource] ?? .max
        if resource == .memlock { return min(given, WorkPlaces.hardLockLimit) }
        return given == .max ? nil : given
    }

    /// The soft limit of processes that are held back by none; `nil` for none.
    func usualLimit(_ resource: Resource) -> UInt64? {
        let hard = hardLimit(resource)
        return resource == .stack ? min(hard ?? .max, WorkPlaces.stackLimit) : hard
    }
}
