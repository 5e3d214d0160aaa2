// SPDX-License-Identifier: Apache-2.0
//
// A generator of work that no program would do: any call, with any argument, in a few small
// places so that what one call leaves behind is in the way of the next.
//
// Operations name addresses absolutely and are chosen without looking at outcomes, so that any
// part of a list can be carried out without the rest: that is what reduces a failure
// (`Reduction`). Three places are used: an arena in which mappings are put on purpose, across the
// border of two page tables and too short for a huge page; the top, where a kernel puts what
// nobody placed; and the start of the heap.

import Mooring
import Workloads

/// Makes random operations, one after another.
package struct RandomWork {
    /// Calls that are left out.
    package var without: Set<CallKind> = []
    /// Whether memory is locked.
    ///
    /// If it is, MREMAP_DONTUNMAP is left out: the kernel's count of locked pages is wrong for good
    /// after the two have met.
    package var locks = true

    private static let arena = Place(start: 0x2000_001E_0000, pages: 64)
    private static let top = Place(start: 0x7FFF_F7FF_F000 - 48 * pageSize, pages: 48)
    private static let heap = Place(start: 0x5555_5555_C000, pages: 16)

    /// Files that every list of operations starts by making.
    private static let files: [(FileID, FileDescription)] = [
        (FileID(rawValue: 1), FileDescription(kind: .memory, length: 16 * pageSize, name: "a")),
        (
            FileID(rawValue: 2),
            FileDescription(kind: .memory, length: 8 * pageSize, name: "b", access: .read)
        ),
    ]

    private struct Place {
        let start: UInt64
        let pages: UInt64
    }

    private var living: [ProcessID] = []
    private var lastProcess: Int32 = 0

    package init() {}

    /// The next operations: most often one.
    package mutating func next(using random: inout some RandomNumberGenerator) -> [Operation] {
        if lastProcess == 0 {
            return Self.files.map { Operation(.none, .createFile($0.0, $0.1)) } + spawn()
        }
        guard let process = living.randomElement(using: &random) else { return spawn() }
        while true {
            if let call = call(of: process, &random), !without.contains(call.kind),
                locks || !call.locksMemory
            {
                return [Operation(process, call)]
            }
        }
    }

    /// A process, without what the host may have given to those who run the tests.
    private mutating func spawn() -> [Operation] {
        lastProcess += 1
        let process = ProcessID(rawValue: lastProcess)
        living.append(process)
        return [
            Operation(process, .spawn), Operation(process, .setLockPrivilege(false)),
            Operation(process, Self.lockLimit(Self.hardLockLimit)),
        ]
    }

    /// Few hosts let a limit be raised above this.
    private static let hardLockLimit: UInt64 = 8 << 20

    private static func lockLimit(_ soft: UInt64) -> Call {
        .setLimit(.memlock, soft: soft, hard: hardLockLimit)
    }

    // MARK: Calls

    private mutating func call(
        of process: ProcessID, _ random: inout some RandomNumberGenerator
    ) -> Call? {
        switch random.below(145) {
        case 0..<25: return mmap(&random)
        case 25..<35: return .munmap(span(&random))
        case 35..<47: return .mprotect(span(&random), protection(&random))
        case 47..<57: return mremap(&random)
        case 57..<72: return .madvise(span(&random), advice(&random))
        case 72..<79: return .mlock(span(&random))
        case 79..<83: return .mlock2(span(&random), random.isLikely(95) ? .onFault : [])
        case 83..<89: return .munlock(span(&random))
        case 89: return .mlockall(LockAllFlags(rawValue: UInt32(random.below(8))))
        case 90: return .munlockall
        case 91..<116: return .access(smallSpan(&random), access(&random))
        case 116..<119:
            return .store(smallSpan(&random), seed: UInt64(random.below(1000)))
        case 119..<121: return .load(smallSpan(&random))
        case 121..<124: return .brk(.absolute(heapEnd(&random)))
        case 124..<129: return .mincore(smallSpan(&random))
        case 129..<131: return .msync(span(&random), SyncFlags(rawValue: UInt32(random.below(9))))
        case 131..<135: return fileCall(&random)
        case 135..<137: return limit(&random)
        case 137..<140:
            guard living.count < 3 else { return nil }
            lastProcess += 1
            living.append(ProcessID(rawValue: lastProcess))
            return .fork(child: ProcessID(rawValue: lastProcess), sharesMemory: false)
        case 140..<142:
            living.removeAll { $0 == process }
            return .exit
        default:
            return .remapFilePages(
                span(&random), protection: random.isLikely(95) ? .none : .read,
                pageOffset: UInt64(random.below(12)), flags: [])
        }
    }

    private func mmap(_ random: inout some RandomNumberGenerator) -> Call {
        var flags: MapFlags = []
        var file: FileID?
        switch random.below(100) {
        case 0..<55: flags = [.private, .anonymous]
        case 55..<67: flags = [.shared, .anonymous]
        case 67..<82: flags = .private
        case 82..<96: flags = .shared
        case 96: flags = .sharedValidate
        case 97: flags = [.droppable, .anonymous]
        default: flags = MapFlags(rawValue: UInt32(random.below(16)) | 0x20)
        }
        if !flags.contains(.anonymous) {
            file = Self.files[random.below(Self.files.count)].0
        }
        var start: UInt64 = 0
        switch random.below(100) {
        case 0..<60:
            flags.insert(.fixed)
            start = address(&random)
        case 60..<70:
            flags.insert(.fixedNoReplace)
            start = address(&random)
        case 70..<82: start = address(&random)
        default: break
        }
        let extras: [(MapFlags, Int)] = [
            (.locked, 7), (.populate, 12), (.noReserve, 5), (.growsDown, 5), (.stack, 3),
            (.nonBlock, 2), (.denyWrite, 2),
        ]
        for (flag, percent) in extras where random.isLikely(percent) { flags.insert(flag) }
        // On a host the helper's own areas lie below the top: a stack there would meet them.
        if flags.isDisjoint(with: [.fixed, .fixedNoReplace]) || start >= Self.top.start {
            flags.remove(.growsDown)
        }
        let offset =
            UInt64(random.below(random.isLikely(50) ? 1 : 12)) * pageSize
            + (random.isLikely(1) ? 7 : 0)
        return .mmap(
            address: .absolute(start), length: length(&random), protection: protection(&random),
            flags: flags, file: file, offset: offset)
    }

    private func mremap(_ random: inout some RandomNumberGenerator) -> Call {
        let old = span(&random)
        guard case .absolute(_, let length) = old else { return .munlockall }
        var flags: RemapFlags = random.isLikely(75) ? .mayMove : []
        if random.isLikely(45) { flags.insert(.fixed) }
        if !locks, random.isLikely(20) { flags.insert(.dontUnmap) }
        if random.isLikely(1) { flags.insert(RemapFlags(rawValue: 8)) }
        let newLength = random.isLikely(45) ? length : self.length(&random)
        let target = flags.isDisjoint(with: [.fixed, .dontUnmap]) ? 0 : address(&random)
        // A target of 0 with DONTUNMAP asks for any place.
        return .mremap(
            random.isLikely(4) ? .absolute(address: address(&random), length: 0) : old,
            newLength: newLength, flags: flags,
            newAddress: .absolute(flags.contains(.fixed) || random.isLikely(50) ? target : 0))
    }

    private func advice(_ random: inout some RandomNumberGenerator) -> Advice {
        let common: [Advice] = [.dontNeed, .free, .populateRead, .populateWrite, .dontNeedLocked]
        let all: [Advice] = [
            .normal, .random, .sequential, .willNeed, .dontNeed, .free, .remove, .dontFork,
            .doFork, .mergeable, .unmergeable, .hugePage, .noHugePage, .dontDump, .doDump,
            .wipeOnFork, .keepOnFork, .cold, .populateRead, .populateWrite,
            .dontNeedLocked, .guardInstall, .guardRemove, Advice(rawValue: 7),
        ]
        let list = random.isLikely(40) ? common : all
        return list[random.below(list.count)]
    }

    private func fileCall(_ random: inout some RandomNumberGenerator) -> Call {
        let file = Self.files[random.below(Self.files.count)].0
        let offset = UInt64(random.below(16)) * pageSize
        let odd = random.isLikely(25) ? UInt64(random.below(4096)) : 0
        return switch random.below(3) {
        case 0: .ftruncate(file, length: offset + pageSize + odd)
        case 1: .punchHole(file, offset: offset + odd, length: length(&random))
        default: .writeFile(file, offset: offset + odd, length: pageSize * 2)
        }
    }

    private func limit(_ random: inout some RandomNumberGenerator) -> Call {
        switch random.below(6) {
        case 0...3:
            let pages = UInt64(random.below(24))
            return Self.lockLimit(
                random.isLikely(40) ? Self.hardLockLimit : pages * pageSize + pages % 3)
        case 4:
            let pages = UInt64(40 + random.below(80))
            return .setLimit(
                .addressSpace, soft: random.isLikely(60) ? nil : pages * pageSize, hard: nil)
        default:
            let pages = UInt64(20 + random.below(60))
            return .setLimit(.data, soft: random.isLikely(60) ? nil : pages * pageSize, hard: nil)
        }
    }

    // MARK: Arguments

    private func access(_ random: inout some RandomNumberGenerator) -> AccessKind {
        switch random.below(20) {
        case 0..<12: .write
        case 12..<19: .read
        default: .execute
        }
    }

    private func protection(_ random: inout some RandomNumberGenerator) -> Protection {
        switch random.below(100) {
        case 0..<62: [.read, .write]
        case 62..<80: .read
        case 80..<90: .none
        case 90..<98: Protection(rawValue: UInt32(random.below(8)))
        default: Protection(rawValue: UInt32(random.below(32)))
        }
    }

    private func address(_ random: inout some RandomNumberGenerator) -> UInt64 {
        let place: Place =
            switch random.below(20) {
            case 0..<15: Self.arena
            case 15..<18: Self.top
            default: Self.heap
            }
        let address = place.start + UInt64(random.below(Int(place.pages))) * pageSize
        guard random.isLikely(3) else { return address }
        let odd: [UInt64] = [
            address + 1, address + 4095, 0, 1, 4096, 0x7FFF_FFFF_F000, .max, 0 &- pageSize,
            1 << 47, 1 << 63,
        ]
        return odd[random.below(odd.count)]
    }

    private func heapEnd(_ random: inout some RandomNumberGenerator) -> UInt64 {
        random.isLikely(10)
            ? address(&random) : Self.heap.start + UInt64(random.below(20 * 4096))
    }

    private func length(_ random: inout some RandomNumberGenerator) -> UInt64 {
        let pages = UInt64(1 + random.below(random.isLikely(70) ? 6 : 20))
        guard random.isLikely(5) else { return pages * pageSize }
        let odd: [UInt64] = [
            0, 1, pages * pageSize - 1, pages * pageSize + 1, .max, 0 &- pageSize,
            0 &- pageSize + 1,
        ]
        return odd[random.below(odd.count)]
    }

    private func span(_ random: inout some RandomNumberGenerator) -> Span {
        .absolute(address: address(&random), length: length(&random))
    }

    /// A span that is short whatever happens, for what looks at each page.
    private func smallSpan(_ random: inout some RandomNumberGenerator) -> Span {
        let pages = UInt64(1 + random.below(random.isLikely(80) ? 2 : 12))
        let odd = random.isLikely(5) ? UInt64(random.below(4096)) : 0
        return .absolute(address: address(&random), length: pages * pageSize - odd)
    }
}

extension Call {
    /// Whether memory may be locked by it.
    fileprivate var locksMemory: Bool {
        switch self {
        case .mlock, .mlock2, .mlockall: true
        case .mmap(_, _, _, let flags, _, _): flags.contains(.locked)
        default: false
        }
    }
}

extension RandomNumberGenerator {
    /// A number from 0 up to a bound that is never reached.
    fileprivate mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    /// Whether something happens that happens so often in a hundred times.
    fileprivate mutating func isLikely(_ percent: Int) -> Bool { below(100) < percent }
}
