// SPDX-License-Identifier: Apache-2.0
//
// The engine as a `MemorySystem`: operations become calls on a machine's tasks.

import Mooring

/// A machine of the engine that carries out operations.
package final class EngineSystem: MemorySystem {
    /// The machine, for whoever wants to look inside.
    package let machine: Machine
    /// A process that lives.
    private struct Process {
        var task: Machine.Task
        /// Whether its memory is another's, until it executes a program.
        var sharesMemory = false
        /// Faults in address spaces that it left with execve(2): the machine counts by space.
        var earlierMinorFaults = 0
        var earlierMajorFaults = 0
    }

    private var living: [ProcessID: Process] = [:]
    private var files: [FileID: Machine.File] = [:]
    /// Segments that there was no memory for.
    private var unmade: Set<FileID> = []

    package let name = "mooring"

    /// A system on a machine of its own.
    package init(_ configuration: MachineConfiguration) throws(ImpossibleMachine) {
        machine = try Machine(configuration)
    }

    /// The processes that live.
    package var processes: [ProcessID] { living.keys.sorted() }

    package var cpuCount: Int { machine.configuration.cpus }

    /// The task that carries out a process's operations, on the CPU where it ran last.
    package func task(of process: ProcessID) throws(SystemFailure) -> Machine.Task {
        guard let task = living[process]?.task else {
            throw SystemFailure(
                "process \(process.rawValue) does not exist; it was never started, or has ended")
        }
        return task
    }

    /// The task that carries out an operation, moved to the CPU that the operation names.
    private func task(for operation: Operation) throws(SystemFailure) -> Machine.Task {
        let task = try task(of: operation.process)
        guard let cpu = operation.cpu, cpu != task.cpuIndex else { return task }
        let moved = task.on(cpu: try existing(cpu))
        living[operation.process]?.task = moved
        return moved
    }

    private func existing(_ cpu: Int) throws(SystemFailure) -> Int {
        guard cpu >= 0, cpu < cpuCount else { throw .noCPU(cpu, of: cpuCount) }
        return cpu
    }

    private func file(_ id: FileID) throws -> Machine.File {
        if let file = files[id] { return file }
        // An identifier that nobody has.
        if unmade.contains(id) { throw Errno.EINVAL }
        throw SystemFailure("file \(id.rawValue) does not exist; create it first")
    }

    // MARK: Operations

    package func perform(_ operation: Operation) throws -> Outcome {
        do {
            return try carryOut(operation)
        } catch let error as Errno {
            return .failed(error)
        } catch let failure as AccessFailure {
            return .signal(failure.signal, address: failure.address)
        }
    }

    package func kill(_ process: ProcessID) { end(process) }

    private func carryOut(_ operation: Operation) throws -> Outcome {
        let call = operation.call
        switch call {
        case .spawn:
            living[operation.process] = Process(
                task: machine.spawn(on: try existing(operation.cpu ?? 0)))
            return .value(0)
        case .createFile(let id, let description):
            try create(id, description)
            return .value(0)
        default:
            let task = try task(for: operation)
            // Another's need for memory may have ended it since its last operation.
            if task.isKilled { return .signal(.outOfMemory, address: 0) }
            if let outcome = try performOnMappings(call, task) { return outcome }
            if let outcome = try performOnLocks(call, task) { return outcome }
            if let outcome = try performOnFiles(call, task) { return outcome }
            if let outcome = try performOnNodes(call, task) { return outcome }
            return try performOnProcess(call, operation.process, task)
        }
    }

    private func performOnMappings(_ call: Call, _ task: Machine.Task) throws -> Outcome? {
        switch call {
        case .mmap(let address, let length, let protection, let flags, let id, let offset):
            return .value(
                try task.mmap(
                    address: try absolute(address), length: length, protection: protection,
                    flags: flags, file: try id.map(file), offset: offset))
        case .munmap(let span): try task.munmap(try region(span))
        case .mprotect(let span, let protection): try task.mprotect(try region(span), protection)
        case .mremap(let span, let newLength, let flags, let newAddress):
            let old = try region(span)
            return .value(
                try task.mremap(
                    address: old.address, length: old.length, newLength: newLength, flags: flags,
                    newAddress: try absolute(newAddress)))
        case .madvise(let span, let advice): try task.madvise(try region(span), advice)
        case .brk(let address): return .value(task.brk(try absolute(address)))
        case .mincore(let span): return .pages(try task.mincore(try region(span)))
        case .msync(let span, let flags): try task.msync(try region(span), flags)
        case .remapFilePages(let span, let protection, let pageOffset, let flags):
            try task.remapFilePages(
                try region(span), protection: protection, pageOffset: pageOffset, flags: flags)
        case .access(let span, let kind): try task.access(try region(span), kind)
        case .store(let span, let seed): try store(try region(span), seed, task)
        case .load(let span): return .value(try load(try region(span), task))
        default: return nil
        }
        return .value(0)
    }

    private func performOnLocks(_ call: Call, _ task: Machine.Task) throws -> Outcome? {
        switch call {
        case .mlock(let span): try task.mlock(try region(span))
        case .mlock2(let span, let flags):
            guard flags.isSubset(of: .onFault) else { throw Errno.EINVAL }
            try task.mlock(try region(span), onFault: flags.contains(.onFault))
        case .munlock(let span): try task.munlock(try region(span))
        case .mlockall(let flags): try task.mlockall(flags)
        case .munlockall: task.munlockall()
        default: return nil
        }
        return .value(0)
    }

    private func performOnFiles(_ call: Call, _ task: Machine.Task) throws -> Outcome? {
        switch call {
        case .readFile(let id, let offset, let length):
            return .value(try file(id).read(at: .bytes(offset), length: .bytes(length)))
        case .writeFile(let id, let offset, let length):
            return .value(try file(id).write(at: .bytes(offset), length: .bytes(length)))
        case .ftruncate(let id, let length):
            guard length <= Int64.max else { throw Errno.EINVAL }
            try file(id).truncate(to: .bytes(length))
        case .seal(let id, let seals): try file(id).addSeals(seals)
        case .punchHole(let id, let offset, let length):
            // The kernel's numbers have a sign.
            guard length != 0, length <= Int64.max, offset <= Int64.max else { throw Errno.EINVAL }
            guard offset + length <= Int64.max else { throw Errno.EFBIG }
            try file(id).punchHole(at: .bytes(offset), length: .bytes(length))
        case .shmat(let id, let address, let flags):
            return .value(
                try task.shmat(try file(id), address: try absolute(address), flags: flags))
        case .shmdt(let address): try task.shmdt(try absolute(address))
        case .shmLock(let id, let isLocked): try task.shmLock(try file(id), locked: isLocked)
        default: return nil
        }
        return .value(0)
    }

    private func performOnNodes(_ call: Call, _ task: Machine.Task) throws -> Outcome? {
        switch call {
        case .movePages(let span, let node, let flags):
            let region = try region(span)
            let count = region.length >> pageShift + (region.length.isPageAligned ? 0 : 1)
            let pages = (0..<count).map { region.address &+ $0 << pageShift }
            return .nodes(
                try task.movePages(
                    pages, to: node.map { [Int32](repeating: $0, count: pages.count) },
                    flags: flags))
        case .migratePages(let from, let to):
            return .value(UInt64(try task.migratePages(from: from, to: to)))
        case .mbind(let span, let mode, let nodes, let flags):
            try task.mbind(try region(span), mode: mode, nodes: nodes, flags: flags)
        default: return nil
        }
        return .value(0)
    }

    private func performOnProcess(
        _ call: Call, _ process: ProcessID, _ task: Machine.Task
    ) throws -> Outcome {
        switch call {
        case .fork(let child, let sharesMemory):
            living[child] = Process(
                task: sharesMemory ? task.cloneSharingMemory() : try task.fork(),
                sharesMemory: sharesMemory)
            return .value(UInt64(UInt32(bitPattern: child.rawValue)))
        case .exec(let image): try execute(image, process, task)
        case .exit: end(process)
        case .setLimit(let resource, let soft, let hard):
            try task.setLimit(resource, soft: soft, hard: hard)
        case .setLockPrivilege(let isHeld): task.setLockPrivilege(isHeld)
        case .setAdministrator(let isHeld): task.setAdministrator(isHeld)
        default: throw SystemFailure("\(call.kind.rawValue) is not carried out by the engine")
        }
        return .value(0)
    }

    private func end(_ process: ProcessID) { living.removeValue(forKey: process)?.task.exit() }

    private func create(_ id: FileID, _ description: FileDescription) throws {
        files[id]?.close()
        if description.kind == .sharedMemory {
            files[id] = nil
            unmade.insert(id)
            files[id] = try machine.makeSegment(
                length: .bytes(description.length), mode: description.access)
            unmade.remove(id)
            return
        }
        // memfd_create(2): 249 bytes, so that "memfd:" and the name fit a file name.
        if description.kind == .memory, description.name.utf8.count > 249 { throw Errno.EINVAL }
        files[id] = machine.makeFile(
            named: description.name, kind: description.kind == .disk ? .disk : .memory,
            length: .bytes(description.length), access: description.access,
            isCached: description.isCached, isSealable: description.isSealable,
            largeFolios: description.largeFolios)
    }

    private func execute(
        _ image: ExecImage, _ process: ProcessID, _ task: Machine.Task
    ) throws {
        let areas = try image.areas.map { area in
            Machine.ProgramArea(
                region: Region(address: area.address, length: area.length),
                protection: area.protection, file: try area.file.map(file),
                offset: area.fileOffset, purpose: purpose(of: area.purpose))
        }
        let figures = task.figures()
        try task.execute(
            image.name, areas: areas, mapTop: image.mapTop, breakStart: image.breakStart)
        // What happened in memory that it only borrowed is the lender's.
        if living[process]?.sharesMemory == false {
            living[process]?.earlierMinorFaults += figures.minorFaults
            living[process]?.earlierMajorFaults += figures.majorFaults
        }
        living[process]?.sharesMemory = false
    }

    private func purpose(of purpose: ExecImage.Area.Purpose) -> Machine.ProgramArea.Purpose {
        switch purpose {
        case .segment, .heap: .segment
        case .stack: .stack
        case .vdso: .vdso
        case .vvar: .vvar
        }
    }

    // MARK: Memory

    private func store(_ region: Region, _ seed: UInt64, _ task: Machine.Task) throws {
        try inPieces(region) { piece, offset in
            let bytes = (offset..<offset + piece.length).map {
                StorePattern.byte(seed: seed, offset: $0)
            }
            try task.write(bytes, at: piece.address)
        }
    }

    private func load(_ region: Region, _ task: Machine.Task) throws -> UInt64 {
        var checksum = StorePattern.emptyChecksum
        try inPieces(region) { piece, _ in
            for byte in try task.read(Int(piece.length), at: piece.address) {
                checksum = StorePattern.checksum(checksum, adding: byte)
            }
        }
        return checksum
    }

    /// A page at a time, so that a signal stops where the kernel's own would.
    private func inPieces(_ region: Region, _ body: (Region, UInt64) throws -> Void) throws {
        var offset: UInt64 = 0
        while offset < region.length {
            let address = region.address &+ offset
            let length = min(region.length - offset, pageSize - address % pageSize)
            try body(Region(address: address, length: length), offset)
            offset += length
        }
    }

    private func absolute(_ address: Address) throws(SystemFailure) -> UInt64 {
        guard case .absolute(let value) = address else {
            throw SystemFailure("an address was not resolved; give the work to a Runner")
        }
        return value
    }

    private func region(_ span: Span) throws(SystemFailure) -> Region {
        guard case .absolute(let address, let length) = span else {
            throw SystemFailure("a region was not resolved; give the work to a Runner")
        }
        return Region(address: address, length: length)
    }

    // MARK: Views

    package func text(_ view: ProcessView, of process: ProcessID) throws -> String {
        let task = try task(of: process)
        return switch view {
        case .maps: task.maps()
        case .smaps: task.smaps()
        case .smapsRollup: task.smapsRollup()
        case .status: task.status()
        case .statm: task.statm()
        }
    }

    package func pagemap(
        of process: ProcessID, address: UInt64, pages: Int
    ) throws -> [UInt64] {
        try task(of: process).pagemap(
            Region(address: address, length: UInt64(pages) * pageSize))
    }

    package func frames(_ numbers: [UInt64]) throws -> [FrameWords]? {
        numbers.flatMap { number in
            let range = Int(number)..<Int(number) + 1
            return zip(machine.kpageflags(range), machine.kpagecount(range))
                .map { FrameWords(flags: $0, mapCount: $1) }
        }
    }

    package func text(_ view: MachineView) throws -> String {
        switch view {
        case .meminfo: machine.meminfo()
        case .vmstat: machine.vmstat()
        case .zoneinfo: machine.zoneinfo()
        case .buddyinfo: machine.buddyinfo()
        case .pagetypeinfo: machine.pagetypeinfo()
        case .unusableIndex: machine.extfragUnusableIndex()
        case .fragmentationIndex: machine.extfragIndex()
        }
    }

    package func sample(of process: ProcessID) throws -> ProcessSample {
        let task = try task(of: process)
        let figures = task.figures()
        let held = task.heldWhenKilled
        let state = living[process]
        var sample = ProcessSample()
        sample.virtual = UInt64(figures.virtual) * pageSize
        sample.anonymous = UInt64(held?.anonymous ?? figures.residentAnonymous) * pageSize
        sample.file = UInt64(held?.file ?? figures.residentFile) * pageSize
        sample.sharedMemory = UInt64(held?.sharedMemory ?? figures.residentSharedMemory) * pageSize
        sample.freeWhenKilled = held.map { UInt64($0.free) * pageSize }
        sample.peakResident = UInt64(figures.peakResident) * pageSize
        sample.locked = UInt64(figures.locked) * pageSize
        sample.pageTables = UInt64(figures.tables) * pageSize
        sample.minorFaults = UInt64(figures.minorFaults + (state?.earlierMinorFaults ?? 0))
        sample.majorFaults = UInt64(figures.majorFaults + (state?.earlierMajorFaults ?? 0))
        return sample
    }

    package func faultCounts() throws -> [FaultCount] {
        let kinds: [(String, Event)] = [
            ("anonymous", .faultAnonymous), ("zero page", .faultZeroPage),
            ("file read", .faultFileRead), ("file shared write", .faultFileShared),
            ("file private write", .faultFilePrivate), ("copy on write", .faultCopyOnWrite),
            ("reused in place", .faultReuse), ("already resolved", .faultSpurious),
            ("waited for the device", .pgmajfault),
        ]
        return kinds.map { FaultCount(kind: $0.0, count: UInt64(machine.total($0.1))) }
    }
}
