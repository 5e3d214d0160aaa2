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
        func area(
            _ address: UInt64, _ length: UInt64, _ protection: Protection,
            file: Machine.File? = nil, offset: UInt64 = 0,
            _ purpose: Machine.ProgramArea.Purpose = .segment
        ) -> Machine.ProgramArea {
            Machine.ProgramArea(
                region: Region(address: address, length: length), protection: protection,
                file: file, offset: offset, purpose: purpose)
        }
        try execute(
            "p7",
            areas: [
                area(0x5555_5555_4000, 0x2000, .read, file: program),
                area(0x5555_5555_6000, 0x6000, [.read, .execute], file: program, offset: 0x2000),
                area(0x5555_5555_C000, 0x1000, [.read, .write], file: program, offset: 0x8000),
                area(0x7FFF_F7FC_2000, 0x4000, .read, .vvar),
                area(0x7FFF_F7FC_6000, 0x2000, .read, .vvarClock),
                area(0x7FFF_F7FC_8000, 0x2000, [.read, .execute], .vdso),
                area(0x7FFF_FFFB_D000, 0x42000, [.read, .write], .stack),
            ], mapTop: 0x7FFF_F7FF_F000, breakStart: 0x5555_5555_D000)
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
