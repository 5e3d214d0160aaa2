// SPDX-License-Identifier: Apache-2.0

import LinuxHost
import Mooring
import Workloads

/// The host's kernel as a referee.
enum Host {
    /// Why this host's kernel cannot be asked; `nil` if it can.
    static let refusal: String? = {
        do {
            let system = try KernelSystem()
            let process = ProcessID(rawValue: 1)
            _ = try system.perform(Operation(process, .spawn))
            _ = try system.text(.smaps, of: process)
            return nil
        } catch {
            return "\(error)"
        }
    }()

    /// Whether this host's kernel can be asked.
    static var canBeAsked: Bool { refusal == nil }

    /// An engine with a machine of its own.
    static func engine(_ settings: MachineSettings = .init()) throws -> EngineSystem {
        var configuration = MachineConfiguration(memory: .bytes(settings.memory ?? 1 << 30))
        configuration.nodes = settings.nodes ?? 1
        configuration.cpus = settings.cpus ?? 1
        configuration.contents = .bytes
        if let limit = settings.maxMapCount { configuration.maxMapCount = limit }
        if let mode = settings.overcommit.flatMap(UInt8.init(exactly:)).flatMap(OvercommitMode.init)
        {
            configuration.overcommit = mode
        }
        return try EngineSystem(configuration)
    }
}
