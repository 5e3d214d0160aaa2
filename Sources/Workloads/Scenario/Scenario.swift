// SPDX-License-Identifier: Apache-2.0
//
// A scenario: work written by hand, with what it is expected to do. `ScenarioParser` reads the
// text, `ScenarioPrinter` writes it, `Runner` carries it out. The language is described by example
// in `ScenarioGuide.swift`, whose text the tests parse.

import Mooring

/// Work written by hand: a machine, operations, and what is expected of them.
package struct Scenario: Hashable, Sendable {
    /// One line of a scenario that does or claims something.
    package struct Item: Hashable, Sendable {
        /// The number of the line, from 1.
        package var line: Int
        package var action: Action

        package init(line: Int, _ action: Action) {
            self.line = line
            self.action = action
        }
    }

    /// What a line does or claims.
    package enum Action: Hashable, Sendable {
        case operation(Operation, expected: ExpectedOutcome)
        case expect(Expectation)
    }

    /// What the machine is to be; a system that cannot choose its machine ignores it.
    package var machine: MachineSettings
    /// The lines in order.
    package var items: [Item]
    /// What the text calls its processes, regions and files.
    package var names: WorkloadNames
    /// Where the text says what the machine is to be: each setting with its value.
    package var settingPlaces: [MachineSettings.Name: ScenarioPlace] = [:]

    package init(
        machine: MachineSettings = .init(), items: [Item] = [], names: WorkloadNames = .init()
    ) {
        self.machine = machine
        self.items = items
        self.names = names
    }

    /// The operations alone, in order.
    package var operations: [Operation] {
        items.compactMap { item in
            guard case .operation(let operation, _) = item.action else { return nil }
            return operation
        }
    }
}

extension Scenario {
    /// Whether frames hold data: as the scenario says, or else where it stores or loads any.
    package var contents: MachineSettings.Contents {
        let holdsAny = operations.contains { [.store, .load].contains($0.call.kind) }
        return machine.contents ?? (holdsAny ? .bytes : .none)
    }
}

/// The machine that a scenario asks for; what it does not mention is the system's default.
package struct MachineSettings: Hashable, Sendable {
    /// The settings, as a scenario writes them.
    package enum Name: String, Hashable, Sendable, CaseIterable {
        case memory, nodes, cpus, contents, swap, swappiness
        case mlock, orders, tables, overcommit, maps, seed
    }
    /// Whether frames hold data.
    package enum Contents: String, Hashable, Sendable, CaseIterable {
        case none, bytes
    }
    /// How locked memory is kept from reclaim.
    package enum MlockDesign: String, Hashable, Sendable, CaseIterable {
        case none, rmap, count
    }
    /// What is done when no block of a high order is free.
    package enum HighOrders: String, Hashable, Sendable, CaseIterable {
        case none, lumpy, compaction
    }
    /// Which page tables processes share.
    package enum TableSharing: String, Hashable, Sendable, CaseIterable {
        case never, huge, all
    }

    /// Bytes of physical memory.
    package var memory: UInt64?
    /// NUMA nodes that share it evenly.
    package var nodes: Int?
    package var cpus: Int?
    package var contents: Contents?
    /// Bytes of swap.
    package var swap: UInt64?
    /// `vm.swappiness`.
    package var swappiness: Int?
    package var mlockDesign: MlockDesign?
    package var highOrders: HighOrders?
    package var tableSharing: TableSharing?
    /// `vm.overcommit_memory`.
    package var overcommit: Int?
    /// `vm.max_map_count`.
    package var maxMapCount: Int?
    /// What every pseudorandom choice of the machine starts from.
    package var seed: UInt64?

    package init() {}
}

/// What a workload calls the things that operations know by number.
package struct WorkloadNames: Hashable, Sendable {
    package var processes: [ProcessID: String] = [:]
    package var regions: [RegionID: String] = [:]
    package var files: [FileID: String] = [:]

    package init() {}

    /// The name of a process; `p12` where it was never given one.
    package func name(of process: ProcessID) -> String {
        processes[process] ?? "p\(process.rawValue)"
    }
    /// The name of a region; `r12` where it was never given one.
    package func name(of region: RegionID) -> String {
        regions[region] ?? "r\(region.rawValue)"
    }
    /// The name of a file; `f12` where it was never given one.
    package func name(of file: FileID) -> String {
        files[file] ?? "f\(file.rawValue)"
    }
}

extension ProcessID {
    /// Stands for no process in operations that happen outside of all, as creating a file does.
    package static let none = ProcessID(rawValue: 0)
}

/// What a scenario says becomes of an operation: the text after `=>`.
package enum ExpectedOutcome: Hashable, Sendable {
    /// Neither an error nor a signal; what a line without `=>` claims.
    case success
    /// Whatever happens is right.
    case anything
    /// An error, whichever.
    case failure
    case failed(Errno)
    /// One of these signals, and where, if the line says so.
    case signal(Set<Signal>, at: Address?)
    /// This very number.
    case value(UInt64)
    /// The address where a region is, or lies some bytes from.
    case address(Address)
    /// mincore's answer, a page each.
    case pages([Bool])
    /// move_pages' answer, a node or a negative error number for each page.
    case nodes([Int32])
    /// A load finds what a store of this seed over a span of the same length wrote.
    case pattern(seed: UInt64)
}

/// A claim about views and counters: a line that begins with `expect`.
package struct Expectation: Hashable, Sendable {
    /// A property of a page that pagemap tells.
    package enum PageState: String, Hashable, Sendable, CaseIterable {
        case present, swapped
        /// Mapped here and nowhere else.
        case exclusive
        /// Of a file, or of shared memory.
        case file
    }

    /// What the claim is about.
    package enum Subject: Hashable, Sendable {
        /// A field of `/proc/PID/status`.
        case status(ProcessID, field: String)
        /// A field of `/proc/PID/smaps_rollup`.
        case rollup(ProcessID, field: String)
        /// The sum of a field of smaps over the VMAs that overlap a span.
        case smaps(ProcessID, Span, field: String)
        /// How many VMAs a process has, or how many overlap a span.
        case areaCount(ProcessID, Span?)
        /// The permissions column of maps, the same in every VMA that overlaps a span.
        case permissions(ProcessID, Span)
        /// `VmFlags` of every VMA that overlaps a span.
        case flags(ProcessID, Span)
        /// How many pages of a span are in a state.
        case pages(ProcessID, Span, PageState)
        /// A field of meminfo.
        case machine(field: String)
        /// A counter of vmstat. One that only grows counts from the start of the run.
        case vmstat(counter: String)
    }

    /// How the two sides are to compare.
    package enum Relation: String, Hashable, Sendable, CaseIterable {
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        /// Every VMA has all of these flags.
        case has
        /// No VMA has any of these flags.
        case lacks
    }

    /// The right-hand side.
    package enum Value: Hashable, Sendable {
        case number(UInt64)
        case text(String)
    }

    package var subject: Subject
    package var relation: Relation
    package var value: Value

    package init(_ subject: Subject, _ relation: Relation, _ value: Value) {
        self.subject = subject
        self.relation = relation
        self.value = value
    }
}
