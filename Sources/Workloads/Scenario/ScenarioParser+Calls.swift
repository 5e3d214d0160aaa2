// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Calls and what becomes of them.
extension ScenarioParser {
    /// The calls a scenario can write, as it writes them.
    static let calls = [
        "mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "mincore", "msync", "mlock",
        "mlock2", "munlock", "mlockall", "munlockall", "remap_file_pages", "move_pages",
        "migrate_pages", "mbind", "ftruncate", "seal", "punch_hole", "read_file", "write_file",
        "shmat",
        "shmdt", "shmctl", "touch", "store", "load", "exec", "exit", "setlimit", "privilege",
    ]

    /// The words that may follow `=>`.
    static let outcomes: Set<String> = Set(
        ["ok", "any", "fails", "errno", "seed", "nodes"] + Words.signals.map(\.word)
            + (1...133).map { Errno(rawValue: $0).description }.filter { !$0.contains(" ") })

    /// Takes a call with its arguments.
    mutating func call(of process: ProcessID) throws(ScenarioError) -> Call {
        if let token = peek, token.text == "fork" {
            throw failure(
                at: token, "a fork must name the child",
                "Write \"child = \(scenario.names.name(of: process)): fork\".")
        }
        let word = try keyword("a call", among: Self.calls)
        switch word {
        case "mmap": return try mmap(of: process)
        case "munmap": return .munmap(try span(of: process))
        case "mprotect": return .mprotect(try span(of: process), try protection())
        case "mremap": return try mremap(of: process)
        case "madvise": return .madvise(try span(of: process), try advice())
        case "brk": return .brk(try address(of: process))
        case "mincore": return .mincore(try span(of: process))
        case "msync":
            let span = try span(of: process)
            return .msync(span, SyncFlags(rawValue: try flags("a flag of msync", Words.sync)))
        case "mlock": return .mlock(try span(of: process))
        case "mlock2":
            let span = try span(of: process)
            return .mlock2(span, LockFlags(rawValue: try flags("a flag of mlock2", Words.lock)))
        case "munlock": return .munlock(try span(of: process))
        case "mlockall":
            return .mlockall(
                LockAllFlags(rawValue: try flags("a flag of mlockall", Words.lockAll)))
        case "munlockall": return .munlockall
        case "remap_file_pages", "move_pages", "migrate_pages", "mbind":
            return try placement(word, of: process)
        case "ftruncate": return .ftruncate(try file(), length: try quantity("the new length"))
        case "seal":
            let file = try file()
            return .seal(file, FileSeals(rawValue: try flags("a seal", Words.seals)))
        case "punch_hole", "read_file", "write_file": return try fileRange(word)
        case "shmat": return try shmat(of: process)
        case "shmdt": return .shmdt(try address(of: process))
        case "shmctl":
            let file = try file()
            let action = try keyword("what to do", among: ["lock", "unlock"])
            return .shmLock(file, locked: action == "lock")
        case "touch":
            let span = try span(of: process)
            return .access(span, try accessKind())
        case "store":
            let span = try span(of: process)
            _ = try keyword("what decides the pattern", among: ["seed"])
            return .store(span, seed: try quantity("a seed"))
        case "load": return .load(try span(of: process))
        case "exec": return .exec(try image())
        case "setlimit": return try setLimit()
        case "privilege":
            let word = try keyword("whether CAP_IPC_LOCK is held", among: ["on", "off", "admin"])
            guard word == "admin" else { return .setLockPrivilege(word == "on") }
            let state = try keyword("whether other privileges are held", among: ["on", "off"])
            return .setAdministrator(state == "on")
        default: return .exit
        }
    }

    // MARK: Address space

    private mutating func mmap(of process: ProcessID) throws(ScenarioError) -> Call {
        let length = try quantity("the length, as in 64M")
        let protection = try protection()
        var address = Address.absolute(0)
        var file: FileID?
        var offset: UInt64 = 0
        let flags = try flags(
            "a flag of mmap", Words.map, others: ["at", "file", "offset"]
        ) { (parser: inout Self, word: String) throws(ScenarioError) in
            switch word {
            case "at": address = try parser.address(of: process)
            case "file": file = try parser.file()
            default: offset = try parser.quantity("the offset in the file, in bytes")
            }
        }
        return .mmap(
            address: address, length: length, protection: protection,
            flags: MapFlags(rawValue: flags), file: file, offset: offset)
    }

    private mutating func mremap(of process: ProcessID) throws(ScenarioError) -> Call {
        let span = try span(of: process)
        let newLength = try quantity("the new length, as in 128M")
        var address = Address.absolute(0)
        let flags = try flags(
            "a flag of mremap", Words.remap, others: ["at"]
        ) { (parser: inout Self, _: String) throws(ScenarioError) in
            address = try parser.address(of: process)
        }
        return .mremap(
            span, newLength: newLength, flags: RemapFlags(rawValue: flags), newAddress: address)
    }

    private mutating func advice() throws(ScenarioError) -> Advice {
        if let token = peek, token.kind != .word {
            return Advice(rawValue: try signed("an advice"))
        }
        let word = try keyword("an advice", among: Words.advice.map(\.scenario))
        let value = Words.advice.first { $0.scenario == word }?.value ?? 0
        return Advice(rawValue: Int32(truncatingIfNeeded: value))
    }

    /// The calls that say where pages go.
    private mutating func placement(
        _ word: String, of process: ProcessID
    ) throws(ScenarioError) -> Call {
        if word == "migrate_pages" {
            _ = try keyword("the old nodes", among: ["from"])
            let from = try quantity("a mask of nodes")
            _ = try keyword("the new nodes", among: ["to"])
            return .migratePages(from: from, to: try quantity("a mask of nodes"))
        }
        let span = try span(of: process)
        switch word {
        case "remap_file_pages":
            let protection = try protection()
            _ = try keyword("the page in the file", among: ["page"])
            let page = try quantity("the number of a page in the file")
            let flags = try flags("a flag of mmap", Words.map)
            return .remapFilePages(
                span, protection: protection, pageOffset: page, flags: MapFlags(rawValue: flags))
        case "move_pages":
            let node: Int32? = takeWord("node") ? try signed("a node") : nil
            return .movePages(span, node: node, flags: try flags("the flags", []))
        default:
            _ = try keyword("the policy", among: ["mode"])
            let mode = try signed("the number of a policy")
            _ = try keyword("the nodes", among: ["nodes"])
            let nodes = try quantity("a mask of nodes")
            return .mbind(span, mode: mode, nodes: nodes, flags: try flags("the flags", []))
        }
    }

    // MARK: Files and segments

    private mutating func fileRange(_ word: String) throws(ScenarioError) -> Call {
        let file = try file()
        let offset = try quantity("the offset in the file, in bytes")
        let length = try quantity("the length in bytes")
        return switch word {
        case "punch_hole": .punchHole(file, offset: offset, length: length)
        case "read_file": .readFile(file, offset: offset, length: length)
        default: .writeFile(file, offset: offset, length: length)
        }
    }

    private mutating func shmat(of process: ProcessID) throws(ScenarioError) -> Call {
        let file = try file()
        var address = Address.absolute(0)
        let flags = try flags(
            "a flag of shmat", Words.attach, others: ["at"]
        ) { (parser: inout Self, _: String) throws(ScenarioError) in
            address = try parser.address(of: process)
        }
        return .shmat(file, address: address, flags: AttachFlags(rawValue: flags))
    }

    // MARK: Processes

    private mutating func accessKind() throws(ScenarioError) -> AccessKind {
        switch try keyword("a kind of access", among: ["read", "write", "execute"]) {
        case "read": .read
        case "write": .write
        default: .execute
        }
    }

    /// Takes `NAME [top ADDRESS] [break ADDRESS] [area ADDRESS LENGTH PROTECTION …]…`.
    private mutating func image() throws(ScenarioError) -> ExecImage {
        var image = ExecImage(
            name: try text("the name of the program"), areas: [],
            mapTop: ExecImage.defaultMapTop, breakStart: ExecImage.defaultBreakStart)
        while let token = peek, token.text != "=>" {
            switch try keyword("a part of the program", among: ["top", "break", "area"]) {
            case "top": image.mapTop = try quantity("where the search for room begins")
            case "break": image.breakStart = try quantity("where the heap of brk begins")
            default: image.areas.append(try area())
            }
        }
        return image
    }

    private mutating func area() throws(ScenarioError) -> ExecImage.Area {
        var area = ExecImage.Area(
            address: try quantity("the address of the area"),
            length: try quantity("the length of the area"), protection: try protection())
        while let word = peek?.text, ["top", "break", "area", "=>"].contains(word) == false {
            switch try keyword(
                "a property of the area",
                among: ["file", "offset", "segment", "heap", "stack", "vdso", "vvar"])
            {
            case "file": area.file = try file()
            case "offset": area.fileOffset = try quantity("the offset in the file, in bytes")
            case "heap": area.purpose = .heap
            case "stack": area.purpose = .stack
            case "vdso": area.purpose = .vdso
            case "vvar": area.purpose = .vvar
            default: area.purpose = .segment
            }
        }
        return area
    }

    private mutating func setLimit() throws(ScenarioError) -> Call {
        let word = try keyword("a resource", among: Words.resources.map(\.scenario))
        let value = Words.resources.first { $0.scenario == word }?.value ?? 0
        let resource = Resource(rawValue: UInt8(truncatingIfNeeded: value)) ?? .memlock
        let soft = try limit()
        guard let token = peek, token.text != "=>" else {
            return .setLimit(resource, soft: soft, hard: soft)
        }
        return .setLimit(resource, soft: soft, hard: try limit())
    }

    private mutating func limit() throws(ScenarioError) -> UInt64? {
        takeWord("unlimited") ? nil : try quantity("a number of bytes or \"unlimited\"")
    }

    // MARK: Outcomes

    /// Takes `=> OUTCOME` if it comes next; without it the call must succeed.
    mutating func arrow(
        for call: Call, of process: ProcessID? = nil
    ) throws(ScenarioError) -> ExpectedOutcome {
        guard takeMark("=>") else { return .success }
        let remedy =
            "Write ok, any, fails, the name of an error such as ENOMEM, a signal such as SIGBUS, "
            + "a number, an address such as heap+4K, or the pages of mincore as in 1100."
        guard let token = peek else { throw failureHere(wanted: "an outcome", remedy) }
        if token.kind == .number {
            if case .mincore = call, token.text.allSatisfy({ $0 == "0" || $0 == "1" }) {
                taken += 1
                return .pages(token.text.map { $0 == "1" })
            }
            return .value(try quantity("a number"))
        }
        guard token.kind == .word else { throw failureHere(wanted: "an outcome", remedy) }
        if let signals = Words.signals.first(where: { $0.word == token.text })?.signals {
            taken += 1
            guard let process, takeWord("at") else { return .signal(signals, at: nil) }
            return .signal(signals, at: try address(of: process))
        }
        if let error = Errno(named: token.text) {
            taken += 1
            return .failed(error)
        }
        taken += 1
        switch token.text {
        case "ok": return .success
        case "any": return .anything
        case "fails": return .failure
        case "errno": return .failed(Errno(rawValue: try signed("the number of an error")))
        case "seed": return .pattern(seed: try quantity("a seed"))
        case "nodes": return .nodes(try nodes())
        case _ where process != nil && regions[token.text] != nil:
            taken -= 1
            return .address(try address(of: process ?? .none))
        default:
            let near = Suggestion.nearest(to: token.text, among: Self.outcomes.sorted())
            throw failure(
                at: token, "\"\(token.text)\" is no outcome",
                (near.map { "Did you mean \"\($0)\"? " } ?? "") + remedy)
        }
    }
}

extension ScenarioParser {
    /// Takes what move_pages finds: nodes, and errors where there is none, to the end of the line.
    private mutating func nodes() throws(ScenarioError) -> [Int32] {
        var nodes: [Int32] = []
        while let token = peek {
            if token.kind == .word {
                guard let error = Errno(named: token.text) else {
                    throw failureHere(
                        wanted: "a node or an error", "Write as in: nodes 0 0 ENOENT EFAULT.")
                }
                taken += 1
                nodes.append(-error.rawValue)
            } else {
                nodes.append(try signed("the number of a node"))
            }
        }
        return nodes
    }
}

extension ExecImage {
    /// Where the search for room begins in a scenario that does not say.
    package static let defaultMapTop: UInt64 = 0x7fff_f7ff_f000
    /// Where the heap of brk begins in a scenario that does not say.
    package static let defaultBreakStart: UInt64 = 0x5555_5555_9000
}
