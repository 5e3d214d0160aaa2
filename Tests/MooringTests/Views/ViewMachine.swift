// SPDX-License-Identifier: Apache-2.0
//
// Hand-made machines and text tools that the tests of views share.

@testable import Mooring

extension Machine {
    /// A small machine of one CPU without fault-around, so that pages present are those touched.
    static func small(cpus: Int = 1) throws -> Machine {
        var configuration = MachineConfiguration(memory: .mebibytes(64))
        configuration.cpus = cpus
        configuration.faultAroundPages = 1
        return try Machine(configuration)
    }
}

extension Machine.Task {
    /// Lays the address space out as a loader does: a program, its heap, a stack, the vdso.
    func loadProgram(_ program: Machine.File) throws {
        let areas = [
            LoadedArea(
                start: 0x5555_5555_4000, length: 0x2000, protection: .read, file: program.file,
                offset: 0, name: .none),
            LoadedArea(
                start: 0x5555_5555_6000, length: 0x6000, protection: [.read, .execute],
                file: program.file, offset: 0x2000, name: .none),
            LoadedArea(
                start: 0x5555_5555_C000, length: 0x1000, protection: [.read, .write],
                file: program.file, offset: 0x8000, name: .none),
            LoadedArea(
                start: 0x7FFF_F7FC_2000, length: 0x4000, protection: .read, file: nil,
                offset: 0, name: .vvar),
            LoadedArea(
                start: 0x7FFF_F7FC_6000, length: 0x2000, protection: .read, file: nil,
                offset: 0, name: .vvarClock),
            LoadedArea(
                start: 0x7FFF_F7FC_8000, length: 0x2000, protection: [.read, .execute], file: nil,
                offset: 0, name: .vdso),
            LoadedArea(
                start: 0x7FFF_FFFB_D000, length: 0x42000, protection: [.read, .write], file: nil,
                offset: 0, name: .stack),
        ]
        try enter { caller throws(Errno) in
            try machine.spaces.load(
                areas, into: caller.space, mapTop: 0x7FFF_F7FF_F000,
                breakStart: 0x5555_5555_D000, on: caller.cpu)
        }
        machine.processes.setName("p7", of: process, on: cpu)
    }
}

/// The names of a text's lines, in order: what stands before the colon.
func fieldNames(_ text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
        line.firstIndex(of: ":").map { String(line[..<$0]) }
    }
}

/// The sum of the figures of one field over all lines that begin with its name.
func total(_ name: String, in text: String) -> Int {
    text.split(separator: "\n").filter { $0.hasPrefix(name + ":") }.reduce(0) { sum, line in
        sum + (line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0)
    }
}

/// Whether the members of `names` that are in `others` too stand there in the same order.
func isSameOrder(_ names: [String], as others: [String]) -> Bool {
    let common = Set(names).intersection(others)
    return names.filter(common.contains) == others.filter(common.contains)
}
