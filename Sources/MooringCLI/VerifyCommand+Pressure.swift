// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Conformance
import Foundation
import LinuxHost
import Mooring
import Reports
import Workloads

extension VerifyCommand {
    /// `mooring verify --memory`.
    func verifyPressure(_ memory: UInt64, _ seed: UInt64) throws {
        var options = PressureOptions()
        options.operations = ops
        options.seed = seed
        options.memory = memory
        options.hasSwap = KernelSystem.hasSwap
        var configuration = MachineConfiguration(memory: .bytes(memory))
        configuration.contents = .bytes
        configuration.swap = [.bytes(2 * memory)]
        let start = Date()
        let report: PressureReport
        do {
            let kernel: KernelSystem
            var remark: String?
            do { kernel = try KernelSystem(memory: memory) } catch let refusal as HostRefusal {
                // MADV_PAGEOUT is among the work's calls, and then all that takes pages away there.
                kernel = try KernelSystem()
                remark = refusal.reason
            }
            var verification = PressureVerification(
                options, try EngineSystem(configuration), referee: kernel
            ) { Terminal.progress("verify", min($0, options.operations - 1), options.operations) }
            var result = try verification.run()
            result.timesFull = kernel.timesFull
            report = PressureReport(
                result, options, host: kernel.name, remark: remark,
                seconds: Date().timeIntervalSince(start))
        } catch {
            Terminal.clearLine()
            throw CommandFailure("\(error)")
        }
        Terminal.clearLine()
        print(json ? try indentedJSON(report) : report.text, terminator: "")
        if report.result.disagreement != nil { throw ExitCode(1) }
    }
}
