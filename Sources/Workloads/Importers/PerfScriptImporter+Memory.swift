// SPDX-License-Identifier: Apache-2.0
//
// Faults, resident memory, and the images that execve builds.

import Mooring

extension PerfScriptImporter {
    // MARK: Faults

    mutating func fault(_ line: PerfScriptLine, address: UInt64, code: UInt64) {
        let kind: AccessKind =
            code & FaultCode.write != 0 ? .write : code & FaultCode.fetch != 0 ? .execute : .read
        let isUser = code & FaultCode.user != 0
        let call = Call.access(.absolute(address: address, length: 1), kind)
        threads[line.thread, default: .init()].openFault = .init(address: address, kind: kind)
        // A fault of the kernel's own that ends badly is the call's EFAULT, not a signal.
        let recorded: Outcome? = isUser ? .value(0) : nil
        if processes[line.process]?.build != nil {
            processes[line.process]?.build?.faults.append(call)
        } else {
            let step = add(line, call, recorded: recorded)
            threads[line.thread]?.lastFault = step
        }
    }

    /// A thread goes on: what its last fault added is complete.
    mutating func settleFault(of line: PerfScriptLine) {
        guard let fault = threads[line.thread]?.openFault else { return }
        threads[line.thread]?.openFault = nil
        guard let process = processes[line.process], process.build == nil else { return }
        settle(fault, in: process.space)
    }

    private mutating func settle(_ fault: PerfScriptThread.OpenFault, in space: Int) {
        let address = fault.address
        guard let index = spaces[space].files.index(at: address) else { return }
        let area = spaces[space].files.areas[index]
        guard fault.kind != .write || area.isShared else {
            spaces[space].files.write(at: address)
            return
        }
        let file = files[area.file]
        var window = spaces[space].files.window(
            of: address, in: index, filePages: file.knownPages)
        if fault.kind == .write { window = spaces[space].files.page(of: address, in: index) }
        let known = Array(file.folios.values)
        var ranges = spaces[space].files.mapped(
            byFaultAt: address, in: index, window: window, folios: known)
        let expected = spaces[space].files.missing(ranges, in: index)
        if fault.growth == expected {
            explanations.byWindow += 1
        } else if fault.growth < expected {
            explanations.short += 1
            explanations.missingPages += expected - fault.growth
            notes.add("a fault that mapped fewer pages than its window has", line: number)
        } else if let folios = spaces[space].files.explain(
            growth: fault.growth, faultAt: address, in: index, window: window)
        {
            explanations.byFolios += 1
            files[area.file].learn(folios)
            ranges = spaces[space].files.mapped(
                byFaultAt: address, in: index, window: window, folios: folios)
        } else {
            explanations.unexplained += 1
            notes.add("a fault that mapped more pages than folios explain", line: number)
        }
        spaces[space].files.fill(ranges, in: index)
    }

    // MARK: Resident memory

    mutating func resident(
        _ line: PerfScriptLine, space name: UInt64, isOwn: Bool,
        kind: PerfScriptEvent.ResidentKind, bytes: Int64
    ) {
        guard let process = processes[line.process] else { return }
        if isOwn {
            spaces[process.space].counter = name
            if kind == .anonymous, process.build != nil {
                learnArguments(line, bytes: bytes)
            }
        } else if let call = threads[line.thread]?.call, name != spaces[process.space].counter,
            threads[line.thread]?.freshSpace == nil,
            PerfScriptImporter.makesSpace(call.name)
        {
            threads[line.thread]?.freshSpace = name
            counters[name] = PerfScriptCounters()
        }
        let before = counters[name]?.values[kind.rawValue] ?? 0
        counters[name, default: .init()].set(kind, bytes, isOwn: isOwn)
        if isOwn, kind != .anonymous {
            threads[line.thread]?.openFault?.growth += Int(bytes - before) / Int(pageSize)
        }
    }

    private static func makesSpace(_ call: String) -> Bool {
        switch call {
        case "execve", "execveat", "clone", "clone3", "fork", "vfork": true
        default: false
        }
    }

    // MARK: Images

    /// The first program's arguments were written before the recording began: what its first
    /// count has more than the faults account for.
    private mutating func learnArguments(_ line: PerfScriptLine, bytes: Int64) {
        guard let build = processes[line.process]?.build, build.argumentPages == nil else { return }
        processes[line.process]?.build?.argumentPages = max(
            0, Int(bytes) / Int(pageSize) - build.faults.count)
    }

    mutating func beginImage(_ line: PerfScriptLine, name: String) {
        guard var process = processes[line.process] else { return }
        let fresh = threads[line.thread]?.freshSpace
        leave(process)
        process.image += 1
        process.name = name
        process.descriptors = [:]
        process.truncations = [:]
        process.space = spaces.count
        process.build = PerfScriptImage(name: name)
        if let fresh {
            process.build?.argumentPages = counters[fresh].map {
                Int($0.values[0]) / Int(pageSize)
            }
        }
        spaces.append(PerfScriptSpace(owner: process.id, image: process.image, counter: fresh))
        processes[line.process] = process
        // Every other thread of the process is gone.
        let call = threads[line.thread]?.call
        threads[line.thread] = PerfScriptThread(call: call)
    }

    mutating func finishImage(_ line: PerfScriptLine) {
        guard let build = processes[line.process]?.build, let process = processes[line.process]
        else { return }
        processes[line.process]?.build = nil
        var areas: [ExecImage.Area] = []
        var lastSegmentEnd: UInt64 = 0
        for area in build.areas {
            let purpose = PerfScriptImporter.purpose(of: area)
            var file: Int?
            if area.hasFile {
                let index = self.file(line, of: area)
                files[index].extent = max(files[index].extent, area.offset &+ area.length)
                spaces[process.space].files.map(
                    area.start, length: area.length, file: index, offset: area.offset,
                    isShared: false)
                file = index
            }
            if purpose == .segment, lastSegmentEnd == 0 || lastSegmentEnd == area.start {
                lastSegmentEnd = area.end
            }
            areas.append(
                ExecImage.Area(
                    address: area.start, length: area.length,
                    protection: Protection(rawValue: area.rights), file: file.map { files[$0].id },
                    fileOffset: file == nil ? 0 : area.offset, purpose: purpose))
        }
        // Without the event that shows it: the highest area but the stack was placed first.
        let stackStart = build.areas.last { $0.name == "[stack]" }?.start ?? .max
        let highest = build.areas.last { $0.end <= stackStart }?.end ?? 0
        let image = ExecImage(
            name: build.name, areas: areas, mapTop: build.mapTop ?? highest,
            breakStart: lastSegmentEnd)
        spaces[process.space].execStep = add(line, .exec(image), recorded: .value(0))
        if let pages = build.argumentPages, pages > 0,
            let stack = build.areas.last(where: { $0.name == "[stack]" })
        {
            let length = min(UInt64(pages) * pageSize, stack.length)
            add(
                line,
                .access(.absolute(address: stack.end &- length, length: length), .write),
                recorded: .value(0))
        }
        for fault in build.faults {
            add(line, fault)
            if case .access(.absolute(let address, _), .write) = fault {
                spaces[process.space].files.write(at: address)
            }
        }
    }

    private static func purpose(of area: PerfScriptArea) -> ExecImage.Area.Purpose {
        switch area.name {
        case "[stack]": .stack
        case "[heap]": .heap
        case "[vdso]": .vdso
        case "[vvar]", "[vvar_vclock]": .vvar
        default: .segment
        }
    }

    /// Where the search for room begins, which never changes in an image's life.
    mutating func learnTop(_ line: PerfScriptLine, _ top: UInt64) {
        // MAP_32BIT has its own.
        if let call = threads[line.thread]?.call, call.name == "mmap",
            MapFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments[3])).contains(.low32Bit)
        {
            return
        }
        if processes[line.process]?.build != nil {
            processes[line.process]?.build?.mapTop = top
        } else {
            updateImage(line) { $0.mapTop = top }
        }
    }

    /// Completes the image that the process runs.
    mutating func updateImage(_ line: PerfScriptLine, _ change: (inout ExecImage) -> Void) {
        guard let process = processes[line.process], let step = spaces[process.space].execStep,
            case .exec(var image) = steps[step].operation.call
        else { return }
        change(&image)
        steps[step].operation.call = .exec(image)
    }
}

/// Bits of the processor's error code.
private enum FaultCode {
    static let write: UInt64 = 2
    static let user: UInt64 = 4
    static let fetch: UInt64 = 0x10
}
