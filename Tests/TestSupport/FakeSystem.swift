// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// A memory system of a few pages of code, for tests of what drives systems.
///
/// It knows anonymous memory only, checks little, and frees nothing that is shared: a file's
/// mapping is anonymous memory here, and fork copies.
package final class FakeSystem: MemorySystem {
    /// A mapping.
    package struct Area {
        var range: Range<UInt64>
        var protection: Protection
        var isLocked = false
    }

    private struct Process {
        var areas: [Area] = []
        var pages: [UInt64: [UInt8]] = [:]
        var breakEnd: UInt64 = 0x5555_0000_0000
        var peak: UInt64 = 0
        var faults: UInt64 = 0
    }

    package let name: String
    package var ownsMachine = true
    package var cpuCount = 1
    /// Where the top-down search for room begins.
    private let top: UInt64
    private var processes: [ProcessID: Process] = [:]
    private var faults: UInt64 = 0
    /// Every operation it was given, as it was given.
    package private(set) var log: [Operation] = []
    /// What to answer instead of carrying an operation out, by its number from 0.
    package var answers: [Int: Outcome] = [:]
    /// What to refuse, by its number from 0.
    package var refusals: [Int: HostRefusal] = [:]
    package var remarks: [String] = []

    package init(name: String = "fake", top: UInt64 = 0x7FFF_0000_0000) {
        self.name = name
        self.top = top
    }

    package func perform(_ operation: Operation) throws -> Outcome {
        log.append(operation)
        if let refusal = refusals[log.count - 1] { throw refusal }
        if let answer = answers[log.count - 1] { return answer }
        switch operation.call {
        case .spawn:
            processes[operation.process] = Process()
            return .value(0)
        case .createFile, .ftruncate, .punchHole, .readFile, .writeFile, .shmLock:
            return .value(0)
        default: break
        }
        guard var process = processes[operation.process] else {
            throw SystemFailure("process \(operation.process.rawValue) does not exist")
        }
        let outcome = perform(operation.call, in: &process)
        process.peak = max(process.peak, UInt64(process.pages.count) * pageSize)
        switch operation.call {
        case .exit: processes[operation.process] = nil
        case .fork(let child, _):
            processes[operation.process] = process
            processes[child] = process
            return .value(UInt64(child.rawValue))
        default: processes[operation.process] = process
        }
        return outcome
    }

    // MARK: Calls

    private func perform(_ call: Call, in process: inout Process) -> Outcome {
        switch call {
        case .mmap(.absolute(let address), let length, let protection, let flags, _, _):
            guard length > 0 else { return .failed(.EINVAL) }
            let isFixed = !flags.isDisjoint(with: [.fixed, .fixedNoReplace])
            let start = isFixed ? address : room(for: length.roundedUpToPages, in: process)
            let range = start..<start + length.roundedUpToPages
            unmap(range, in: &process)
            process.areas.append(
                Area(range: range, protection: protection, isLocked: flags.contains(.locked)))
            return .value(start)
        case .munmap(let span):
            guard let range = Self.range(span) else { return .failed(.EINVAL) }
            unmap(range, in: &process)
            return .value(0)
        case .mremap(let span, let newLength, _, _):
            guard let old = Self.range(span), isMapped(old, in: process) else {
                return .failed(.EFAULT)
            }
            let start = room(for: newLength.roundedUpToPages, in: process)
            let kept = process.pages.filter { old.contains($0.key) }
            unmap(old, in: &process)
            for (page, data) in kept { process.pages[start + page - old.lowerBound] = data }
            process.areas.append(
                Area(
                    range: start..<start + newLength.roundedUpToPages,
                    protection: [.read, .write]))
            return .value(start)
        case .brk(.absolute(let end)):
            if end > process.breakEnd {
                process.areas.append(
                    Area(range: process.breakEnd..<end, protection: [.read, .write]))
                process.breakEnd = end
            }
            return .value(process.breakEnd)
        case .mlock(let span), .mlock2(let span, _): return lock(span, true, in: &process)
        case .munlock(let span): return lock(span, false, in: &process)
        case .mincore(let span):
            guard let range = Self.range(span), isMapped(range, in: process) else {
                return .failed(.ENOMEM)
            }
            return .pages(
                stride(from: range.lowerBound, to: range.upperBound, by: 4096)
                    .map { process.pages[$0] == nil ? 0 : 1 })
        case .access(let span, _):
            return touch(span, in: &process) { _, _ in }
        case .store(let span, let seed):
            return touch(span, in: &process) { offset, byte in
                byte = StorePattern.byte(seed: seed, offset: offset)
            }
        case .load(let span):
            var sum = StorePattern.emptyChecksum
            let outcome = touch(span, in: &process) { _, byte in
                sum = StorePattern.checksum(sum, adding: byte)
            }
            return outcome == .value(0) ? .value(sum) : outcome
        case .exec:
            process = Process()
            return .value(0)
        default: return .value(0)
        }
    }

    private static func range(_ span: Span) -> Range<UInt64>? {
        guard case .absolute(let address, let length) = span, address.isPageAligned,
            length < 1 << 47, address < 1 << 47
        else { return nil }
        return address..<address + length.roundedUpToPages
    }

    private func room(for length: UInt64, in process: Process) -> UInt64 {
        var end = top
        for area in process.areas.sorted(by: { $0.range.lowerBound > $1.range.lowerBound })
        where area.range.lowerBound < end {
            if area.range.upperBound + length <= end { break }
            end = area.range.lowerBound
        }
        return end - length
    }

    private func isMapped(_ range: Range<UInt64>, in process: Process) -> Bool {
        stride(from: range.lowerBound, to: range.upperBound, by: 4096).allSatisfy { page in
            process.areas.contains { $0.range.contains(page) }
        }
    }

    private func unmap(_ range: Range<UInt64>, in process: inout Process) {
        process.areas = process.areas.flatMap { area -> [Area] in
            guard area.range.overlaps(range) else { return [area] }
            var (before, after) = (area, area)
            before.range = area.range.lowerBound..<max(area.range.lowerBound, range.lowerBound)
            after.range = min(area.range.upperBound, range.upperBound)..<area.range.upperBound
            return [before, after].filter { !$0.range.isEmpty }
        }
        process.pages = process.pages.filter { !range.contains($0.key) }
    }

    private func lock(_ span: Span, _ locked: Bool, in process: inout Process) -> Outcome {
        guard let range = Self.range(span), isMapped(range, in: process) else {
            return .failed(.ENOMEM)
        }
        for index in process.areas.indices where process.areas[index].range.overlaps(range) {
            process.areas[index].isLocked = locked
        }
        return .value(0)
    }

    private func touch(
        _ span: Span, in process: inout Process, body: (UInt64, inout UInt8) -> Void
    ) -> Outcome {
        guard case .absolute(let address, let length) = span else { return .failed(.EFAULT) }
        for offset in 0..<length {
            let at = address + offset
            guard offset == 0 || at.isPageAligned || length < 1 << 20 else { continue }
            guard process.areas.contains(where: { $0.range.contains(at) }) else {
                return .signal(.segmentationUnmapped, address: at)
            }
            var page = process.pages[at.pageAligned] ?? []
            if page.isEmpty {
                page = [UInt8](repeating: 0, count: 4096)
                process.faults += 1
                faults += 1
            }
            body(offset, &page[Int(at % 4096)])
            process.pages[at.pageAligned] = page
        }
        return .value(0)
    }

    package func kill(_ process: ProcessID) { processes[process] = nil }

    // MARK: Views

    private func process(_ process: ProcessID) throws -> Process {
        guard let found = processes[process] else {
            throw SystemFailure("process \(process.rawValue) does not exist")
        }
        return found
    }

    package func text(_ view: ProcessView, of id: ProcessID) throws -> String {
        let process = try process(id)
        let areas = process.areas.sorted { $0.range.lowerBound < $1.range.lowerBound }
        switch view {
        case .maps, .smaps:
            return areas.map { area in
                let hex = [area.range.lowerBound, area.range.upperBound]
                    .map { String($0, radix: 16) }
                let write = area.protection.contains(.write) ? "w" : "-"
                let head = "\(hex[0])-\(hex[1]) r\(write)-p 00000000 00:00 0\n"
                guard view == .smaps else { return head }
                let pages = process.pages.keys.count { area.range.contains($0) }
                return head + "Rss: \(pages * 4) kB\nVmFlags: rd wr\(area.isLocked ? " lo" : "")\n"
            }.joined()
        default:
            let sample = try sample(of: id)
            return "Name:\tfake\nVmLck:\t  \(sample.locked >> 10) kB\n"
                + "VmRSS:\t  \(sample.resident >> 10) kB\n"
        }
    }

    package func pagemap(
        of id: ProcessID, address: UInt64, pages: Int
    ) throws -> [UInt64] {
        let process = try process(id)
        return (0..<UInt64(pages)).map {
            process.pages[address + $0 * pageSize] == nil ? 0 : 1 << 63
        }
    }

    package func sample(of id: ProcessID) throws -> ProcessSample {
        let process = try process(id)
        var sample = ProcessSample()
        sample.anonymous = UInt64(process.pages.count) * pageSize
        sample.peakResident = process.peak
        sample.locked = process.areas.filter(\.isLocked)
            .reduce(0) { $0 + $1.range.upperBound - $1.range.lowerBound }
        sample.pageTables = pageSize
        sample.minorFaults = process.faults
        return sample
    }

    package func text(_ view: MachineView) throws -> String {
        view == .vmstat
            ? "nr_free_pages 100\npgfault \(faults + 1000)\n" : "MemTotal:  1024 kB\n"
    }
}
