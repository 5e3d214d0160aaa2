// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Each call that concerns memory.
extension StraceImporter {
    private static let memoryCalls: Set<Substring> = [
        "mmap", "munmap", "mprotect", "pkey_mprotect", "mremap", "brk", "madvise", "mlock",
        "mlock2", "munlock", "mlockall", "munlockall", "msync", "mincore", "remap_file_pages",
        "shmget", "shmat", "shmdt", "shmctl", "ftruncate", "fallocate", "memfd_create",
    ]

    private static let otherCalls: Set<Substring> = [
        "execve", "execveat", "exit", "exit_group", "openat", "open", "creat", "close", "dup",
        "dup2", "dup3", "fcntl", "fstat", "newfstatat", "setrlimit", "prlimit64",
    ]

    /// Whether a call must be understood.
    static func isRelevant(_ name: Substring) -> Bool {
        memoryCalls.contains(name) || makers.contains(name)
    }

    /// Turns one call into what it did.
    mutating func carryOver(
        _ call: StraceCall, of process: ImportedProcess, thread: Int32, time: UInt64
    ) throws(ImportError) {
        if Self.makers.contains(call.name) {
            guard case .value(let value) = call.result, let number = Int32(exactly: value) else {
                return
            }
            let flags = call.name == "vfork" ? "CLONE_VM|CLONE_VFORK" : call.arguments.joined()
            try made(number, by: process, flags: flags[...], thread: thread, time: time)
        } else if Self.memoryCalls.contains(call.name) {
            guard let operation = try memoryCall(call, of: process) else { return }
            append(
                operation, of: process, thread: thread, time: time,
                recorded: outcome(of: call, operation), to: &steps)
        } else if Self.otherCalls.contains(call.name) {
            otherCall(call, of: process, thread: thread, time: time)
        }
    }

    private mutating func outcome(of call: StraceCall, _ operation: Call) -> Outcome? {
        switch call.result {
        case .unknown: return nil
        case .failed(let name):
            guard let error = Errno(named: name) else {
                notes.add("errors that have no name here, not compared", line: number)
                return nil
            }
            return .failed(error)
        case .value(let value):
            guard case .mincore = operation else { return .value(value) }
            // strace may print only the beginning of a long answer.
            let items = call.arguments[2].filter { $0 != "[" && $0 != "]" }.split(separator: ",")
            let pages = items.map { UInt8($0.filter { $0 != " " }) }
            guard case .mincore(.absolute(_, let length)) = operation,
                UInt64(pages.count) == length.roundedUpToPages >> pageShift
            else { return nil }
            let known = pages.compactMap { $0 }
            return known.count == pages.count ? .pages(known) : nil
        }
    }

    // MARK: Arguments

    private func value(_ call: StraceCall, _ index: Int) throws(ImportError) -> UInt64 {
        guard index < call.arguments.count,
            let value = StraceValue.number(call.arguments[index].prefix { $0 != "<" })
        else {
            throw malformed("argument \(index + 1) of \(call.name) should be a number")
        }
        return value
    }

    private mutating func flags(
        _ call: StraceCall, _ index: Int, _ table: [Word]
    ) throws(ImportError) -> UInt32 {
        guard index < call.arguments.count else {
            throw malformed("\(call.name) should have an argument \(index + 1)")
        }
        let (bits, unknown) = StraceValue.flags(call.arguments[index], table)
        for word in unknown {
            notes.add("flags without a meaning here, left out (\(word))", line: number)
        }
        return UInt32(truncatingIfNeeded: bits)
    }

    private func span(_ call: StraceCall) throws(ImportError) -> Span {
        .absolute(address: try value(call, 0), length: try value(call, 1))
    }

    /// Learns that a call's span is mapped, if the call succeeded.
    private func prove(_ call: StraceCall, _ span: Span, in memory: ImportedMemory) {
        if case .value = call.result, case .absolute(let address, let length) = span {
            memory.prove(address, length)
        }
    }

    /// The file of a descriptor argument; `nil` for -1.
    private mutating func file(
        _ call: StraceCall, _ index: Int, of process: ImportedProcess
    ) throws(ImportError) -> FileID? {
        guard index < call.arguments.count,
            let (descriptor, path) = StraceValue.descriptor(call.arguments[index])
        else {
            throw malformed("argument \(index + 1) of \(call.name) should be a descriptor")
        }
        guard descriptor >= 0 else { return nil }
        // With -y every line says which file it is, even where the text lacks the opening; but
        // files made by memfd_create may share a name.
        if let known = process.descriptors[descriptor],
            path.map({ $0.hasPrefix("/memfd:") }) ?? true
        {
            files.use(known)
            return known
        }
        let file: FileID
        if let path {
            file = files.file(String(path))
        } else {
            notes.add(
                "files of which the text does not show the opening; trace with -y or the calls "
                    + "of \"desc\"", line: number)
            file = files.add(
                kind: .disk, name: "descriptor \(descriptor) of \(process.process.rawValue)")
        }
        process.descriptors[descriptor] = file
        files.use(file)
        return file
    }

    // MARK: Memory

    private mutating func memoryCall(
        _ call: StraceCall, of process: ImportedProcess
    ) throws(ImportError) -> Call? {
        let memory = process.memory
        switch call.name {
        case "mmap": return try mmap(call, of: process)
        case "munmap":
            let span = try span(call)
            if case .value = call.result, case .absolute(let address, let length) = span {
                memory.unmap(address, length)
            }
            return .munmap(span)
        case "mprotect", "pkey_mprotect":
            let span = try span(call)
            prove(call, span, in: memory)
            return .mprotect(
                span, Protection(rawValue: try flags(call, 2, Words.protection)))
        case "mremap": return try mremap(call, memory)
        case "brk":
            let address = try value(call, 0)
            if case .value(let end) = call.result { memory.setBreak(end) }
            return .brk(.absolute(address))
        case "madvise":
            let span = try span(call)
            prove(call, span, in: memory)
            let advice = try flags(call, 2, Words.advice)
            return .madvise(span, Advice(rawValue: Int32(truncatingIfNeeded: advice)))
        case "mlock", "munlock", "mlock2":
            let span = try span(call)
            prove(call, span, in: memory)
            if call.name == "mlock" { return .mlock(span) }
            if call.name == "munlock" { return .munlock(span) }
            return .mlock2(span, LockFlags(rawValue: try flags(call, 2, Words.lock)))
        case "mlockall":
            return .mlockall(LockAllFlags(rawValue: try flags(call, 0, Words.lockAll)))
        case "munlockall": return .munlockall
        case "msync":
            let span = try span(call)
            prove(call, span, in: memory)
            return .msync(span, SyncFlags(rawValue: try flags(call, 2, Words.sync)))
        case "mincore":
            let span = try span(call)
            guard call.arguments.count > 2 else { throw malformed("mincore has three arguments") }
            prove(call, span, in: memory)
            return .mincore(span)
        case "remap_file_pages":
            let span = try span(call)
            prove(call, span, in: memory)
            return .remapFilePages(
                span, protection: Protection(rawValue: try flags(call, 2, Words.protection)),
                pageOffset: try value(call, 3),
                flags: MapFlags(rawValue: try flags(call, 4, Words.map)))
        case "ftruncate", "fallocate", "memfd_create": return try fileCall(call, of: process)
        default: return try segmentCall(call, memory)
        }
    }

    private mutating func mmap(
        _ call: StraceCall, of process: ImportedProcess
    ) throws(ImportError) -> Call {
        let address = try value(call, 0)
        let length = try value(call, 1)
        let protection = Protection(rawValue: try flags(call, 2, Words.protection))
        let flags = MapFlags(rawValue: try flags(call, 3, Words.map))
        let offset = try value(call, 5)
        let file = flags.contains(.anonymous) ? nil : try file(call, 4, of: process)
        if let file { files.map(file, offset: offset, length: length.roundedUpToPages) }
        var place: UInt64?
        if case .value(let result) = call.result {
            place = result
            process.memory.map(result, length)
            if address == 0, !flags.contains(.low32Bit) { process.memory.chose(result, length) }
        }
        return .mmap(
            address: .placed(address, flags, place), length: length, protection: protection,
            flags: flags, file: file, offset: offset)
    }

    private mutating func mremap(
        _ call: StraceCall, _ memory: ImportedMemory
    ) throws(ImportError) -> Call {
        let address = try value(call, 0)
        let length = try value(call, 1)
        let newLength = try value(call, 2)
        let flags = RemapFlags(rawValue: try flags(call, 3, Words.remap))
        let target = call.arguments.count > 4 ? try value(call, 4) : 0
        if case .value(let result) = call.result {
            memory.prove(address, max(length, 1))
            if !flags.contains(.dontUnmap) { memory.unmap(address, length) }
            memory.map(result, newLength)
        }
        return .mremap(
            .absolute(address: address, length: length), newLength: newLength, flags: flags,
            newAddress: .absolute(target))
    }

    // MARK: Files and segments

    private mutating func fileCall(
        _ call: StraceCall, of process: ImportedProcess
    ) throws(ImportError) -> Call? {
        switch call.name {
        case "memfd_create":
            if case .value(let descriptor) = call.result, let number = Int32(exactly: descriptor) {
                let name = call.arguments.first.flatMap(StraceValue.string) ?? "memfd"
                process.descriptors[number] = files.add(
                    kind: .memory, name: String(name), length: 0)
            }
            return nil
        case "ftruncate":
            guard case .value = call.result, let file = try file(call, 0, of: process) else {
                return nil
            }
            return .ftruncate(file, length: try value(call, 1))
        default:
            guard case .value = call.result, call.arguments.count == 4,
                call.arguments[1].contains("FALLOC_FL_PUNCH_HOLE"),
                let file = try file(call, 0, of: process)
            else { return nil }
            return .punchHole(file, offset: try value(call, 2), length: try value(call, 3))
        }
    }

    private mutating func segmentCall(
        _ call: StraceCall, _ memory: ImportedMemory
    ) throws(ImportError) -> Call? {
        switch call.name {
        case "shmget":
            if case .value(let identifier) = call.result, segments[identifier] == nil {
                let length = try value(call, 1).roundedUpToPages
                segments[identifier] = files.add(
                    kind: .sharedMemory, name: "SYSV\(identifier)", length: length)
            }
            return nil
        case "shmdt":
            let address = try value(call, 0)
            if case .value = call.result { memory.detach(address) }
            return .shmdt(.absolute(address))
        case "shmat":
            let file = segment(try value(call, 0))
            let address = try value(call, 1)
            let flags = AttachFlags(rawValue: try flags(call, 2, Words.attach))
            if case .value(let result) = call.result {
                memory.attach(result, files.length(of: file))
                if address == 0 { memory.chose(result, files.length(of: file)) }
            }
            return .shmat(file, address: .absolute(address), flags: flags)
        default:
            guard call.arguments.count > 1 else { throw malformed("shmctl has three arguments") }
            let command = call.arguments[1]
            guard command.contains("SHM_LOCK") || command.contains("SHM_UNLOCK") else {
                return nil
            }
            return .shmLock(
                segment(try value(call, 0)), locked: !command.contains("SHM_UNLOCK"))
        }
    }

    private mutating func segment(_ identifier: UInt64) -> FileID {
        if let known = segments[identifier] {
            files.use(known)
            return known
        }
        notes.add("segments of which the text does not show the making", line: number)
        let file = files.add(
            kind: .sharedMemory, name: "SYSV\(identifier)", length: pageSize)
        segments[identifier] = file
        files.use(file)
        return file
    }

    // MARK: Calls that only tell something

    private mutating func otherCall(
        _ call: StraceCall, of process: ImportedProcess, thread: Int32, time: UInt64
    ) {
        switch call.name {
        case "exit_group": exit(process, thread: thread, time: time)
        case "exit":
            if process.threads == [thread] { exit(process, thread: thread, time: time) }
        case "execve" where call.result == .value(0) && call.arguments.count > 1:
            let path = StraceValue.string(call.arguments[0]) ?? "program"
            execute(
                path, arguments: call.arguments[1], by: process, thread: thread, time: time)
        case "execveat" where call.result == .value(0) && call.arguments.count > 2:
            let path = StraceValue.string(call.arguments[1]) ?? "program"
            execute(
                path, arguments: call.arguments[2], by: process, thread: thread, time: time)
        case "setrlimit", "prlimit64": limit(call, of: process, thread: thread, time: time)
        default: descriptorCall(call, of: process)
        }
    }

    private mutating func limit(
        _ call: StraceCall, of process: ImportedProcess, thread: Int32, time: UInt64
    ) {
        let first = call.name == "prlimit64" ? 1 : 0
        guard call.result == .value(0), call.arguments.count > first + 1,
            call.name == "setrlimit" || call.arguments[0] == "0",
            let word = Words.resources.first(where: { $0.linux == call.arguments[first] }),
            let resource = Resource(rawValue: UInt8(truncatingIfNeeded: word.value)),
            let soft = StraceValue.field("rlim_cur", in: call.arguments[first + 1]),
            let hard = StraceValue.field("rlim_max", in: call.arguments[first + 1])
        else { return }
        // RLIM_INFINITY and RLIM64_INFINITY are no numbers, and mean that there is none.
        append(
            .setLimit(
                resource, soft: StraceValue.number(soft), hard: StraceValue.number(hard)),
            of: process, thread: thread, time: time, recorded: .value(0), to: &steps)
    }

    /// Follows what descriptors are open on.
    private mutating func descriptorCall(_ call: StraceCall, of process: ImportedProcess) {
        guard case .value(let value) = call.result, let result = Int32(exactly: value) else {
            return
        }
        let first = call.arguments.first.flatMap { StraceValue.descriptor($0)?.number }
        switch call.name {
        case "open", "openat", "creat":
            let index = call.name == "openat" ? 1 : 0
            guard call.arguments.count > index,
                let path = StraceValue.string(call.arguments[index])
            else { return }
            // With -y the result says which file a relative path led to.
            let opened = StraceValue.descriptor(call.resultText)?.path ?? path
            let file = files.file(String(opened))
            let mode = call.arguments.dropFirst(index + 1).first ?? "O_RDWR"
            if mode.contains("O_RDWR") { files.allowWriting(file) }
            process.descriptors[result] = file
        case "close":
            if let first { process.descriptors[first] = nil }
        case "dup", "dup2", "dup3":
            if let first { process.descriptors[result] = process.descriptors[first] }
        case "fcntl":
            if let first, call.arguments.count > 1, call.arguments[1].contains("F_DUPFD") {
                process.descriptors[result] = process.descriptors[first]
            }
        case "fstat", "newfstatat":
            guard let first, let file = process.descriptors[first],
                call.name == "fstat" || call.arguments.dropFirst().first == "\"\"",
                let size = call.arguments.lazy
                    .compactMap({ StraceValue.field("st_size", in: $0) }).first,
                let length = StraceValue.number(size)
            else { return }
            files.setLength(file, length)
        default: break
        }
    }
}
