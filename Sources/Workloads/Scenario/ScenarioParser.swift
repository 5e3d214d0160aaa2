// SPDX-License-Identifier: Apache-2.0
//
// Reads a scenario's text: statements here, the parts of a line in `ScenarioParser+Parts.swift`,
// calls in `ScenarioParser+Calls.swift`, claims in `ScenarioParser+Expectations.swift`.
//
// INVARIANT  Whatever the input, parsing ends in a scenario or in one `ScenarioError`.

import Mooring

extension Scenario {
    /// Reads a scenario.
    package init(parsing text: String) throws(ScenarioError) {
        self = try ScenarioParser.parse(text)
    }
}

/// Reads a scenario line by line; what earlier lines declared decides what later ones may name.
struct ScenarioParser {
    var scenario = Scenario()

    /// The line being read, its tokens, and how many of them have been taken.
    var number = 0
    var line: ArraySlice<UInt8> = []
    var tokens: [Token] = []
    var taken = 0
    /// The byte of the line where its comment begins, or its end.
    var end = 0
    /// The CPU that an operation's line names.
    private var cpu: Int?

    // What has a name so far.
    var processes: [String: ProcessID] = [:]
    var regions: [String: RegionID] = [:]
    var files: [String: FileID] = [:]
    /// The regions that each process may name: those it bound, and those it inherited.
    private var bound: [ProcessID: Set<RegionID>] = [:]
    /// The lines where processes exited.
    private var exits: [ProcessID: Int] = [:]

    /// Words that begin a line or stand where a process could, so no process is called so.
    private static let reserved = ["machine", "process", "file", "expect", "vmstat"]

    static func parse(_ text: String) throws(ScenarioError) -> Scenario {
        var parser = ScenarioParser()
        for line in Array(text.utf8).split(separator: 0x0A, omittingEmptySubsequences: false) {
            try parser.read(line)
        }
        return parser.scenario
    }

    private mutating func read(_ line: ArraySlice<UInt8>) throws(ScenarioError) {
        self.line = line.last == 0x0D ? line.dropLast() : line
        number += 1
        taken = 0
        cpu = nil
        do throws(LexerFailure) {
            (tokens, end) = try Lexer.tokens(of: self.line)
        } catch {
            throw failure(at: error.range, error.message, error.remedy)
        }
        guard !tokens.isEmpty else { return }
        try statement()
        if let extra = peek {
            throw failure(
                at: extra, "the line should have ended before \"\(extra.text)\"",
                "Remove it, or put it behind a # if it is a comment.")
        }
    }

    private mutating func statement() throws(ScenarioError) {
        switch (tokens[0].text, tokens.count > 1 ? tokens[1].text : "") {
        case ("machine", _):
            taken = 1
            try machine()
        case ("expect", _):
            taken = 1
            append(.expect(try expectation()))
        case ("process", let next) where next != ":" && next != "=":
            taken = 1
            try takeCPU()
            let process = try declareProcess()
            append(.operation(Operation(process, .spawn, cpu: cpu), expected: .success))
        case ("file", let next) where next != ":" && next != "=":
            taken = 1
            try declareFile()
        case (_, "="):
            try takeCPU()
            try fork()
        case (_, ":"):
            try takeCPU()
            try operation()
        default:
            let first = tokens[0]
            throw failure(
                at: first, "\"\(first.text)\" does not begin a statement",
                Suggestion.remedy(
                    for: first.text,
                    accepted: [
                        "machine SETTING …", "process NAME", "file NAME = memfd LENGTH",
                        "NAME: CALL …", "NAME: REGION = CALL …", "CHILD = NAME: fork",
                        "expect …",
                    ]))
        }
    }

    private mutating func append(_ action: Scenario.Action) {
        scenario.items.append(.init(line: number, action))
    }

    // MARK: Statements

    private mutating func machine() throws(ScenarioError) {
        repeat {
            let start = peek?.range ?? end..<end
            let name: MachineSettings.Name = try choice("a setting of the machine")
            if let first = scenario.settingPlaces[name] {
                throw failure(
                    at: start,
                    "\(name.rawValue) is set in line \(first.line), column \(first.column) already",
                    "Say it once: a machine does not change while it runs.")
            }
            try setting(name)
            scenario.settingPlaces[name] = place(
                of: start.lowerBound..<tokens[taken - 1].range.upperBound)
        } while peek != nil
    }

    private mutating func setting(_ name: MachineSettings.Name) throws(ScenarioError) {
        switch name {
        case .memory: scenario.machine.memory = try quantity("how much memory, as in 4G")
        case .nodes:
            scenario.machine.nodes = try count(
                "how many NUMA nodes", 1...MachineConfiguration.maximumNodes)
        case .cpus:
            scenario.machine.cpus = try count(
                "how many CPUs", 1...MachineConfiguration.maximumCPUs)
        case .contents: scenario.machine.contents = try choice("what frames hold")
        case .swap: scenario.machine.swap = try quantity("how much swap, as in 1G")
        case .swappiness: scenario.machine.swappiness = try count("the swappiness", 0...200)
        case .mlock: scenario.machine.mlockDesign = try choice("the design of mlock")
        case .orders: scenario.machine.highOrders = try choice("how high orders are made")
        case .tables: scenario.machine.tableSharing = try choice("which tables are shared")
        case .overcommit: scenario.machine.overcommit = try count("the overcommit mode", 0...2)
        case .maps: scenario.machine.maxMapCount = try count("how many VMAs", 1...Int(Int32.max))
        case .seed: scenario.machine.seed = try quantity("a seed")
        }
    }

    private mutating func declareProcess() throws(ScenarioError) -> ProcessID {
        let token = try name("the name of a process")
        if Self.reserved.contains(token.text) {
            throw failure(
                at: token, "\"\(token.text)\" begins statements, so no process can be called so",
                "Choose another name.")
        }
        guard processes[token.text] == nil else {
            throw failure(
                at: token, "there is a process \"\(token.text)\" already",
                "Choose another name: a process keeps its name after it has exited.")
        }
        let process = ProcessID(rawValue: Int32(processes.count + 1))
        processes[token.text] = process
        scenario.names.processes[process] = token.text
        bound[process] = []
        return process
    }

    private mutating func declareFile() throws(ScenarioError) {
        let token = try name("the name of a file")
        guard files[token.text] == nil else {
            throw failure(
                at: token, "there is a file \"\(token.text)\" already", "Choose another name.")
        }
        try expectMark("=")
        let kinds: [String: FileDescription.Kind] = [
            "memfd": .memory, "disk": .disk, "shm": .sharedMemory,
        ]
        let kind = try keyword("a kind of file", among: ["memfd", "disk", "shm"])
        let length = try quantity("the length of the file, as in 1M")
        var description = FileDescription(
            kind: kinds[kind] ?? .memory, length: length, name: token.text)
        while let token = peek, token.text != "=>" {
            switch try keyword("a property of the file", among: ["name", "access", "sealable"]) {
            case "name": description.name = try text("the file's name in maps")
            case "access": description.access = try protection()
            default: description.isSealable = true
            }
        }
        let file = FileID(rawValue: Int32(files.count + 1))
        let call = Call.createFile(file, description)
        let expected = try arrow(for: call)
        files[token.text] = file
        scenario.names.files[file] = token.text
        append(.operation(Operation(.none, call), expected: expected))
    }

    /// Reads `CHILD = PARENT: fork`.
    private mutating func fork() throws(ScenarioError) {
        let child = try declareProcess()
        try expectMark("=")
        let parent = try livingProcess()
        try expectMark(":")
        _ = try keyword("what makes a process", among: ["fork"])
        var shares = false
        if let token = peek, token.kind == .word {
            shares = try keyword("how fork makes it", among: ["shares"]) == "shares"
        }
        let call = Call.fork(child: child, sharesMemory: shares)
        let expected = try arrow(for: call)
        bound[child] = bound[parent]
        append(.operation(Operation(parent, call, cpu: cpu), expected: expected))
    }

    /// Reads `PROCESS: CALL` or `PROCESS: REGION = CALL`.
    private mutating func operation() throws(ScenarioError) {
        let process = try livingProcess()
        try expectMark(":")
        var binds: Token?
        if taken + 1 < tokens.count, tokens[taken + 1].text == "=" {
            binds = try regionName()
            try expectMark("=")
        }
        let callToken = peek
        let call = try self.call(of: process)
        if let binds, let callToken, !call.returnsAddress {
            throw failure(
                at: binds, "\(callToken.text) returns no address to call \"\(binds.text)\"",
                "Only mmap, mremap, brk and shmat do: write the call alone.")
        }
        let region = binds.map { bind($0.text) }
        let expected = try arrow(for: call, of: process)
        if let region { bound[process, default: []].insert(region) }
        switch call {
        case .exit: exits[process] = number
        case .exec: bound[process] = []
        default: break
        }
        append(.operation(Operation(process, call, binds: region, cpu: cpu), expected: expected))
    }

    /// Takes `on cpu N` from the end of what is done: before the arrow, or at the end of the line.
    private mutating func takeCPU() throws(ScenarioError) {
        let last = tokens.firstIndex { $0.kind == .mark && $0.text == "=>" } ?? tokens.count
        guard last >= 3, tokens[last - 3].text == "on", tokens[last - 2].text == "cpu",
            tokens[last - 3].kind == .word
        else { return }
        let before = taken
        taken = last - 1
        cpu = try count("the number of a CPU", 0...MachineConfiguration.maximumCPUs - 1)
        taken = before
        if last == tokens.count { end = tokens[last - 3].range.lowerBound }
        tokens.removeSubrange(last - 3..<last)
    }

    // MARK: Names

    /// Takes a name that a region may have: none that would be read as an outcome after `=>`.
    private mutating func regionName() throws(ScenarioError) -> Token {
        let token = try name("the name of a region")
        guard !ScenarioParser.outcomes.contains(token.text) else {
            throw failure(
                at: token, "\"\(token.text)\" is an outcome, so no region can be called so",
                "Choose another name.")
        }
        return token
    }

    private mutating func bind(_ name: String) -> RegionID {
        if let region = regions[name] { return region }
        let region = RegionID(rawValue: Int32(regions.count + 1))
        regions[name] = region
        scenario.names.regions[region] = name
        return region
    }

    /// Takes the name of a process that has been declared.
    mutating func process() throws(ScenarioError) -> ProcessID {
        let token = try name("the name of a process")
        guard let process = processes[token.text] else {
            throw failure(
                at: token, "no process is called \"\(token.text)\"",
                Suggestion.remedy(for: token.text, accepted: processes.keys.sorted())
                    + " A line \"process \(token.text)\" declares it.")
        }
        return process
    }

    /// Takes the name of a process that has been declared and has not exited.
    mutating func livingProcess() throws(ScenarioError) -> ProcessID {
        let token = peek
        let process = try process()
        if let token, let line = exits[process] {
            throw failure(
                at: token, "\"\(token.text)\" exited in line \(line)",
                "Move this line up, or let another process do it.")
        }
        return process
    }

    /// Takes the name of a region that `process` has.
    mutating func region(of process: ProcessID) throws(ScenarioError) -> RegionID {
        let token = try name("the name of a region, or an address")
        let known = bound[process] ?? []
        guard let region = regions[token.text], known.contains(region) else {
            let accepted = known.map { scenario.names.name(of: $0) }.sorted()
            throw failure(
                at: token, "\(scenario.names.name(of: process)) has no region \"\(token.text)\"",
                Suggestion.remedy(for: token.text, accepted: accepted)
                    + " A line \"\(scenario.names.name(of: process)): \(token.text) = mmap …\" "
                    + "makes one; an address is written in hexadecimal, as in 0x1000.")
        }
        return region
    }

    /// Takes the name of a file that has been declared.
    mutating func file() throws(ScenarioError) -> FileID {
        let token = try name("the name of a file")
        guard let file = files[token.text] else {
            throw failure(
                at: token, "no file is called \"\(token.text)\"",
                Suggestion.remedy(for: token.text, accepted: files.keys.sorted())
                    + " A line \"file \(token.text) = memfd 1M\" declares it.")
        }
        return file
    }
}
