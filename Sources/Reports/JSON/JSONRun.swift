// SPDX-License-Identifier: Apache-2.0
//
// The shape of the JSON text. What the keys mean is said once, at `JSONReport`.

import Mooring
import Workloads

/// The whole text.
struct JSONRun: Encodable {
    struct Source: Encodable {
        var kind: String
        var name: String
        var command: String?
        var recordedOn: String?
    }

    struct Machine: Encodable {
        var configuration: String?
        var moment: String?
    }

    struct Recording: Encodable {
        struct Difference: Encodable {
            var kind: String
            var step: Int
            var operation: String
            var recorded: String
            var got: String
        }

        var compared: Int
        var differenceCount: Int
        var differenceCounts: [String: Int]
        var differences: [Difference]
    }

    struct Claims: Encodable {
        struct Failure: Encodable {
            var line: Int
            var text: String
            var got: String
        }

        var checked: Int
        var skipped: Int
        var failureCount: Int
        var failures: [Failure]
    }

    struct Production: Encodable {
        var command: String
        var version: String
        var date: String?
        var details: [String]
    }

    var schema = "mooring.run/1"
    var source: Source
    var system: String
    var machine: Machine
    var operations: Int
    var elapsed: Double
    var agrees: Bool
    var stopped: String?
    var notes: [String]
    var processes: [JSONProcess]
    var lost: [JSONLost]
    var operationsByCPU: [Int]?
    var calls: [JSONCall]
    var accesses: [JSONAccess]
    var faults: [JSONFault]
    var peak: JSONFigures
    var timeline: [JSONPoint]
    var recording: Recording
    var claims: Claims
    var leftOut: [JSONLeftOut]
    var memory: JSONMemory?
    var fragmentation: [JSONZone]?
    var addressSpaces: [JSONAddressSpace]?
    var comparison: JSONComparison?
    var production: Production

    init(_ report: RunReport) {
        let summary = report.summary
        source = Source(
            kind: report.source.kind.rawValue, name: report.source.name,
            command: report.source.command, recordedOn: report.source.recordedOn)
        system = summary.system
        machine = Machine(
            configuration: report.picture?.configuration, moment: report.picture?.moment)
        operations = summary.operations
        elapsed = Figures.seconds(summary.elapsed)
        agrees = Verdict(report).isGood
        stopped = report.stopped
        notes = report.notes + report.systemRemarks
        processes = summary.processes.map(JSONProcess.init)
        lost = summary.lost.map(JSONLost.init)
        operationsByCPU = summary.operationsByCPU.isEmpty ? nil : summary.operationsByCPU
        calls = report.systemCalls.map(JSONCall.init)
        accesses = summary.accesses.map(JSONAccess.init)
        faults = report.faults.map { JSONFault(kind: $0.kind, count: $0.count) }
        peak = JSONFigures(summary.peak)
        timeline = summary.timeline.map(JSONPoint.init)
        recording = Recording(
            compared: summary.compared, differenceCount: summary.differenceCount,
            differenceCounts: Dictionary(
                uniqueKeysWithValues: summary.differenceCounts.map { ($0.key.rawValue, $0.value) }),
            differences: summary.differences.map {
                .init(
                    kind: $0.kind.rawValue, step: $0.step, operation: $0.operation,
                    recorded: $0.recorded.description, got: $0.got.description)
            })
        claims = Claims(
            checked: summary.checked, skipped: summary.skipped,
            failureCount: summary.failureCount,
            failures: summary.failures.map { .init(line: $0.line, text: $0.text, got: $0.got) })
        leftOut = summary.leftOut.map(JSONLeftOut.init)
        memory = report.picture?.memory.map(JSONMemory.init)
        if let picture = report.picture {
            fragmentation = picture.zones.isEmpty ? nil : picture.zones.map(JSONZone.init)
            addressSpaces =
                picture.addressSpaces.isEmpty
                ? nil : picture.addressSpaces.map(JSONAddressSpace.init)
        }
        comparison = report.comparison.map(JSONComparison.init)
        production = Production(
            command: report.production.command, version: report.production.version,
            date: report.production.date, details: report.production.details)
    }
}

struct JSONLeftOut: Encodable {
    var reason: String
    var operations: Int
    var claims: Int

    init(_ leftOut: LeftOut) {
        reason = leftOut.reason
        operations = leftOut.operations
        claims = leftOut.claims
    }
}

struct JSONFigures: Encodable {
    var resident: UInt64
    var locked: UInt64
    var pageTables: UInt64

    init(_ figures: MemoryFigures) {
        resident = figures.resident
        locked = figures.locked
        pageTables = figures.pageTables
    }
}

struct JSONCall: Encodable {
    var name: String
    var count: Int
    var failed: Int
    var errors: [String: Int]

    init(_ call: CallTally) {
        name = call.kind.rawValue
        count = call.count
        failed = call.errorCount
        errors = Dictionary(
            call.errors.map { ($0.key.description, $0.value) }, uniquingKeysWith: +)
    }
}

struct JSONAccess: Encodable {
    var kind: String
    var count: Int
    var pages: UInt64
    var signals: [String: Int]

    init(_ access: AccessTally) {
        kind =
            switch access.kind {
            case .read: "read"
            case .write: "write"
            case .execute: "execute"
            }
        count = access.count
        pages = access.pages
        signals = Dictionary(
            access.signals.map { ($0.key.word, $0.value) }, uniquingKeysWith: +)
    }
}

struct JSONFault: Encodable {
    var kind: String
    var count: UInt64
}

struct JSONPoint: Encodable {
    struct Process: Encodable {
        var pid: Int32
        var resident: UInt64
        var locked: UInt64
        var pageTables: UInt64
    }

    var step: Int
    var nanoseconds: UInt64
    var resident: UInt64
    var locked: UInt64
    var pageTables: UInt64
    var processes: [Process]

    init(_ point: TimelinePoint) {
        step = point.step
        nanoseconds = point.time
        resident = point.total.resident
        locked = point.total.locked
        pageTables = point.total.pageTables
        processes = point.processes.map {
            Process(
                pid: $0.process.rawValue, resident: $0.figures.resident,
                locked: $0.figures.locked, pageTables: $0.figures.pageTables)
        }
    }
}
