// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Mooring
import Workloads

/// The machine that work runs on, as the command line and a scenario ask for it.
struct MachineOptions: ParsableArguments {
    @Option(help: "Physical memory of the machine: 4G, 512M, 1T.", transform: byteCount)
    var memory: UInt64?

    @Option(help: "Virtual CPUs of the machine.")
    var cpus: Int?

    /// The configuration: the command line first, then the scenario, then the defaults.
    func configuration(for settings: MachineSettings) throws -> MachineConfiguration {
        var configuration = MachineConfiguration(
            memory: .bytes(memory ?? settings.memory ?? 4 << 30))
        configuration.cpus = cpus ?? settings.cpus ?? 1
        if settings.contents == .bytes { configuration.contents = .bytes }
        if let mode = settings.overcommit {
            guard let known = UInt8(exactly: mode).flatMap(OvercommitMode.init) else {
                throw CommandFailure("overcommit \(mode) is not a mode; there are 0, 1 and 2")
            }
            configuration.overcommit = known
        }
        if let limit = settings.maxMapCount { configuration.maxMapCount = limit }
        try refuseDesigns(settings)
        return configuration
    }

    /// A design that this engine does not have must not be passed over in silence.
    private func refuseDesigns(_ settings: MachineSettings) throws {
        if let design = settings.mlockDesign, design != .count {
            throw CommandFailure("mlock design \(design.rawValue) is not built yet; use count")
        }
        if let design = settings.highOrders, design != .none {
            throw CommandFailure("high orders by \(design.rawValue) are not built yet; use none")
        }
        if let sharing = settings.tableSharing, sharing != .never {
            throw CommandFailure(
                "page-table sharing \(sharing.rawValue) is not built yet; use never")
        }
    }

    /// A machine, or the reason why it cannot be.
    static func system(_ configuration: MachineConfiguration) throws -> EngineSystem {
        do {
            return try EngineSystem(configuration)
        } catch {
            throw CommandFailure("this machine is not possible: \(error)")
        }
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
