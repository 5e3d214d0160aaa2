// SPDX-License-Identifier: Apache-2.0
//
// One random call for a process that shows these areas.

import Mooring
import Workloads

/// Makes random calls for one process.
struct CallMaker {
    let areas: [AreaState]
    let permissions: ProcessPermissions

    /// A call of any kind; processes in it are placeholders.
    func call(_ random: inout some RandomNumberGenerator) -> Call {
        switch random.below(173) {
        case 0..<25: return mmap(&random)
        case 25..<35: return .munmap(span(&random))
        case 35..<47: return .mprotect(span(&random), protection(&random))
        case 47..<59: return mremap(&random)
        case 59..<74: return .madvise(span(&random), advice(&random))
        case 74..<81: return .mlock(span(&random))
        case 81..<86: return .mlock2(span(&random), random.isLikely(95) ? .onFault : unknownLock)
        case 86..<92: return .munlock(span(&random))
        case 92: return .mlockall(LockAllFlags(rawValue: UInt32(random.below(9))))
        case 93: return .munlockall
        case 94..<118: return .access(smallSpan(&random), access(&random))
        case 118..<121: return .store(smallSpan(&random), seed: UInt64(random.below(1000)))
        case 121..<123: return .load(smallSpan(&random))
        case 123..<127: return .brk(.absolute(heapEnd(&random)))
        case 127..<131:
            return random.isLikely(97)
                ? .mincore(smallSpan(&random))
                : .mincore(.absolute(address: address(&random), length: 0))
        case 131..<134: return .msync(span(&random), SyncFlags(rawValue: UInt32(random.below(9))))
        case 134..<140: return fileCall(&random)
        case 140..<144: return limit(&random)
        case 144..<148: return .fork(child: .none, sharesMemory: false)
        case 148..<151: return .exit
        case 151: return .exec(WorkPlaces.program)
        case 152: return .spawn
        case 153: return .setLockPrivilege(random.isLikely(30))
        case 154..<157:
            return .remapFilePages(
                span(&random), protection: random.isLikely(95) ? .none : .read,
                pageOffset: UInt64(random.below(12)),
                flags: random.isLikely(80) ? [] : MapFlags(rawValue: UInt32(random.below(1 << 20))))
        case 157..<164: return segmentCall(&random)
        case 164: return .setAdministrator(random.isLikely(30))
        case 165:
            let seals = FileSeals(rawValue: random.one(of: Words.seals.map { UInt32($0.value) }))
            return .seal(random.isLikely(90) ? WorkFiles.sealable : WorkFiles.readWrite, seals)
        default: return nodeCall(&random)
        }
    }

    private var unknownLock: LockFlags { LockFlags(rawValue: 2) }

    // MARK: Mapping

    private func mmap(_ random: inout some RandomNumberGenerator) -> Call {
        var flags: MapFlags = []
        var file: FileID?
        switch random.below(100) {
        case 0..<52: flags = [.private, .anonymous]
        case 52..<64: flags = [.shared, .anonymous]
        case 64..<80: flags = .private
        case 80..<94: flags = .shared
        case 94..<96: flags = .sharedValidate
        case 96..<98: flags = [.droppable, .anonymous]
        default: flags = MapFlags(rawValue: UInt32(random.below(16)) | 0x20)
        }
        if !flags.contains(.anonymous) { file = random.one(of: Self.mappable) }
        var start: UInt64 = 0
        switch random.below(100) {
        case 0..<58:
            flags.insert(.fixed)
            start = address(&random)
        case 58..<68:
            flags.insert(.fixedNoReplace)
            start = address(&random)
        case 68..<82: start = address(&random)
        default: break
        }
        let extras: [(MapFlags, Int)] = [
            (.locked, 7), (.populate, 12), (.noReserve, 5), (.growsDown, 5), (.stack, 3),
            (.nonBlock, 2), (.denyWrite, 2), (.executable, 1), (.low32Bit, 1),
            (.sync, 2), (MapFlags(rawValue: 1 << 24), 1),
        ]
        for (flag, percent) in extras where random.isLikely(percent) { flags.insert(flag) }
        // On a host the helper's own areas lie below the top: a stack there would meet them.
        if flags.isDisjoint(with: [.fixed, .fixedNoReplace]) || start >= WorkPlaces.top.start {
            flags.remove(.growsDown)
        }
        let offset =
            UInt64(random.below(random.isLikely(50) ? 1 : 12)) * pageSize
            + (random.isLikely(1) ? 7 : 0) + (random.isLikely(1) ? 0x7FFF_FFFF_FFFF_E000 : 0)
        return .mmap(
            address: .absolute(start),
            length: start == 0 && random.isLikely(5) ? largeLength(&random) : length(&random),
            protection: protection(&random), flags: flags, file: file, offset: offset)
    }

    private static let mappable: [FileID] = [
        WorkFiles.readWrite, WorkFiles.readWrite, WorkFiles.readWrite, WorkFiles.readOnly,
        WorkFiles.readOnly, WorkFiles.disk, WorkFiles.disk, WorkFiles.writeOnly,
        WorkFiles.sealable,
    ]

    private func mremap(_ random: inout some RandomNumberGenerator) -> Call {
        var old = span(&random)
        guard case .absolute(let start, var length) = old else { return .munlockall }
        if random.isLikely(3) {
            // Beyond the address space, wherever it starts.
            length = random.one(of: [0x7FFF_FFFF_F000, 1 << 47, 144 << 40, 1 << 63])
            old = .absolute(address: start, length: length)
        }
        var flags: RemapFlags = random.isLikely(80) ? .mayMove : []
        if random.isLikely(40) { flags.insert(.fixed) }
        if random.isLikely(20) { flags.insert(.dontUnmap) }
        if random.isLikely(1) { flags.insert(RemapFlags(rawValue: 8)) }
        let newLength = random.isLikely(50) ? length : self.length(&random)
        let target = flags.isDisjoint(with: [.fixed, .dontUnmap]) ? 0 : address(&random)
        // A target of 0 with DONTUNMAP asks for any place.
        return .mremap(
            random.isLikely(4) ? .absolute(address: address(&random), length: 0) : old,
            newLength: newLength, flags: flags,
            newAddress: .absolute(flags.contains(.fixed) || random.isLikely(50) ? target : 0))
    }

    private func advice(_ random: inout some RandomNumberGenerator) -> Advice {
        let common: [Advice] = [.dontNeed, .free, .populateRead, .populateWrite, .dontNeedLocked]
        let all = Words.advice.map { Advice(rawValue: Int32(truncatingIfNeeded: $0.value)) }
        return random.isLikely(35)
            ? random.one(of: common)
            : random.isLikely(97) ? random.one(of: all) : Advice(rawValue: 7)
    }

    // MARK: Files, segments, nodes, limits

    private func fileCall(_ random: inout some RandomNumberGenerator) -> Call {
        let file = random.one(of: [
            WorkFiles.readWrite, WorkFiles.readWrite, WorkFiles.readWrite, WorkFiles.readOnly,
            WorkFiles.disk, WorkFiles.sealable,
        ])
        let offset = UInt64(random.below(16)) * pageSize
        let odd = random.isLikely(25) ? UInt64(random.below(4096)) : 0
        return switch random.below(5) {
        case 0, 1: .ftruncate(file, length: random.isLikely(3) ? .max : offset + pageSize + odd)
        case 2:
            .punchHole(
                file, offset: random.isLikely(2) ? 1 << 63 - pageSize : offset + odd,
                length: length(&random))
        case 3: .readFile(file, offset: offset + odd, length: pageSize * 2)
        default:
            .writeFile(
                file == WorkFiles.readOnly ? WorkFiles.readWrite : file, offset: offset + odd,
                length: pageSize * 2)
        }
    }

    private func segmentCall(_ random: inout some RandomNumberGenerator) -> Call {
        switch random.below(10) {
        case 0..<6:
            var flags: AttachFlags = []
            if random.isLikely(25) { flags.insert(.readOnly) }
            if random.isLikely(20) { flags.insert(.round) }
            if random.isLikely(20) { flags.insert(.remap) }
            if random.isLikely(10) { flags.insert(.execute) }
            let start = random.isLikely(30) ? 0 : address(&random)
            return .shmat(WorkFiles.segment, address: .absolute(start), flags: flags)
        case 6, 7:
            let attached = areas.filter { $0.backing == .memory }
            return .shmdt(
                .absolute(
                    attached.isEmpty || random.isLikely(20)
                        ? address(&random) : random.one(of: attached).start))
        default: return .shmLock(WorkFiles.segment, locked: random.isLikely(60))
        }
    }

    private func nodeCall(_ random: inout some RandomNumberGenerator) -> Call {
        switch random.below(4) {
        case 0:
            return .movePages(
                smallSpan(&random),
                node: random.isLikely(60) ? nil : random.one(of: [0, 0, 1, -1, 64]),
                flags: random.isLikely(90) ? 2 : UInt32(random.below(9)))
        case 1: return .migratePages(from: nodes(&random), to: nodes(&random))
        default:
            let nodes = nodes(&random)
            var flags = random.one(of: [0, 0, 0, 0, 0, 0, 0, 1, 1, UInt32(random.below(9))])
            // Pages on other nodes would move.
            if nodes != 0, nodes & 1 == 0 { flags &= 1 }
            return .mbind(span(&random), mode: policyMode(&random), nodes: nodes, flags: flags)
        }
    }

    /// A set of nodes: none, those that a machine with one node has, others, or both.
    private func nodes(_ random: inout some RandomNumberGenerator) -> UInt64 {
        random.one(of: [0, 0, 1, 1, 1, 2, 3, 5, 6, 1 << 63, .max])
    }

    /// The number of a policy, from one below the first to one behind the last, often modified.
    private func policyMode(_ random: inout some RandomNumberGenerator) -> Int32 {
        let mode = Int32(random.below(9)) - 1
        return random.isLikely(60) || mode < 0 ? mode : mode | Int32(random.below(16)) << 12
    }

    private func limit(_ random: inout some RandomNumberGenerator) -> Call {
        func limited(_ resource: Resource, _ pages: Int) -> Call {
            .setLimit(
                resource,
                soft: random.isLikely(60)
                    ? permissions.usualLimit(resource) : UInt64(pages) * pageSize,
                hard: permissions.hardLimit(resource))
        }
        switch random.below(16) {
        case 0...6:
            let pages = UInt64(random.below(24))
            let hard = permissions.hardLimit(.memlock)
            return .setLimit(
                .memlock, soft: random.isLikely(40) ? hard : pages * pageSize + pages % 3,
                hard: hard)
        case 7: return .setLimit(.memlock, soft: 0, hard: 2 * WorkPlaces.hardLockLimit)
        case 8, 9: return limited(.addressSpace, 40 + random.below(80))
        case 10, 11: return limited(.data, 20 + random.below(60))
        case 12, 13: return limited(.stack, 1 + random.below(40))
        // A soft limit above the hard one.
        default: return .setLimit(.memlock, soft: 2 * pageSize, hard: pageSize)
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
        case 62..<79: .read
        case 79..<89: .none
        case 89..<97: Protection(rawValue: UInt32(random.below(8)))
        case 97: [.read, .write, .growsDown]
        case 98: [.read, .growsUp]
        default: Protection(rawValue: UInt32(random.below(32)))
        }
    }

    /// A page in one of the places, or at the edge of something that is mapped.
    private func address(_ random: inout some RandomNumberGenerator) -> UInt64 {
        var address: UInt64
        if !areas.isEmpty, random.isLikely(35) {
            let area = random.one(of: areas)
            let edge = random.isLikely(60) ? area.start : area.end
            address = edge &+ UInt64(random.below(5)) * pageSize &- 2 * pageSize
            if !WorkPlaces.contain(address) { address = WorkPlaces.arena.start }
        } else {
            let place = WorkPlaces.random(&random)
            address = place.start + UInt64(random.below(Int(place.pages))) * pageSize
        }
        guard random.isLikely(3) else { return address }
        return random.one(of: [
            address + 1, address + 4095, 0, 1, 4096, 0x7FFF_FFFF_F000, .max, 0 &- pageSize,
            1 << 47, 1 << 63,
        ])
    }

    private func heapEnd(_ random: inout some RandomNumberGenerator) -> UInt64 {
        random.isLikely(10)
            ? address(&random) : WorkPlaces.heap.start + UInt64(random.below(20 * 4096))
    }

    private func length(_ random: inout some RandomNumberGenerator) -> UInt64 {
        let pages = UInt64(1 + random.below(random.isLikely(70) ? 6 : 20))
        guard random.isLikely(5) else { return pages * pageSize }
        return random.one(of: [
            0, 1, pages * pageSize - 1, pages * pageSize + 1, .max, 0 &- pageSize,
            0 &- pageSize + 1,
        ])
    }

    /// A length that placement looks at: whole huge pages, and a little more.
    private func largeLength(_ random: inout some RandomNumberGenerator) -> UInt64 {
        random.one(of: [2 << 20, 4 << 20, (2 << 20) + pageSize, 3 << 20, 1 << 47, 1 << 48])
    }

    private func span(_ random: inout some RandomNumberGenerator) -> Span {
        // All of an area, for what wants to take one whole.
        if !areas.isEmpty, random.isLikely(20) {
            let area = random.one(of: areas)
            if WorkPlaces.contain(area.start), area.end - area.start <= WorkPlaces.longest {
                return area.span
            }
        }
        return .absolute(address: address(&random), length: length(&random))
    }

    /// A span that is short whatever happens, for what looks at each page.
    private func smallSpan(_ random: inout some RandomNumberGenerator) -> Span {
        let pages = UInt64(1 + random.below(random.isLikely(80) ? 2 : 12))
        let odd = random.isLikely(5) ? UInt64(random.below(4096)) : 0
        return .absolute(address: address(&random), length: pages * pageSize - odd)
    }
}
