// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Writes steps; the format is in `StepCoding.swift`.
struct StepWriter {
    var out = ByteWriter()
    private var context = StepContext()
    private var steps: UInt64 = 0

    mutating func write(_ step: Step) {
        steps += 1
        let operation = step.operation
        var details: StepDetails = []
        if operation.process.rawValue != context.process { details.insert(.process) }
        let previous = context.process
        if details.contains(.process) { context.change(to: operation.process.rawValue) }
        if step.thread != context.current.thread { details.insert(.thread) }
        if operation.binds != nil { details.insert(.binds) }
        if operation.cpu != nil { details.insert(.cpu) }

        let near = nearAddress(for: operation.call)
        let (code, rareCode) = code(of: operation.call, near: near)
        let outcome = outcomeCode(of: step.recorded)
        out.write(byte: code | (details.isEmpty ? 0 : 0x20) | outcome.rawValue << 6)
        if !details.isEmpty { out.write(byte: details.rawValue) }
        if let rareCode { out.write(byte: rareCode.rawValue) }

        if details.contains(.process) {
            out.write(signed: Int64(operation.process.rawValue) - Int64(previous))
        }
        if details.contains(.thread) {
            out.write(signed: Int64(step.thread) - Int64(context.current.thread))
            context.current.thread = step.thread
        }
        if let binds = operation.binds { out.write(signed: Int64(binds.rawValue)) }
        if let cpu = operation.cpu { out.write(signed: Int64(cpu)) }
        out.write(step.time, from: context.time)
        context.time = step.time

        if let near, case .access(.absolute(let address, _), _) = operation.call {
            out.write(address, from: context.current.near[near])
            context.current.near[near] = address
            context.current.used[near] = steps
        } else {
            arguments(of: operation.call)
        }
        if let recorded = step.recorded { write(recorded, outcome, of: operation.call) }
    }

    // MARK: Choices

    /// Which of the four addresses an access is told from; `nil` if its code cannot say it.
    private func nearAddress(for call: Call) -> Int? {
        guard case .access(.absolute(let address, context.length), _) = call else { return nil }
        func distance(_ index: Int) -> UInt64 {
            Int64(bitPattern: address &- context.current.near[index]).magnitude
        }
        let nearest = (0..<4).min { distance($0) < distance($1) } ?? 0
        // Far from all of them begins a new area, in the place of the one left longest ago.
        guard distance(nearest) >= 1 << 27 else { return nearest }
        let used = context.current.used
        return (0..<4).min { used[$0] < used[$1] } ?? 0
    }

    private func code(of call: Call, near: Int?) -> (UInt8, RareStepCode?) {
        if let near, case .access(_, let kind) = call {
            return (kind.rawValue << 2 | UInt8(near), nil)
        }
        switch Self.codes(of: call) {
        case .common(let code): return (code.rawValue, nil)
        case .rare(let code): return (StepCode.rare.rawValue, code)
        }
    }

    private enum Code {
        case common(StepCode)
        case rare(RareStepCode)
    }

    private static func codes(of call: Call) -> Code {
        switch call {
        case .mmap: .common(.mmap)
        case .munmap: .common(.munmap)
        case .mprotect: .common(.mprotect)
        case .mremap: .common(.mremap)
        case .madvise: .common(.madvise)
        case .brk: .common(.brk)
        case .mincore: .common(.mincore)
        case .msync: .common(.msync)
        case .mlock: .common(.mlock)
        case .mlock2: .common(.mlock2)
        case .munlock: .common(.munlock)
        case .access: .common(.access)
        case .load: .common(.load)
        case .store: .common(.store)
        case .fork: .common(.fork)
        case .exec: .common(.exec)
        case .exit: .common(.exit)
        case .createFile: .common(.createFile)
        case .spawn: .common(.spawn)
        case .mlockall: .rare(.mlockall)
        case .munlockall: .rare(.munlockall)
        case .remapFilePages: .rare(.remapFilePages)
        case .movePages: .rare(.movePages)
        case .migratePages: .rare(.migratePages)
        case .mbind: .rare(.mbind)
        case .ftruncate: .rare(.ftruncate)
        case .punchHole: .rare(.punchHole)
        case .readFile: .rare(.readFile)
        case .writeFile: .rare(.writeFile)
        case .shmat: .rare(.shmat)
        case .shmdt: .rare(.shmdt)
        case .shmLock: .rare(.shmLock)
        case .setLimit: .rare(.setLimit)
        case .setLockPrivilege: .rare(.setLockPrivilege)
        case .seal: .rare(.seal)
        case .setAdministrator: .rare(.setAdministrator)
        }
    }

    private func outcomeCode(of outcome: Outcome?) -> OutcomeCode {
        switch outcome {
        case nil: .unknown
        case .value(0): .zero
        case .value: .value
        default: .other
        }
    }

    // MARK: Fields

    private mutating func write(_ span: Span) {
        switch span {
        case .absolute(let address, let length):
            out.write(byte: 0)
            out.write(address, from: context.mapped)
            context.mapped = address
            out.write(length)
        case .region(let region):
            out.write(byte: 1)
            out.write(signed: Int64(region.rawValue))
        case .part(let region, let offset, let length):
            out.write(byte: 2)
            out.write(signed: Int64(region.rawValue))
            out.write(signed: offset)
            out.write(length)
        }
    }

    private mutating func write(_ address: Address) {
        switch address {
        case .absolute(0): out.write(byte: 0)
        case .absolute(let address):
            out.write(byte: 1)
            out.write(address, from: context.mapped)
            context.mapped = address
        case .region(let region, let offset):
            out.write(byte: 2)
            out.write(signed: Int64(region.rawValue))
            out.write(signed: offset)
        }
    }

    private mutating func write(_ file: FileID) { out.write(signed: Int64(file.rawValue)) }

    private mutating func write(optional value: UInt64?) {
        out.write(byte: value == nil ? 0 : 1)
        if let value { out.write(value) }
    }

    private mutating func arguments(of call: Call) {
        switch call {
        case .mmap(let address, let length, let protection, let flags, let file, let offset):
            write(address)
            out.write(length)
            out.write(UInt64(protection.rawValue))
            out.write(UInt64(flags.rawValue))
            out.write(byte: file == nil ? 0 : 1)
            if let file { write(file) }
            out.write(offset)
        case .munmap(let span), .mincore(let span), .mlock(let span), .munlock(let span),
            .load(let span):
            write(span)
        case .mprotect(let span, let protection):
            write(span)
            out.write(UInt64(protection.rawValue))
        case .mremap(let span, let newLength, let flags, let address):
            write(span)
            out.write(newLength)
            out.write(UInt64(flags.rawValue))
            write(address)
        case .madvise(let span, let advice):
            write(span)
            out.write(signed: Int64(advice.rawValue))
        case .brk(let address), .shmdt(let address): write(address)
        case .msync(let span, let flags):
            write(span)
            out.write(UInt64(flags.rawValue))
        case .mlock2(let span, let flags):
            write(span)
            out.write(UInt64(flags.rawValue))
        case .mlockall(let flags): out.write(UInt64(flags.rawValue))
        case .remapFilePages(let span, let protection, let pageOffset, let flags):
            write(span)
            out.write(UInt64(protection.rawValue))
            out.write(pageOffset)
            out.write(UInt64(flags.rawValue))
        case .movePages(let span, let node, let flags):
            write(span)
            out.write(byte: node == nil ? 0 : 1)
            if let node { out.write(signed: Int64(node)) }
            out.write(UInt64(flags))
        case .migratePages(let from, let to):
            out.write(from)
            out.write(to)
        case .mbind(let span, let mode, let nodes, let flags):
            write(span)
            out.write(signed: Int64(mode))
            out.write(nodes)
            out.write(UInt64(flags))
        case .createFile(let file, let description):
            write(file)
            out.write(byte: description.kind.rawValue)
            out.write(description.length)
            out.write(description.name)
            out.write(UInt64(description.access.rawValue))
            out.write(
                byte: (description.isCached ? 1 : 0) | (description.isSealable ? 2 : 0))
            out.write(UInt64(description.largeFolios.count))
            for folio in description.largeFolios {
                out.write(folio.lowerBound)
                out.write(folio.upperBound)
            }
        case .ftruncate(let file, let length):
            write(file)
            out.write(length)
        case .punchHole(let file, let offset, let length),
            .readFile(let file, let offset, let length),
            .writeFile(let file, let offset, let length):
            write(file)
            out.write(offset)
            out.write(length)
        case .shmat(let file, let address, let flags):
            write(file)
            write(address)
            out.write(UInt64(flags.rawValue))
        case .shmLock(let file, let isLocked):
            write(file)
            out.write(byte: isLocked ? 1 : 0)
        case .access(let span, let kind):
            write(span)
            out.write(byte: kind.rawValue)
            if case .absolute(_, let length) = span { context.length = length }
        case .store(let span, let seed):
            write(span)
            out.write(seed)
        case .fork(let child, let sharesMemory):
            out.write(signed: Int64(child.rawValue))
            out.write(byte: sharesMemory ? 1 : 0)
        case .exec(let image): write(image)
        case .setLimit(let resource, let soft, let hard):
            out.write(byte: resource.rawValue)
            write(optional: soft)
            write(optional: hard)
        case .setLockPrivilege(let isHeld), .setAdministrator(let isHeld):
            out.write(byte: isHeld ? 1 : 0)
        case .seal(let file, let seals):
            write(file)
            out.write(UInt64(seals.rawValue))
        case .munlockall, .spawn, .exit: break
        }
    }

    private mutating func write(_ image: ExecImage) {
        out.write(image.name)
        out.write(image.mapTop)
        out.write(image.breakStart)
        out.write(UInt64(image.areas.count))
        for area in image.areas {
            out.write(area.address, from: context.mapped)
            context.mapped = area.address
            out.write(area.length)
            out.write(UInt64(area.protection.rawValue))
            out.write(byte: area.purpose.rawValue)
            out.write(byte: area.file == nil ? 0 : 1)
            if let file = area.file { write(file) }
            out.write(area.fileOffset)
        }
    }

    private mutating func write(_ outcome: Outcome, _ code: OutcomeCode, of call: Call) {
        switch outcome {
        case .value(let value) where code == .value && call.returnsAddress:
            out.write(value, from: context.mapped)
            context.mapped = value
        case .value(let value):
            if code == .value { out.write(value) }
        case .failed(let error):
            out.write(byte: 0)
            out.write(signed: Int64(error.rawValue))
        case .signal(let signal, let address):
            out.write(byte: 1)
            out.write(byte: signal.rawValue)
            out.write(address, from: context.mapped)
        case .pages(let pages):
            // mincore defines one bit of eight.
            let isPlain = pages.allSatisfy { $0 <= 1 }
            out.write(byte: isPlain ? 2 : 3)
            out.write(UInt64(pages.count))
            guard isPlain else {
                out.write(raw: pages)
                return
            }
            for start in stride(from: 0, to: pages.count, by: 8) {
                let bits = pages[start..<min(start + 8, pages.count)]
                out.write(byte: bits.reversed().reduce(0) { $0 << 1 | $1 })
            }
        case .nodes(let nodes):
            out.write(byte: 4)
            out.write(UInt64(nodes.count))
            for node in nodes { out.write(signed: Int64(node)) }
        }
    }
}
