// SPDX-License-Identifier: Apache-2.0

import Mooring

@testable import Workloads

/// Address spaces as a recording's own answers make them.
///
/// Every call does what the recorded kernel said it did. Whoever replays a recording this way and
/// arrives at the recorded program's maps has imported all of it, in the right order.
struct RecordedLayout {
    /// What tells two neighbouring ranges apart in maps, as far as it is replayed.
    struct Content: Equatable {
        var rights: UInt32
        var isShared: Bool
        /// The file's name, or empty.
        var name: String
        /// What the range's start is at in the file.
        var offset: UInt64
    }

    struct Range: Equatable, CustomStringConvertible {
        var start: UInt64
        var end: UInt64
        var content: Content

        var description: String {
            "\(String(start, radix: 16))-\(String(end, radix: 16)) \(content.rights) "
                + "\(content.isShared ? "s" : "p") \(content.name) \(content.offset)"
        }
    }

    private struct Space {
        var ranges: [Range] = []
        /// The end of the heap's last page.
        var breakEnd: UInt64 = 0
        var stackStart: UInt64?

        mutating func cut(_ start: UInt64, _ end: UInt64) -> [Range] {
            var kept: [Range] = []
            var taken: [Range] = []
            for range in ranges {
                for (from, to, isTaken) in [
                    (range.start, min(range.end, start), false),
                    (max(range.start, start), min(range.end, end), true),
                    (max(range.start, end), range.end, false),
                ] where from < to {
                    var piece = range
                    piece.start = from
                    piece.end = to
                    if !range.content.name.isEmpty {
                        piece.content.offset += from - range.start
                    }
                    if isTaken { taken.append(piece) } else { kept.append(piece) }
                }
            }
            ranges = kept
            return taken
        }

        mutating func put(_ new: Range) {
            _ = cut(new.start, new.end)
            ranges.append(new)
        }
    }

    private var spaces: [ProcessID: Int] = [:]
    private var all: [Space] = []
    private var files: [FileID: FileDescription] = [:]
    /// The ranges of each process when it exited.
    private(set) var atExit: [ProcessID: [Range]] = [:]

    init(_ recording: Recording) {
        for step in recording.steps { take(step) }
    }

    private mutating func take(_ step: Step) {
        let process = step.operation.process
        switch step.operation.call {
        case .spawn:
            spaces[process] = all.count
            all.append(Space())
        case .createFile(let file, let description): files[file] = description
        case .fork(let child, let sharesMemory):
            guard let space = spaces[process] else { return }
            spaces[child] = sharesMemory ? space : all.count
            if !sharesMemory { all.append(all[space]) }
        case .exec(let image):
            spaces[process] = all.count
            all.append(space(of: image))
        case .exit:
            guard let space = spaces.removeValue(forKey: process) else { return }
            atExit[process] = RecordedLayout.merged(all[space].ranges)
        default:
            guard let index = spaces[process] else { return }
            var space = all[index]
            change(&space, step)
            all[index] = space
        }
    }

    private func space(of image: ExecImage) -> Space {
        var space = Space(breakEnd: up(image.breakStart))
        for area in image.areas {
            if area.purpose == .stack { space.stackStart = area.address }
            space.put(
                Range(
                    start: area.address, end: area.address + area.length,
                    content: Content(
                        rights: area.protection.rawValue, isShared: false,
                        name: name(area.file), offset: area.fileOffset)))
        }
        return space
    }

    private func name(_ file: FileID?) -> String { file.flatMap { files[$0]?.name } ?? "" }

    private func up(_ address: UInt64) -> UInt64 { (address + 4095) & ~4095 }

    private func change(_ space: inout Space, _ step: Step) {
        if case .access(.absolute(let address, _), _) = step.operation.call {
            grow(&space, address)
        }
        guard case .value(let value) = step.recorded else { return }
        switch step.operation.call {
        case .mmap(_, let length, let protection, let flags, let file, let offset):
            space.put(
                Range(
                    start: value, end: up(value + length),
                    content: Content(
                        rights: protection.rawValue & 7, isShared: flags.contains(.shared),
                        name: name(file), offset: offset)))
        case .shmat(let file, _, let flags):
            space.put(
                Range(
                    start: value, end: up(value + (files[file]?.length ?? 0)),
                    content: Content(
                        rights: flags.contains(.readOnly) ? 1 : 3, isShared: true,
                        name: name(file), offset: 0)))
        case .munmap(.absolute(let address, let length)):
            _ = space.cut(address, up(address + length))
        case .shmdt(.absolute(let address)):
            if let range = space.ranges.first(where: { $0.start == address }) {
                _ = space.cut(range.start, range.end)
            }
        case .mprotect(.absolute(let address, let length), let protection):
            for var piece in space.cut(address, up(address + length)) {
                piece.content.rights = protection.rawValue & 7
                space.put(piece)
            }
        case .mremap(.absolute(let address, let length), let newLength, _, _):
            guard var piece = space.cut(address, up(address + length)).first else { return }
            piece.start = value
            piece.end = up(value + newLength)
            space.put(piece)
        case .brk:
            let end = up(value)
            if end < space.breakEnd {
                _ = space.cut(end, space.breakEnd)
            } else if end > space.breakEnd {
                space.put(
                    Range(
                        start: space.breakEnd, end: end,
                        content: Content(rights: 3, isShared: false, name: "", offset: 0)))
            }
            space.breakEnd = end
        default: break
        }
    }

    private func grow(_ space: inout Space, _ address: UInt64) {
        guard let start = space.stackStart, address < start, start - address < 8 << 20,
            !space.ranges.contains(where: { $0.start <= address && address < $0.end }),
            let index = space.ranges.firstIndex(where: { $0.start == start })
        else { return }
        space.ranges[index].start = address & ~4095
        space.stackStart = space.ranges[index].start
    }

    /// The ranges in ascending order, those merged that continue one another.
    static func merged(_ ranges: [Range]) -> [Range] {
        var merged: [Range] = []
        for range in ranges.sorted(by: { $0.start < $1.start }) {
            if let last = merged.last, last.end == range.start {
                var expected = last.content
                if !expected.name.isEmpty { expected.offset += last.end - last.start }
                if expected == range.content {
                    merged[merged.count - 1].end = range.end
                    continue
                }
            }
            merged.append(range)
        }
        return merged
    }

    /// The ranges that a text in the format of /proc/PID/maps shows.
    static func ranges(ofMaps text: String) -> [Range] {
        var ranges: [Range] = []
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            let ends = fields[0].split(separator: "-").map { UInt64($0, radix: 16) ?? 0 }
            var name = fields.count > 5 ? String(fields[5]) : ""
            while name.hasPrefix(" ") { name.removeFirst() }
            if name == "[vsyscall]" { continue }
            if name.hasPrefix("[") || fields[4] == "0" { name = "" }
            if name.hasSuffix(" (deleted)") { name.removeLast(" (deleted)".count) }
            if name.hasPrefix("/memfd:") { name.removeFirst("/memfd:".count) }
            var rights: UInt32 = 0
            for (letter, bit) in zip("rwx", [UInt32(1), 2, 4]) where fields[1].contains(letter) {
                rights |= bit
            }
            ranges.append(
                Range(
                    start: ends[0], end: ends[1],
                    content: Content(
                        rights: rights, isShared: fields[1].hasSuffix("s"), name: name,
                        offset: name.isEmpty ? 0 : UInt64(fields[2], radix: 16) ?? 0)))
        }
        return merged(ranges)
    }
}
