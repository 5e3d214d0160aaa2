// SPDX-License-Identifier: Apache-2.0

import Foundation
import Mooring
import Workloads

/// Work that was named on the command line.
struct Source {
    /// The file.
    let path: String
    /// What reports call it.
    var name: String { (path as NSString).lastPathComponent }
    let workload: Workload

    /// Reads a recording, a scenario, or a text that can be imported.
    ///
    /// - Parameters:
    ///   - path: The file; `nil` for the bundled recording.
    ///   - recovers: Whether to take what stands before the damage of a torn recording.
    /// - Throws: ``CommandFailure`` with the place and the remedy.
    init(path: String?, recovers: Bool = false) throws {
        let path = try path ?? Source.bundledRecording()
        self.path = path
        Terminal.status("reading \(path)")
        defer { Terminal.clearLine() }
        do {
            if recovers, try WorkFile.kind(of: path) == .trace {
                let (recording, damage) = try Recording.recovering(
                    traceBytes: WorkFile.bytes(of: path))
                Terminal.clearLine()
                if let damage {
                    Terminal.note(
                        "\(path): kept what stands before byte \(damage.offset): "
                            + damage.message)
                }
                workload = .recording(recording)
                return
            }
            let (work, notes) = try WorkFile.load(path)
            Terminal.clearLine()
            for note in notes { Terminal.note("\(path): \(note)") }
            guard !work.isEmpty else { throw EmptyWork() }
            workload = work
        } catch {
            throw CommandFailure(error is FileFailure ? "\(error)" : "\(path): \(error)")
        }
    }

    /// The machine that a scenario asks for.
    var settings: MachineSettings {
        switch workload {
        case .scenario(let scenario): scenario.machine
        case .recording: MachineSettings()
        }
    }

    /// Where a scenario says what the machine is to be; `nil` where it does not.
    func place(of setting: MachineSettings.Name) -> ScenarioPlace? {
        guard case .scenario(let scenario) = workload else { return nil }
        return scenario.settingPlaces[setting]
    }

    /// The recording that comes with Mooring: in `Traces`, above the executable or here.
    private static func bundledRecording() throws -> String {
        let executable = Bundle.main.executablePath ?? CommandLine.arguments[0]
        for start in [executable, FileManager.default.currentDirectoryPath] {
            var folder = URL(fileURLWithPath: start)
            while folder.path != "/" {
                let candidate = folder.appendingPathComponent("Traces/\(bundledName)").path
                if FileManager.default.fileExists(atPath: candidate) { return candidate }
                folder.deleteLastPathComponent()
            }
        }
        throw CommandFailure(
            "the bundled recording Traces/\(bundledName) is not above the executable nor above "
                + "the current folder. Run from a clone of Mooring, or name a SOURCE.")
    }

    private static let bundledName = "redis.mooring"
}

/// A file without a single statement or step.
private struct EmptyWork: Error, CustomStringConvertible {
    var description: String {
        "there is nothing to carry out. Write a scenario (mooring run --language) or record a "
            + "program (mooring record)."
    }
}
