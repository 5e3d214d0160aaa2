// SPDX-License-Identifier: Apache-2.0
//
// Writes operations, outcomes and whole scenarios in the scenario language. What it writes of a
// scenario, the parser reads back as the same scenario.

import Mooring

extension Scenario {
    /// The scenario as text; comments and blank lines of the original are gone.
    package var text: String {
        let printer = ScenarioPrinter(names: names)
        var lines: [String] = []
        if let settings = printer.text(machine) { lines.append(settings) }
        for item in items {
            switch item.action {
            case .operation(let operation, let expected):
                lines.append(printer.text(operation) + printer.text(expected))
            case .expect(let expectation): lines.append(printer.text(expectation))
            }
        }
        return lines.map { $0 + "\n" }.joined()
    }
}

/// Writes the parts of a workload with the names it gave them.
package struct ScenarioPrinter: Sendable {
    private let names: WorkloadNames

    package init(names: WorkloadNames = .init()) { self.names = names }

    /// An operation, without what is expected of it.
    package func text(_ operation: Operation) -> String {
        deed(operation) + (operation.cpu.map { " on cpu \($0)" } ?? "")
    }

    private func deed(_ operation: Operation) -> String {
        let process = names.name(of: operation.process)
        switch operation.call {
        case .spawn: return "process \(process)"
        case .createFile(let file, let description): return text(file, description)
        case .fork(let child, let sharesMemory):
            return "\(names.name(of: child)) = \(process): fork" + (sharesMemory ? " shares" : "")
        default:
            let binding = operation.binds.map { names.name(of: $0) + " = " } ?? ""
            return "\(process): \(binding)\(text(operation.call))"
        }
    }

    /// What is expected of an operation, with the arrow before it; empty for success.
    package func text(_ expected: ExpectedOutcome) -> String {
        switch expected {
        case .success: ""
        case .anything: " => any"
        case .failure: " => fails"
        case .failed(let error): " => \(error)"
        case .signal(let signals, let address):
            " => \(text(signals))" + (address.map { " at \(text($0))" } ?? "")
        case .value(let value): " => \(Quantity.hex(value))"
        case .address(let address): " => \(text(address))"
        case .pages(let pages): " => " + pages.map { $0 ? "1" : "0" }.joined()
        case .nodes(let nodes): " => \(Outcome.text(nodes: nodes))"
        case .pattern(let seed): " => seed \(seed)"
        }
    }

    private func text(_ signals: Set<Signal>) -> String {
        Words.signals.first { $0.signals == signals }?.word ?? "SIGSEGV"
    }

    // MARK: Addresses and spans

    package func text(_ address: Address) -> String {
        switch address {
        case .absolute(let address): Quantity.hex(address)
        case .region(let region, let offset):
            names.name(of: region) + (pageIndex(offset) ?? distance(offset))
        }
    }

    package func text(_ span: Span) -> String {
        switch span {
        case .absolute(let address, let length):
            return "\(Quantity.hex(address)) \(Quantity.text(length))"
        case .region(let region): return names.name(of: region)
        case .part(let region, let offset, let length):
            let name = names.name(of: region)
            let page = Int64(pageSize)
            // Far outside of any memory, the numbers of pages would no longer be read back.
            let limit: UInt64 = 1 << 61
            guard offset.magnitude < limit, length < limit, offset % page == 0,
                length.isPageAligned
            else {
                let from = offset == 0 ? "+0" : distance(offset)
                return "\(name)\(from) \(Quantity.text(length))"
            }
            if length == pageSize { return "\(name)[\(offset / page)]" }
            return "\(name)[\(offset / page)..<\((offset + Int64(length)) / page)]"
        }
    }

    /// An offset of whole pages as the number of a page.
    private func pageIndex(_ offset: Int64) -> String? {
        let page = Int64(pageSize)
        guard offset != 0, offset % page == 0, offset.magnitude < 1 << 61 else { return nil }
        return "[\(offset / page)]"
    }

    private func distance(_ offset: Int64) -> String {
        guard offset != 0 else { return "" }
        return (offset < 0 ? "-" : "+") + Quantity.text(offset.magnitude)
    }

    // MARK: Declarations

    private func text(_ file: FileID, _ description: FileDescription) -> String {
        let name = names.name(of: file)
        let kind =
            switch description.kind {
            case .memory: "memfd"
            case .disk: "disk"
            case .sharedMemory: "shm"
            }
        var text = "file \(name) = \(kind) \(Quantity.text(description.length))"
        if description.name != name { text += " name \(quoted(description.name))" }
        if description.access != [.read, .write] {
            text += " access \(self.text(description.access))"
        }
        if description.isSealable { text += " sealable" }
        return text
    }

    func text(_ machine: MachineSettings) -> String? {
        var parts: [String] = []
        for name in MachineSettings.Name.allCases {
            let value: String? =
                switch name {
                case .memory: machine.memory.map(Quantity.text)
                case .nodes: machine.nodes.map { "\($0)" }
                case .cpus: machine.cpus.map { "\($0)" }
                case .contents: machine.contents?.rawValue
                case .swap: machine.swap.map(Quantity.text)
                case .swappiness: machine.swappiness.map { "\($0)" }
                case .mlock: machine.mlockDesign?.rawValue
                case .orders: machine.highOrders?.rawValue
                case .tables: machine.tableSharing?.rawValue
                case .overcommit: machine.overcommit.map { "\($0)" }
                case .maps: machine.maxMapCount.map { "\($0)" }
                case .seed: machine.seed.map { "\($0)" }
                }
            if let value { parts.append("\(name.rawValue) \(value)") }
        }
        return parts.isEmpty ? nil : "machine " + parts.joined(separator: " ")
    }

    // MARK: Words

    func text(_ protection: Protection) -> String {
        if protection == .none { return "none" }
        guard protection.rawValue <= 7 else {
            return "prot \(Quantity.hex(UInt64(protection.rawValue)))"
        }
        return [(Protection.read, "r"), (.write, "w"), (.execute, "x")]
            .map { protection.contains($0.0) ? $0.1 : "" }.joined()
    }

    /// The words of some bits, each with a space before it.
    func flags(_ raw: UInt32, _ table: [Word] = []) -> String {
        let (words, rest) = table.words(for: UInt64(raw))
        return (words + (rest == 0 ? [] : ["flags \(Quantity.hex(rest))"]))
            .map { " " + $0 }.joined()
    }

    /// A text in quotation marks.
    func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\"", "\\": quoted += "\\\(scalar)"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    func name(of file: FileID) -> String { names.name(of: file) }
    func name(of process: ProcessID) -> String { names.name(of: process) }
}
