// SPDX-License-Identifier: Apache-2.0
//
// Reports to draw, made up from a seed: tests ask for the shapes that real runs have, and for
// those that are hard to draw.

import Mooring
import TestSupport

@testable import Reports
@testable import Workloads

/// What a made-up report is like.
struct SampleShape {
    var processes = 3
    var samples = 400
    var memory = ByteCount.gibibytes(4)
    var differences = 0
    var failures = 0
    /// How many of the later processes were killed for want of memory.
    var lost = 0
    var isRecording = true
    var isCompared = false
    /// What the second of two systems left out, and did otherwise.
    var leftOut: [LeftOut] = []
    var remarks: [String] = []
    var areas = 24
    var seed: UInt64 = 1
    /// Put into every name, to see that it is escaped.
    var mark = ""
}

extension RunReport {
    /// A report made up from a seed.
    static func sample(_ shape: SampleShape = .init()) -> RunReport {
        var maker = SampleMaker(shape)
        return maker.report()
    }
}

private struct SampleMaker {
    let shape: SampleShape
    var random: SeededRandom
    static let programs = [
        "redis-server", "redis-benchmark", "sh", "cc1", "as", "collect2", "ld", "make", "python3",
        "memcached", "cat", "redis-rdb-bgsv",
    ]

    init(_ shape: SampleShape) {
        self.shape = shape
        random = SeededRandom(seed: shape.seed)
    }

    mutating func report() -> RunReport {
        let summary = summary(system: "mooring")
        var comparison: ComparisonReport?
        if shape.isCompared {
            var other = summary
            other.system = "Linux 6.18.44"
            other.elapsed = .milliseconds(3912)
            other.peak.resident += 12 << 20
            for index in other.processes.indices {
                other.processes[index].peak.resident += UInt64(index) * 16384
                other.processes[index].images[0].peakResident += UInt64(index) * 16384
            }
            other.leftOut = shape.leftOut
            other.remarks = shape.remarks
            comparison = ComparisonReport(
                summaries: [summary, other],
                differences: (0..<3).map { index in
                    SystemDifference(
                        step: 100 * index, line: shape.isRecording ? nil : index + 4,
                        operation: "db\(shape.mark): mlock 0x1000 \(4 << index)K",
                        outcomes: ["ENOMEM", "EAGAIN"],
                        recorded: shape.isRecording ? "ENOMEM" : nil)
                },
                findingCount: 3, differenceCount: 3)
        }
        return RunReport(
            source: .init(
                shape.isRecording ? .recording : .scenario,
                name: shape.isRecording ? "Traces/redis-bgsave.trace" : "locked.scenario",
                command: shape.isRecording
                    ? "redis-server --save '' --port 7777 & redis-benchmark -n 20000\(shape.mark)"
                    : nil,
                recordedOn: shape.isRecording ? "Linux 6.18.44 x86_64" : nil),
            summary: summary, picture: picture(), comparison: comparison,
            notes: ["Audited after every 100 operations: nothing found."],
            production: .init(
                command: "mooring run Traces/redis-bgsave.trace --memory 4G --report run.html",
                version: "0.1.0", date: "2026-11-21 11:30", details: ["Swift 6.3.1, Linux x86_64"]))
    }

    // MARK: Summary

    private mutating func summary(system: String) -> RunSummary {
        var summary = RunSummary(system: system)
        summary.operations = 48213
        summary.elapsed = .milliseconds(412)
        let steps = summary.operations
        for index in 0..<shape.processes {
            let program = SampleMaker.programs[index % SampleMaker.programs.count] + shape.mark
            let first = index == 0 ? 0 : Int.random(in: 0..<steps * 2 / 3, using: &random)
            let lives = Int.random(in: steps / 20..<steps / 3, using: &random)
            var process = ProcessSummary(
                process: ProcessID(rawValue: Int32(4100 + index * 7)), name: program,
                parent: index == 0 ? nil : ProcessID(rawValue: 4100), firstStep: first,
                lastStep: index == 0 ? nil : min(steps - 1, first + lives))
            process.peak.resident = UInt64.random(in: 200...12000, using: &random) * 4096
            if index == 0 { process.peak.resident = 84 << 20 }
            process.peak.locked = index % 4 == 1 ? process.peak.resident / 3 * 2 : 0
            process.peak.pageTables = process.peak.resident / 300 / 4096 * 4096 + 40960
            var image = ImageSummary(
                image: 1, name: program, peakResident: process.peak.resident,
                lastResident: ResidentFigures())
            process.minorFaults = process.peak.resident / 4096
            process.majorFaults = UInt64.random(in: 0...40, using: &random)
            if shape.isRecording, index != 2 {
                image.recordedPeakResident = UInt64(
                    Double(process.peak.resident) * Double.random(in: 0.97...1.04, using: &random))
            }
            process.images = [image]
            summary.processes.append(process)
        }
        addLosses(to: &summary)
        addCalls(to: &summary)
        addTimeline(to: &summary)
        addFindings(to: &summary)
        return summary
    }

    private func addLosses(to summary: inout RunSummary) {
        for index in summary.processes.indices.suffix(shape.lost) {
            let process = summary.processes[index]
            summary.processes[index].images[0].isCutShort = true
            let step = process.lastStep ?? summary.operations - 1
            summary.processes[index].lastStep = step
            summary.lost.append(
                LostProcess(
                    process: process.process, name: process.name, cause: .killed(.outOfMemory),
                    step: step, line: shape.isRecording ? nil : 7, time: UInt64(step) * 91_000,
                    operation: "touch 0x7f1234567000 1 write\(shape.mark)", held: process.peak,
                    freeMemory: 612 << 10, wasExpected: false, skippedSteps: 100 + index))
        }
    }

    private func addCalls(to summary: inout RunSummary) {
        summary.calls = [
            CallTally(kind: .access, count: 39120),
            CallTally(kind: .brk, count: 3120), CallTally(kind: .mmap, count: 2218),
            CallTally(kind: .mprotect, count: 1411), CallTally(kind: .munmap, count: 1300),
            CallTally(kind: .madvise, count: 411, errors: [.EINVAL: 3, .ENOMEM: 1]),
            CallTally(kind: .mremap, count: 92), CallTally(kind: .fork, count: 23),
            CallTally(kind: .exec, count: 21), CallTally(kind: .exit, count: 23),
            CallTally(kind: .mlock, count: 12, errors: [.ENOMEM: 2, .EPERM: 1, .EAGAIN: 2]),
            CallTally(kind: .mincore, count: 4), CallTally(kind: .mlockall, count: 1),
        ]
        summary.accesses = [
            AccessTally(kind: .read, count: 21000, pages: 44021),
            AccessTally(
                kind: .write, count: 18100, pages: 61020, signals: [.segmentationUnmapped: 1]),
        ]
        summary.faults = [
            FaultCount(kind: "anonymous", count: 28110), FaultCount(kind: "file read", count: 6120),
            FaultCount(kind: "copy on write", count: 3921),
            FaultCount(kind: "zero page", count: 812),
            FaultCount(kind: "file write", count: 121), FaultCount(kind: "huge", count: 0),
            FaultCount(kind: "write permission only", count: 9),
        ]
    }

    private mutating func addTimeline(to summary: inout RunSummary) {
        let steps = summary.operations
        guard shape.samples > 0 else {
            summary.peak.resident = summary.processes.reduce(0) { $0 + $1.peak.resident }
            return
        }
        for sample in 0..<shape.samples {
            let step = shape.samples == 1 ? steps - 1 : sample * (steps - 1) / (shape.samples - 1)
            var point = TimelinePoint(
                step: step, time: shape.isRecording ? UInt64(step) * 91_000 : 0, processes: [],
                total: MemoryFigures())
            for process in summary.processes {
                let last = process.lastStep ?? steps
                guard process.firstStep <= step, step <= last else { continue }
                let life = Double(max(1, last - process.firstStep))
                let age = Double(step - process.firstStep) / life
                let growth = min(1, age * 2.2) * Double.random(in: 0.96...1, using: &random)
                var figures = MemoryFigures()
                figures.resident = UInt64(Double(process.peak.resident) * growth) / 4096 * 4096
                figures.locked = age > 0.3 ? UInt64(Double(process.peak.locked) * growth) : 0
                figures.pageTables = UInt64(Double(process.peak.pageTables) * growth)
                point.processes.append(.init(process: process.process, figures: figures))
                point.total.add(figures)
            }
            summary.peak.raise(to: point.total)
            summary.timeline.append(point)
        }
    }

    private func addFindings(to summary: inout RunSummary) {
        if shape.isRecording {
            summary.compared = 8412
        } else {
            summary.checked = 34
        }
        for index in 0..<shape.differences {
            let kind = Difference.Kind.allCases[index % 3]
            summary.differenceCounts[kind, default: 0] += 1
            guard summary.differences.count < 100 else { continue }
            summary.differences.append(
                Difference(
                    kind: kind, step: 1000 + index * 37,
                    operation: "redis_server\(shape.mark): mmap \(index + 1)M rw private anonymous",
                    recorded: kind == .outcome ? .failed(.ENOMEM) : .value(0x7F12_3456_7000),
                    got: .value(0x7F12_3450_0000)))
        }
        summary.failureCount = shape.failures
        for index in 0..<shape.failures {
            summary.failures.append(
                ExpectationFailure(
                    line: 12 + index, text: "expect db\(shape.mark) VmLck == 128M", got: "64M"))
        }
    }
}

// MARK: Picture

extension SampleMaker {
    mutating func picture() -> MachinePicture {
        let count = Int(shape.memory.bytes / PhysicalMap.pageblockBytes)
        let kinds: [FrameHolder] = [
            .anonymous, .anonymous, .file, .sharedMemory, .locked, .anonymous,
        ]
        var cells: [PageblockCell] = []
        cells.reserveCapacity(count)
        for index in 0..<count {
            let inUse = min(140, count * 2 / 3)
            switch index {
            case 0..<4: cells.append(PageblockCell(.other, fullness: 1))
            case 4..<7: cells.append(PageblockCell(.pageTables, fullness: 0.4))
            case _ where index < inUse:
                cells.append(
                    PageblockCell(
                        kinds[index / 9 % kinds.count],
                        fullness: Double.random(in: 0.2...1, using: &random)))
            case _ where index > count - 4:
                cells.append(PageblockCell(.file, fullness: 0.1))
            default: cells.append(PageblockCell(.free, fullness: 0))
            }
        }
        let isSmall = shape.memory.bytes <= 4 << 30
        return MachinePicture(
            configuration:
                "\(Figures.bytes(shape.memory.bytes)), 1 node, 2 CPUs, mlock counts\(shape.mark)",
            memory: PhysicalMap(pageblocks: cells),
            zones: [
                ZoneFragmentation(
                    name: "node 0, DMA32",
                    freeBlocks: [211, 98, 60, 41, 12, 9, 4, 3, 2, 2, isSmall ? 740 : 1000]),
                ZoneFragmentation(
                    name: "node 0, Normal", freeBlocks: [801, 420, 133, 20, 8, 2, 0, 0, 0, 0, 0]),
            ],
            addressSpaces: [addressSpace()])
    }

    private mutating func addressSpace() -> AddressSpacePicture {
        var areas: [AddressSpacePicture.Area] = []
        var address: UInt64 = 0x5581_1ACE_0000
        func add(
            _ length: UInt64, _ rights: String, _ name: String, resident: Double,
            isLocked: Bool = false
        ) {
            areas.append(
                .init(
                    start: address, end: address + length, rights: rights, name: name + shape.mark,
                    resident: UInt64(Double(length) * resident) / 4096 * 4096,
                    locked: isLocked ? length : 0))
            address += length
        }
        add(0x4_C000, "r--p", "/usr/bin/redis-server", resident: 0.8)
        add(0x13_1000, "r-xp", "/usr/bin/redis-server", resident: 0.6)
        add(0x7_5000, "r--p", "/usr/bin/redis-server", resident: 0.4)
        add(0x8000, "rw-p", "/usr/bin/redis-server", resident: 1)
        address = 0x5581_1C00_0000
        add(0x21_000, "rw-p", "[heap]", resident: 0.9)
        address = 0x7F12_0000_0000
        add(72 << 20, "rw-p", "", resident: 0.93, isLocked: true)
        address += 1 << 20
        add(8 << 20, "rw-p", "", resident: 0.01)
        add(4096, "---p", "", resident: 0)
        var index = 0
        while areas.count < shape.areas - 4 {
            let stem = ["c", "m", "ssl", "crypto", "dl"][index % 5]
            let library = "/usr/lib/x86_64-linux-gnu/lib\(stem).so.\(index)"
            if index.isMultiple(of: 3) { address += UInt64(index) << 16 }
            add(0x2_6000, "r--p", library, resident: 0.9)
            add(0x15_5000, "r-xp", library, resident: 0.5)
            add(0x5_3000, "r--p", library, resident: 0.3)
            add(0x4000, "r--p", library, resident: 1)
            add(0x2000, "rw-p", library, resident: 1)
            index += 1
        }
        address = 0x7FFC_8A00_0000
        add(0x2_1000, "rw-p", "[stack]", resident: 0.5)
        address += 0x4_0000
        add(0x4000, "r--p", "[vvar]", resident: 0)
        add(0x2000, "r-xp", "[vdso]", resident: 1)
        return AddressSpacePicture(
            process: ProcessID(rawValue: 4100), name: "redis-server\(shape.mark)",
            moment: "at its peak", areas: areas)
    }
}
