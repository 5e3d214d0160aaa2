// SPDX-License-Identifier: Apache-2.0
//
// Random work that wants more memory than there is.

import Mooring
import Workloads

/// Memory that all processes of the work have at one address.
struct PressureArea {
    let start: UInt64
    let pages: Int
    let file: FileID?
    let flags: MapFlags
    /// How many pages may be written privately: these need swap, or memory for good.
    let ownPages: Int
    /// How many pages, from the start, may be locked.
    let lockablePages: Int

    func span(_ pages: Range<Int>) -> Span {
        .absolute(
            address: start + UInt64(pages.lowerBound) << pageShift,
            length: UInt64(pages.count) << pageShift)
    }
}

/// Operations of two processes, and of children that come and go.
struct PressureWork {
    let areas: [PressureArea]
    static let processes = [ProcessID(rawValue: 1), ProcessID(rawValue: 2)]
    private var children: Int32 = 100

    /// Work for `memory` bytes in all.
    ///
    /// With swap all areas together are more than twice that. Without, what has nowhere to go is a
    /// quarter, and the pages of a file on a disk are twice the memory.
    init(memory: UInt64, hasSwap: Bool) {
        let all = Int(memory >> pageShift)
        let part = { (numerator: Int, denominator: Int) in max(8, all * numerator / denominator) }
        let lockable = part(1, 32)
        func area(
            _ index: UInt64, _ pages: Int, _ file: Int32?, _ flags: MapFlags, own: Int
        ) -> PressureArea {
            PressureArea(
                start: (0x10 + index) << 32, pages: pages, file: file.map(FileID.init(rawValue:)),
                flags: flags.union(.fixed), ownPages: own, lockablePages: min(pages, lockable))
        }
        let anonymous = hasSwap ? part(3, 4) : part(1, 16)
        let memoryFile = hasSwap ? part(1, 2) : part(1, 16)
        let diskFile = hasSwap ? part(1, 1) : part(2, 1)
        areas = [
            area(0, anonymous, nil, [.private, .anonymous], own: anonymous),
            area(1, memoryFile, 1, .shared, own: memoryFile),
            area(2, diskFile, 2, .shared, own: diskFile),
            area(3, diskFile, 2, .private, own: lockable),
        ]
    }

    /// What makes the areas.
    var beginning: [Operation] {
        let first = PressureWork.processes[0]
        var operations = PressureWork.processes.map { Operation($0, .spawn) }
        for (area, kind) in [(areas[1], FileDescription.Kind.memory), (areas[2], .disk)] {
            guard let file = area.file else { continue }
            operations.append(
                Operation(
                    first,
                    .createFile(
                        file,
                        FileDescription(
                            kind: kind, length: UInt64(area.pages) << pageShift,
                            name: kind == .disk ? "/pressure" : "pressure"))))
        }
        for process in PressureWork.processes {
            for area in areas {
                operations.append(
                    Operation(
                        process,
                        .mmap(
                            address: .absolute(area.start), length: UInt64(area.pages) << pageShift,
                            protection: [.read, .write], flags: area.flags, file: area.file,
                            offset: 0)))
            }
        }
        return operations
    }

    /// What is done next: one operation, or a short life of a child.
    mutating func next(using random: inout SeededRandom) -> [Operation] {
        let process = PressureWork.processes[Int.random(in: 0..<2, using: &random)]
        let area = areas[Int.random(in: 0..<areas.count, using: &random)]
        func part(of limit: Int, atMost length: Int) -> Span {
            let start = Int.random(in: 0..<limit, using: &random)
            let count = Int.random(in: 1...length, using: &random)
            return area.span(start..<min(limit, start + count))
        }
        let call: Call
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: call = .store(part(of: area.ownPages, atMost: 64), seed: random.next())
        case 25..<50: call = .load(part(of: area.pages, atMost: 128))
        case 50..<70: call = .access(part(of: area.pages, atMost: 512), .read)
        case 70..<76: call = .mlock(part(of: area.lockablePages, atMost: 64))
        case 76..<80: call = .mlock2(part(of: area.lockablePages, atMost: 64), .onFault)
        case 80..<88: call = .munlock(part(of: area.lockablePages, atMost: 64))
        case 88..<94: call = .madvise(part(of: area.pages, atMost: 512), .pageOut)
        case 94..<97: call = .madvise(part(of: area.pages, atMost: 512), .cold)
        default:
            children += 1
            let child = ProcessID(rawValue: children)
            return [
                Operation(process, .fork(child: child, sharesMemory: false)),
                Operation(child, .load(part(of: area.pages, atMost: 128))),
                Operation(
                    child, .store(part(of: area.lockablePages, atMost: 16), seed: random.next())),
                Operation(child, .load(part(of: area.lockablePages, atMost: 64))),
                Operation(child, .exit),
            ]
        }
        return [Operation(process, call)]
    }
}
