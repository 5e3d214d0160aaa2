// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Reads what `StepWriter` writes; the format is in `StepCoding.swift`.
struct StepReader {
    typealias Failure = ByteReader.Failure

    var input: ByteReader
    private var context = StepContext()

    init(_ input: ByteReader) { self.input = input }

    mutating func step() throws(Failure) -> Step {
        let first = try input.byte()
        let details = StepDetails(rawValue: first & 0x20 == 0 ? 0 : try input.byte())
        guard details.rawValue < 16 else { throw Failure(reason: "a step has unknown details") }
        let code = first & 0x1F
        let rareCode: RareStepCode? = code == StepCode.rare.rawValue ? try rareCode() : nil

        if details.contains(.process) {
            context.change(to: try number(from: context.process))
        }
        if details.contains(.thread) {
            context.current.thread = try number(from: context.current.thread)
        }
        let binds: RegionID? = details.contains(.binds) ? try region() : nil
        let cpu: Int? = details.contains(.cpu) ? Int(try input.signed32()) : nil
        let time = try input.number(from: context.time)
        context.time = time

        let call: Call
        if code < StepCode.mmap.rawValue {
            let near = Int(code & 3)
            let address = try input.number(from: context.current.near[near])
            context.current.near[near] = address
            call = .access(
                .absolute(address: address, length: context.length), try accessKind(code >> 2))
        } else if let rareCode {
            call = try self.call(rareCode)
        } else if let common = StepCode(rawValue: code) {
            call = try self.call(common)
        } else {
            throw Failure(reason: "a step has an unknown code")
        }
        let recorded = try outcome(OutcomeCode(rawValue: first >> 6) ?? .unknown, of: call)
        return Step(
            time: time, thread: context.current.thread,
            Operation(ProcessID(rawValue: context.process), call, binds: binds, cpu: cpu),
            recorded: recorded)
    }

    private mutating func rareCode() throws(Failure) -> RareStepCode {
        guard let code = RareStepCode(rawValue: try input.byte()) else {
            throw Failure(reason: "a step has an unknown code")
        }
        return code
    }

    // MARK: Fields

    /// A process or thread, told as a distance.
    private mutating func number(from base: Int32) throws(Failure) -> Int32 {
        guard let small = Int32(exactly: try input.signed() &+ Int64(base)) else {
            throw Failure(reason: "a process or thread has no number of 32 bits")
        }
        return small
    }

    private mutating func region() throws(Failure) -> RegionID {
        RegionID(rawValue: try input.signed32())
    }

    private mutating func file() throws(Failure) -> FileID {
        FileID(rawValue: try input.signed32())
    }

    private mutating func flag() throws(Failure) -> Bool {
        let byte = try input.byte()
        guard byte <= 1 else { throw Failure(reason: "a yes or no is neither") }
        return byte == 1
    }

    private mutating func optional() throws(Failure) -> UInt64? {
        try flag() ? try input.number() : nil
    }

    private mutating func protection() throws(Failure) -> Protection {
        Protection(rawValue: try input.number(as: UInt32.self))
    }

    private mutating func bits() throws(Failure) -> UInt32 { try input.number(as: UInt32.self) }

    private func accessKind(_ raw: UInt8) throws(Failure) -> AccessKind {
        guard let kind = AccessKind(rawValue: raw) else {
            throw Failure(reason: "an access is of an unknown kind")
        }
        return kind
    }

    private mutating func span() throws(Failure) -> Span {
        switch try input.byte() {
        case 0:
            context.mapped = try input.number(from: context.mapped)
            return .absolute(address: context.mapped, length: try input.number())
        case 1: return .region(try region())
        case 2:
            let region = try region()
            let offset = try input.signed()
            return .part(region, offset: offset, length: try input.number())
        default: throw Failure(reason: "a span is of an unknown kind")
        }
    }

    private mutating func address() throws(Failure) -> Address {
        switch try input.byte() {
        case 0: return .absolute(0)
        case 1:
            context.mapped = try input.number(from: context.mapped)
            return .absolute(context.mapped)
        case 2:
            let region = try region()
            return .region(region, offset: try input.signed())
        default: throw Failure(reason: "an address is of an unknown kind")
        }
    }

    // MARK: Calls

    private mutating func call(_ code: StepCode) throws(Failure) -> Call {
        switch code {
        case .mmap:
            let address = try address()
            let length = try input.number()
            let protection = try protection()
            let flags = MapFlags(rawValue: try bits())
            let file: FileID? = try flag() ? try file() : nil
            return .mmap(
                address: address, length: length, protection: protection, flags: flags,
                file: file, offset: try input.number())
        case .munmap: return .munmap(try span())
        case .mprotect:
            let span = try span()
            return .mprotect(span, try protection())
        case .mremap:
            let span = try span()
            let newLength = try input.number()
            let flags = RemapFlags(rawValue: try bits())
            return .mremap(span, newLength: newLength, flags: flags, newAddress: try address())
        case .madvise:
            let span = try span()
            return .madvise(span, Advice(rawValue: try input.signed32()))
        case .brk: return .brk(try address())
        case .mincore: return .mincore(try span())
        case .msync:
            let span = try span()
            return .msync(span, SyncFlags(rawValue: try bits()))
        case .mlock: return .mlock(try span())
        case .mlock2:
            let span = try span()
            return .mlock2(span, LockFlags(rawValue: try bits()))
        case .munlock: return .munlock(try span())
        case .access:
            let span = try span()
            let kind = try accessKind(try input.byte())
            if case .absolute(_, let length) = span { context.length = length }
            return .access(span, kind)
        case .load: return .load(try span())
        case .store:
            let span = try span()
            return .store(span, seed: try input.number())
        case .fork:
            let child = ProcessID(rawValue: try input.signed32())
            return .fork(child: child, sharesMemory: try flag())
        case .exec: return .exec(try image())
        case .exit: return .exit
        case .createFile:
            let file = try file()
            guard let kind = FileDescription.Kind(rawValue: try input.byte()) else {
                throw Failure(reason: "a file is of an unknown kind")
            }
            let length = try input.number()
            let name = try input.text()
            var description = FileDescription(
                kind: kind, length: length, name: name, access: try protection())
            let marks = try input.byte()
            guard marks <= 3 else { throw Failure(reason: "a file has unknown properties") }
            description.isCached = marks & 1 != 0
            description.isSealable = marks & 2 != 0
            for _ in 0..<(try input.count()) {
                let start = try input.number()
                let end = try input.number()
                guard start < end else { throw Failure(reason: "a folio ends before it begins") }
                description.largeFolios.append(start..<end)
            }
            return .createFile(file, description)
        case .spawn: return .spawn
        case .rare: throw Failure(reason: "a step has an unknown code")
        }
    }

    private mutating func call(_ code: RareStepCode) throws(Failure) -> Call {
        switch code {
        case .mlockall: return .mlockall(LockAllFlags(rawValue: try bits()))
        case .munlockall: return .munlockall
        case .remapFilePages:
            let span = try span()
            let protection = try protection()
            let pageOffset = try input.number()
            return .remapFilePages(
                span, protection: protection, pageOffset: pageOffset,
                flags: MapFlags(rawValue: try bits()))
        case .movePages:
            let span = try span()
            let node: Int32? = try flag() ? try input.signed32() : nil
            return .movePages(span, node: node, flags: try bits())
        case .migratePages:
            let from = try input.number()
            return .migratePages(from: from, to: try input.number())
        case .mbind:
            let span = try span()
            let mode = try input.signed32()
            let nodes = try input.number()
            return .mbind(span, mode: mode, nodes: nodes, flags: try bits())
        case .ftruncate:
            let file = try file()
            return .ftruncate(file, length: try input.number())
        case .punchHole, .readFile, .writeFile:
            let file = try file()
            let offset = try input.number()
            let length = try input.number()
            return switch code {
            case .punchHole: .punchHole(file, offset: offset, length: length)
            case .readFile: .readFile(file, offset: offset, length: length)
            default: .writeFile(file, offset: offset, length: length)
            }
        case .shmat:
            let file = try file()
            let address = try address()
            return .shmat(file, address: address, flags: AttachFlags(rawValue: try bits()))
        case .shmdt: return .shmdt(try address())
        case .shmLock:
            let file = try file()
            return .shmLock(file, locked: try flag())
        case .setLimit:
            guard let resource = Resource(rawValue: try input.byte()) else {
                throw Failure(reason: "a limit is of an unknown resource")
            }
            let soft = try optional()
            return .setLimit(resource, soft: soft, hard: try optional())
        case .setLockPrivilege: return .setLockPrivilege(try flag())
        case .setAdministrator: return .setAdministrator(try flag())
        case .seal:
            let file = try file()
            return .seal(file, FileSeals(rawValue: try bits()))
        }
    }

    private mutating func image() throws(Failure) -> ExecImage {
        var image = ExecImage(name: try input.text(), areas: [], mapTop: 0, breakStart: 0)
        image.mapTop = try input.number()
        image.breakStart = try input.number()
        for _ in 0..<(try input.count()) {
            context.mapped = try input.number(from: context.mapped)
            var area = ExecImage.Area(
                address: context.mapped, length: try input.number(),
                protection: try protection())
            guard let purpose = ExecImage.Area.Purpose(rawValue: try input.byte()) else {
                throw Failure(reason: "an area has an unknown purpose")
            }
            area.purpose = purpose
            if try flag() { area.file = try file() }
            area.fileOffset = try input.number()
            image.areas.append(area)
        }
        return image
    }

    // MARK: Outcomes

    private mutating func outcome(
        _ code: OutcomeCode, of call: Call
    ) throws(Failure) -> Outcome? {
        switch code {
        case .unknown: return nil
        case .zero: return .value(0)
        case .value:
            guard call.returnsAddress else { return .value(try input.number()) }
            context.mapped = try input.number(from: context.mapped)
            return .value(context.mapped)
        case .other: break
        }
        switch try input.byte() {
        case 0: return .failed(Errno(rawValue: try input.signed32()))
        case 1:
            guard let signal = Signal(rawValue: try input.byte()) else {
                throw Failure(reason: "a signal is unknown")
            }
            return .signal(signal, address: try input.number(from: context.mapped))
        case 2:
            let pages = try input.number()
            guard pages <= UInt64(input.remaining) * 8 else {
                throw Failure(reason: "it announces more than it holds")
            }
            let count = Int(pages)
            let bits = Array(try input.raw((count + 7) / 8))
            return .pages((0..<count).map { bits[$0 / 8] >> UInt8($0 % 8) & 1 })
        case 3: return .pages(Array(try input.raw(try input.count())))
        case 4:
            var nodes: [Int32] = []
            for _ in 0..<(try input.count()) { nodes.append(try input.signed32()) }
            return .nodes(nodes)
        default: throw Failure(reason: "an outcome is of an unknown kind")
        }
    }
}
