// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LinuxHost
import Mooring
import Workloads

/// The machine that work runs on, as the command line and a scenario ask for it.
struct MachineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Physical memory of the machine: 4G, 512M, 1T.", valueName: "size"),
        transform: byteCount)
    var memory: UInt64?

    @Option(
        help: ArgumentHelp(
            "NUMA nodes that share the memory: 1 to \(MachineConfiguration.maximumNodes).",
            valueName: "n"))
    var nodes: Int?

    @Option(
        help: ArgumentHelp(
            "Virtual CPUs, from 1 to \(MachineConfiguration.maximumCPUs). Threads of the work get "
                + "them in turn.",
            valueName: "n"))
    var cpus: Int?

    func validate() throws {
        for (name, value, most) in [
            ("--nodes", nodes, MachineConfiguration.maximumNodes),
            ("--cpus", cpus, MachineConfiguration.maximumCPUs),
        ] {
            if let value, !(1...most).contains(value) {
                throw ValidationError("\(name) is a number from 1 to \(most), not \(value).")
            }
        }
    }

    /// What a machine has that nobody asked for anything else.
    private static let defaultMemory: UInt64 = 4 << 30

    /// Whether the user wants another amount of memory than what stands for the recorded machine's.
    var isWhatIf: Bool { memory.map { $0 != MachineOptions.defaultMemory } ?? false }

    /// The machine for some work: the command line first, then the scenario, then the defaults.
    ///
    /// - Throws: ``CommandFailure`` that says where the impossible was asked for.
    func system(for work: Source) throws -> EngineSystem {
        let configuration = try configuration(for: work)
        let descriptors = configuration.descriptorBytes
        guard HostMemory.canReserve(bytes: descriptors) else {
            throw failure(
                .memory, of: work, isFromCommandLine: memory != nil,
                "this host has no room for the machine's descriptors: "
                    + "\(descriptors >> 30) GiB in one piece",
                "make its memory smaller")
        }
        do throws(ImpossibleMachine) {
            return try EngineSystem(configuration)
        } catch {
            let (name, option): (MachineSettings.Name, Any?) =
                switch error.part {
                case .memory, .faultAroundPages, .tlbEntries: (.memory, memory)
                case .nodes: (.nodes, nodes)
                case .cpus: (.cpus, cpus)
                case .maxMapCount: (.maps, nil)
                case .swap: (.swap, nil)
                case .swappiness: (.swappiness, nil)
                }
            throw failure(
                name, of: work, isFromCommandLine: option != nil, error.problem, error.remedy)
        }
    }

    private func configuration(for work: Source) throws -> MachineConfiguration {
        let settings = work.settings
        var configuration = MachineConfiguration(
            memory: .bytes(memory ?? settings.memory ?? MachineOptions.defaultMemory))
        configuration.nodes = nodes ?? settings.nodes ?? 1
        configuration.cpus = cpus ?? settings.cpus ?? 1
        if case .scenario(let scenario) = work.workload, scenario.contents == .bytes {
            configuration.contents = .bytes
        }
        if let mode = settings.overcommit.flatMap(UInt8.init(exactly:)).flatMap(OvercommitMode.init)
        {
            configuration.overcommit = mode
        }
        if let limit = settings.maxMapCount { configuration.maxMapCount = limit }
        if let swap = settings.swap { configuration.swap = [.bytes(swap)] }
        if let swappiness = settings.swappiness { configuration.swappiness = swappiness }
        if let design = settings.mlockDesign.flatMap({ MlockDesign(rawValue: $0.rawValue) }) {
            configuration.mlockDesign = design
        }
        try refuseDesigns(work)
        return configuration
    }

    /// A design that this engine does not have must not be passed over in silence.
    private func refuseDesigns(_ work: Source) throws {
        let settings = work.settings
        func refuse<Design: RawRepresentable<String> & Equatable>(
            _ name: MachineSettings.Name, _ design: Design?, unless built: Design
        ) throws {
            guard let design, design != built else { return }
            throw failure(
                name, of: work, isFromCommandLine: false,
                "\(name.rawValue) \(design.rawValue) is not built yet", "use \(built.rawValue)")
        }
        try refuse(.orders, settings.highOrders, unless: .none)
        try refuse(.tables, settings.tableSharing, unless: .never)
    }

    /// Something about the machine, with the place where it was asked for.
    private func failure(
        _ name: MachineSettings.Name, of work: Source, isFromCommandLine: Bool, _ message: String,
        _ remedy: String
    ) -> CommandFailure {
        let remedy = remedy.prefix(1).uppercased() + remedy.dropFirst() + "."
        if !isFromCommandLine, let place = work.place(of: name) {
            return CommandFailure("\(work.path): \(ScenarioError(at: place, message, remedy))")
        }
        return CommandFailure(
            (isFromCommandLine ? "--\(name.rawValue): " : "") + message + ". " + remedy)
    }
}

/// A number of bytes as people write it: 4G, 512M, 64K.
@Sendable
func byteCount(_ text: String) throws -> UInt64 {
    let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
    let unit = text.last.flatMap { units[Character($0.uppercased())] }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard let number = UInt64(digits) else {
        throw ValidationError("\(text) is no size; write 4G, 512M or 64K.")
    }
    let (bytes, overflows) = number.multipliedReportingOverflow(by: unit ?? 1)
    guard !overflows, bytes > 0 else {
        throw ValidationError("\(text) is no size that a machine can have.")
    }
    return bytes
}
