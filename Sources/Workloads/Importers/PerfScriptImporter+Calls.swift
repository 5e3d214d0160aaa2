// SPDX-License-Identifier: Apache-2.0
//
// System calls: from the begin and the end of one in the text to a step.

import Mooring

extension PerfScriptImporter {
    // MARK: Begin

    mutating func begin(_ line: PerfScriptLine, _ name: String, _ arguments: SIMD8<UInt64>) {
        switch name {
        case "close":
            tellsClosing = true
            processes[line.process]?.descriptors[arguments[0] & descriptorMask] = nil
            processes[line.process]?.truncations[arguments[0] & descriptorMask] = nil
            return
        case "exit", "exit_group": return
        default: break
        }
        var call = PerfScriptThread.PendingCall(name: name, arguments: arguments)
        // MADV_DONTNEED and its kin do without the lock.
        if !tellsLocks || name == "madvise" { call.step = releasing(line, call) }
        threads[line.thread, default: .init()].call = call
        threads[line.thread]?.freshSpace = nil
    }

    // MARK: The lock

    /// A thread takes the lock that changes of areas need: its call counts from here.
    mutating func locked(_ line: PerfScriptLine) {
        tellsLocks = true
        guard let process = processes[line.process] else { return }
        if let copier = process.copier, copier != line.thread {
            let place = takePlace()
            threads[copier]?.call?.place = place
            threads[copier]?.call?.copied = spaces[process.space].files
            processes[line.process]?.copier = nil
        }
        guard var call = threads[line.thread]?.call, call.place == nil else { return }
        switch call.name {
        // It locks the address space that it makes.
        case "execve", "execveat": return
        case "fork", "clone", "clone3":
            processes[line.process]?.copier = line.thread
            return
        default: call.step = call.step ?? releasing(line, call)
        }
        call.place = takePlace()
        threads[line.thread]?.call = call
    }

    /// Whether the call gives memory away: another thread may take the room before it returns.
    private func givesAway(
        _ line: PerfScriptLine, _ name: String, _ arguments: SIMD8<UInt64>
    ) -> Bool {
        switch name {
        case "munmap", "shmdt": return true
        case "madvise":
            let advice = Advice(rawValue: Int32(truncatingIfNeeded: arguments[2]))
            return advice == .dontNeed || advice == .dontNeedLocked || advice == .remove
        case "brk":
            guard let space = processes[line.process]?.space, let now = spaces[space].breakAt
            else { return false }
            return arguments[0] != 0 && arguments[0] < now
        default: return false
        }
    }

    /// Adds the step of a call that gives memory away; `nil` for any other.
    private mutating func releasing(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall
    ) -> Int? {
        let (name, arguments) = (call.name, call.arguments)
        guard givesAway(line, name, arguments), let space = processes[line.process]?.space else {
            return nil
        }
        let span = Span.absolute(address: arguments[0], length: arguments[1])
        switch name {
        case "munmap":
            spaces[space].files.unmap(arguments[0], length: arguments[1])
            return add(line, .munmap(span))
        case "madvise":
            spaces[space].files.drop(arguments[0], length: arguments[1])
            return add(
                line, .madvise(span, Advice(rawValue: Int32(truncatingIfNeeded: arguments[2]))))
        case "shmdt":
            if let index = spaces[space].files.index(at: arguments[0]) {
                let area = spaces[space].files.areas[index]
                spaces[space].files.unmap(area.start, length: area.end - area.start)
            }
            return add(line, .shmdt(.absolute(arguments[0])))
        default: return add(line, .brk(.absolute(arguments[0])))
        }
    }

    // MARK: End

    mutating func end(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ value: Int64
    ) {
        guard let process = processes[line.process], !isRestart(value) else { return }
        let succeeded = !(-4095 ... -1 ~= value)
        let outcome: Outcome =
            succeeded
            ? .value(UInt64(bitPattern: value)) : .failed(Errno(rawValue: Int32(-value)))
        // Without the lock where it failed early.
        if let step = call.step ?? releasing(line, call) {
            steps[step].recorded = outcome
            if call.name == "brk" { spaces[process.space].breakAt = UInt64(bitPattern: value) }
            return
        }
        if let simple = PerfScriptImporter.simpleCall(call) {
            if case .mincore = simple, succeeded {
                // The answer is in the caller's memory, not in the text.
                add(line, simple)
                return
            }
            add(line, simple, recorded: outcome)
            if succeeded { populate(simple, in: process.space) }
            return
        }
        switch call.name {
        case "mmap": mmap(line, call, outcome)
        case "mremap": mremap(line, call, outcome)
        case "brk": brk(line, call, UInt64(bitPattern: value))
        case "execve", "execveat": if succeeded { finishImage(line) }
        case "memfd_create": if succeeded { memfd(line, UInt64(value)) }
        case "ftruncate": ftruncate(line, call, outcome)
        case "shmget": if succeeded { shmget(line, call, UInt64(value)) }
        case "shmat": shmat(line, call, outcome)
        case "fork", "vfork", "clone", "clone3":
            processes[line.process]?.copier = nil
            if !succeeded { notes.add("a fork that failed, left out", line: number) }
        default: break
        }
    }

    /// Whether the kernel will carry out the call once more (ERESTARTSYS and its kin).
    private func isRestart(_ value: Int64) -> Bool { -530 ... -512 ~= value }

    /// The calls that are nothing but their arguments.
    private static func simpleCall(_ call: PerfScriptThread.PendingCall) -> Call? {
        let arguments = call.arguments
        let span = Span.absolute(address: arguments[0], length: arguments[1])
        func word(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: arguments[index]) }
        switch call.name {
        // A protection key of one's own does not change what memory is where.
        case "mprotect", "pkey_mprotect":
            return .mprotect(span, Protection(rawValue: word(2)))
        case "madvise": return .madvise(span, Advice(rawValue: Int32(bitPattern: word(2))))
        case "mlock": return .mlock(span)
        case "mlock2": return .mlock2(span, LockFlags(rawValue: word(2)))
        case "munlock": return .munlock(span)
        case "mlockall": return .mlockall(LockAllFlags(rawValue: word(0)))
        case "munlockall": return .munlockall
        case "msync": return .msync(span, SyncFlags(rawValue: word(2)))
        case "mincore": return .mincore(span)
        case "remap_file_pages":
            return .remapFilePages(
                span, protection: Protection(rawValue: word(2)), pageOffset: arguments[3],
                flags: MapFlags(rawValue: word(4)))
        default: return nil
        }
    }

    /// What locking does to the page tables of mapped files.
    private mutating func populate(_ call: Call, in space: Int) {
        switch call {
        case .mlock(.absolute(let address, let length)):
            spaces[space].files.populate(address, length: length)
        case .mlock2(.absolute(let address, let length), let flags)
        where !flags.contains(.onFault):
            spaces[space].files.populate(address, length: length)
        case .mlockall(let flags):
            spaces[space].populatesNewAreas = flags.contains(.future) && !flags.contains(.onFault)
            if flags.contains(.current), !flags.contains(.onFault) {
                spaces[space].files.populateAll()
            }
        case .munlockall: spaces[space].populatesNewAreas = false
        default: break
        }
    }

    // MARK: Areas

    private mutating func mmap(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ outcome: Outcome
    ) {
        guard let process = processes[line.process] else { return }
        let length = call.arguments[1]
        let offset = call.arguments[5]
        let descriptor = call.arguments[4] & descriptorMask
        var flags = MapFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments[3]))
        var file: Int?
        if !flags.contains(.anonymous) {
            if let area = call.area, area.name.hasPrefix("/dev/zero") {
                // Mapping /dev/zero is the old way to ask for anonymous memory.
                flags.insert(.anonymous)
            } else if let area = call.area, area.hasFile {
                file = self.file(line, of: area, descriptor: descriptor)
            } else if case .value = outcome {
                file = process.descriptors[descriptor] ?? unknownFile(line)
            } else {
                file = process.descriptors[descriptor]
            }
        }
        var result: UInt64?
        if case .value(let address) = outcome {
            result = address
            let space = process.space
            if let file {
                processes[line.process]?.descriptors[descriptor] = file
                files[file].extent = max(files[file].extent, offset &+ length)
                spaces[space].files.map(
                    address, length: length, file: file, offset: offset,
                    isShared: flags.contains(.shared))
                if spaces[space].populatesNewAreas || flags.contains(.populate)
                    || flags.contains(.locked)
                {
                    spaces[space].files.populate(address, length: length)
                }
            } else {
                spaces[space].files.unmap(address, length: length)
            }
        }
        add(
            line,
            .mmap(
                address: .placed(call.arguments[0], flags, result), length: length,
                protection: Protection(rawValue: UInt32(truncatingIfNeeded: call.arguments[2])),
                flags: flags, file: file.map { files[$0].id },
                offset: flags.contains(.anonymous) ? 0 : offset),
            recorded: outcome)
    }

    private mutating func mremap(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ outcome: Outcome
    ) {
        guard let space = processes[line.process]?.space else { return }
        let arguments = call.arguments
        let flags = RemapFlags(rawValue: UInt32(truncatingIfNeeded: arguments[3]))
        if case .value(let address) = outcome {
            spaces[space].files.move(
                arguments[0], length: arguments[1], to: address, newLength: arguments[2])
        }
        add(
            line,
            .mremap(
                .absolute(address: arguments[0], length: arguments[1]), newLength: arguments[2],
                flags: flags, newAddress: .absolute(flags.contains(.fixed) ? arguments[4] : 0)),
            recorded: outcome)
    }

    private mutating func brk(
        _ line: PerfScriptLine, _ call: PerfScriptThread.PendingCall, _ value: UInt64
    ) {
        guard let space = processes[line.process]?.space else { return }
        if spaces[space].breakAt == nil, call.arguments[0] == 0 {
            updateImage(line) { $0.breakStart = value }
        }
        spaces[space].breakAt = value
        add(line, .brk(.absolute(call.arguments[0])), recorded: .value(value))
    }
}

/// Descriptors are printed as they stand in a register; the kernel looks at half of it.
private let descriptorMask: UInt64 = 0xffff_ffff
