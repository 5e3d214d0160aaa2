// SPDX-License-Identifier: Apache-2.0

import Mooring
import Workloads

/// A system that gives some wrong answers.
final class WrongSystem: MemorySystem {
    private let system: EngineSystem
    private let outcome: (Operation, EngineSystem) throws -> Outcome
    private let text: (String) -> String
    private let entries: ([UInt64]) -> [UInt64]
    let name = "a wrong system"

    init(
        _ system: EngineSystem,
        outcome: @escaping (Operation, EngineSystem) throws -> Outcome = { try $1.perform($0) },
        text: @escaping (String) -> String = { $0 },
        entries: @escaping ([UInt64]) -> [UInt64] = { $0 }
    ) {
        self.system = system
        self.outcome = outcome
        self.text = text
        self.entries = entries
    }

    func perform(_ operation: Operation) throws -> Outcome { try outcome(operation, system) }

    func kill(_ process: ProcessID) { system.kill(process) }

    func text(_ view: ProcessView, of process: ProcessID) throws -> String {
        text(try system.text(view, of: process))
    }

    func pagemap(of process: ProcessID, address: UInt64, pages: Int) throws -> [UInt64] {
        entries(try system.pagemap(of: process, address: address, pages: pages))
    }

    func sample(of process: ProcessID) throws -> ProcessSample { try system.sample(of: process) }
    func text(_ view: MachineView) throws -> String { try system.text(view) }
}
