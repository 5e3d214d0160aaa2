// SPDX-License-Identifier: Apache-2.0
//
// The shape of the JSON text, where it is about machines. The keys: `JSONReport`.

import Mooring
import Workloads

struct JSONMemory: Encodable {
    struct Owner: Encodable {
        var owner: String
        var pageblocks: Int
        var bytes: UInt64
    }

    var bytes: UInt64
    var pageblocks: Int
    var pageblocksPerCell: Int
    var owners: [Owner]
    var cells: String

    /// How many cells the text has at most: 16 KiB.
    static let cellLimit = 8192

    init(_ map: PhysicalMap) {
        let map = map.folded(to: JSONMemory.cellLimit)
        bytes = map.bytes
        pageblocks = map.pageblocks
        pageblocksPerCell = map.pageblocksPerCell
        owners = map.tallies.map {
            Owner(owner: $0.owner.name, pageblocks: $0.pageblocks, bytes: $0.bytes)
        }
        cells = map.letters
    }
}

extension PhysicalMap {
    /// Two letters a cell: the owner, and the fullness from 0 to 9.
    var letters: String {
        var text = ""
        for cell in cells {
            text.append(cell.owner.letter)
            // 9 is full and 0 is empty; what is neither is between them.
            let digit = cell.fullness >= 1 ? 9 : cell.fullness <= 0 ? 0 : 1 + Int(cell.fullness * 8)
            text += String(digit)
        }
        return text
    }
}

extension FrameHolder {
    /// The letter that stands for it in compact maps.
    var letter: Character {
        switch self {
        case .free: "F"
        case .anonymous: "A"
        case .file: "M"
        case .sharedMemory: "S"
        case .locked: "L"
        case .pageTables: "T"
        case .other: "O"
        }
    }
}

struct JSONZone: Encodable {
    struct Order: Encodable {
        var order: Int
        var freeBlocks: Int
        var unusable: Int
        var fragmentation: Int
    }

    var zone: String
    var orders: [Order]

    init(_ zone: ZoneFragmentation) {
        self.zone = zone.name
        orders = zone.rows.map {
            Order(
                order: $0.order, freeBlocks: $0.freeBlocks, unusable: $0.unusable,
                fragmentation: $0.fragmentation)
        }
    }
}

struct JSONAddressSpace: Encodable {
    struct Area: Encodable {
        var start: String
        var end: String
        var rights: String
        var name: String
        var resident: UInt64
        var locked: UInt64
    }

    var pid: Int32
    var name: String
    var moment: String
    var areas: [Area]

    init(_ picture: AddressSpacePicture) {
        pid = picture.process.rawValue
        name = picture.name
        moment = picture.moment
        areas = picture.areas.map {
            Area(
                start: Figures.address($0.start), end: Figures.address($0.end), rights: $0.rights,
                name: $0.name, resident: $0.resident, locked: $0.locked)
        }
    }
}

struct JSONComparison: Encodable {
    struct System: Encodable {
        var name: String
        var elapsed: Double
        var peak: JSONFigures
        var minorFaults: UInt64
        var majorFaults: UInt64
        var failedCalls: Int
        var recording: Recording
        var claims: Claims
        var leftOut: [JSONLeftOut]
        var processes: [Process]
    }

    struct Recording: Encodable {
        var compared: Int
        var differenceCount: Int
    }

    struct Claims: Encodable {
        var checked: Int
        var failureCount: Int
    }

    struct Process: Encodable {
        var pid: Int32
        var peakResident: UInt64
        var deviation: Double?
    }

    struct Difference: Encodable {
        var step: Int
        var line: Int?
        var operation: String
        var recorded: String?
        var outcomes: [String]
    }

    var systems: [System]
    var differenceCount: Int
    var differences: [Difference]

    init(_ comparison: ComparisonReport) {
        systems = comparison.summaries.map { summary in
            System(
                name: summary.system, elapsed: Figures.seconds(summary.elapsed),
                peak: JSONFigures(summary.peak),
                minorFaults: summary.processes.reduce(0) { $0 + $1.minorFaults },
                majorFaults: summary.processes.reduce(0) { $0 + $1.majorFaults },
                failedCalls: summary.calls.reduce(0) { $0 + $1.errorCount },
                recording: Recording(
                    compared: summary.compared, differenceCount: summary.differenceCount),
                claims: Claims(checked: summary.checked, failureCount: summary.failureCount),
                leftOut: summary.leftOut.map(JSONLeftOut.init),
                processes: summary.processes.map {
                    Process(
                        pid: $0.process.rawValue, peakResident: $0.peak.resident,
                        deviation: $0.worstDeviation)
                })
        }
        differenceCount = comparison.differenceCount
        differences = comparison.differences.map {
            Difference(
                step: $0.step, line: $0.line, operation: $0.operation,
                recorded: $0.recorded, outcomes: $0.outcomes)
        }
    }
}
