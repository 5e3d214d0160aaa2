// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing
import Workloads

@testable import LinuxHost

/// One process on the host's kernel, for tests to drive in few words.
struct KernelProcess {
    let system: KernelSystem
    let id: ProcessID

    /// A new system with one process.
    init() throws {
        system = try KernelSystem()
        id = ProcessID(rawValue: 1)
        #expect(try system.perform(Operation(id, .spawn)) == .value(0))
    }

    private init(_ system: KernelSystem, _ id: ProcessID) {
        self.system = system
        self.id = id
    }

    @discardableResult
    func perform(_ call: Call) throws -> Outcome {
        try system.perform(Operation(id, call))
    }

    func text(_ view: ProcessView) throws -> String { try system.text(view, of: id) }

    var sample: ProcessSample {
        get throws { try system.sample(of: id) }
    }

    /// The areas of maps as `start-end perms`.
    var areas: [String] {
        get throws {
            try text(.maps).split(separator: "\n").map { line in
                line.split(separator: " ").prefix(2).joined(separator: " ")
            }
        }
    }

    /// A private anonymous mapping; its address.
    func map(
        _ length: UInt64, _ protection: Protection = [.read, .write],
        _ flags: MapFlags = [.private, .anonymous], file: FileID? = nil, offset: UInt64 = 0
    ) throws -> UInt64 {
        let outcome = try perform(
            .mmap(
                address: .absolute(0), length: length, protection: protection, flags: flags,
                file: file, offset: offset))
        guard case .value(let address) = outcome else {
            throw SystemFailure("mmap: \(outcome)")
        }
        return address
    }

    /// A forked child.
    func fork(sharesMemory: Bool = false) throws -> KernelProcess {
        let child = ProcessID(rawValue: id.rawValue + 1)
        #expect(
            try perform(.fork(child: child, sharesMemory: sharesMemory))
                == .value(UInt64(child.rawValue)))
        return KernelProcess(system, child)
    }
}

/// A span of absolute addresses.
func span(_ address: UInt64, _ length: UInt64) -> Span {
    .absolute(address: address, length: length)
}
