// SPDX-License-Identifier: Apache-2.0

import Mooring

/// A race of the engine: a machine, what its CPUs do at once, and what must hold afterwards.
package struct Race: Sendable {
    /// Its name: what comes together, with hyphens.
    package let name: String
    /// What could go wrong, in a sentence.
    package let summary: String
    /// The mistakes in the engine that it must find, and that it does not find in the engine as it
    /// is.
    package let mutations: [Mutation]
    /// Makes the machine and what it needs.
    let stage: @Sendable () throws -> Scene
}

/// A machine just before a race.
struct Scene {
    let machine: Machine
    /// What each CPU does; closures that keep what they make put it into ``Notes``.
    let cpus: [() throws -> Void]
    /// Ends what is left over, then throws what is wrong.
    ///
    /// The audit comes after it.
    let check: () throws -> Void
    /// What the CPUs leave for the check; forgotten before each run.
    var notes = Notes()
}

/// What the CPUs of a scene leave for its check.
final class Notes {
    var tasks: [Machine.Task] = []
    var regions: [Region] = []
    var failures = 0

    func removeAll() {
        tasks.removeAll(keepingCapacity: true)
        regions.removeAll(keepingCapacity: true)
        failures = 0
    }
}

extension Race {
    /// All races, in the order of what they are about.
    package static let all: [Race] =
        mlockRaces + faultRaces + adviceRaces + translationRaces + fileRaces + walkRaces + forkRaces
        + segmentRaces + perCPURaces + reclaimRaces + pressureRaces

    /// The race with a name.
    package static func named(_ name: String) -> Race? {
        all.first { $0.name == name } ?? pairs.first { $0.name == name }
    }
}

/// Machines for scenes.
enum Stage {
    /// A small machine; a file's calls run on CPU 0, tasks on the others.
    static func machine(
        memory: ByteCount = .mebibytes(256), contents: MachineConfiguration.Contents = .none,
        overcommit: OvercommitMode = .heuristic, swap: ByteCount? = nil
    ) throws -> Machine {
        var configuration = MachineConfiguration(memory: memory)
        configuration.cpus = 3
        configuration.contents = contents
        configuration.overcommit = overcommit
        configuration.swap = swap.map { [$0] } ?? []
        configuration.faultAroundPages = 1
        return try Machine(configuration)
    }
}

extension Stage {
    /// A page of a file in memory that two processes map, on CPUs 1 and 2, and nobody has touched.
    struct SharedPage {
        let machine: Machine
        let file: Machine.File
        let one: Machine.Task
        let other: Machine.Task
        /// Where the first process maps it.
        let seen: Region
        /// Where the other does.
        let held: Region
    }

    static func sharedPage(swap: ByteCount? = nil) throws -> SharedPage {
        let machine = try machine(swap: swap)
        let file = machine.makeFile(named: "f", kind: .memory, length: .pages(1))
        let one = machine.spawn(on: 1)
        let other = machine.spawn(on: 2)
        return SharedPage(
            machine: machine, file: file, one: one, other: other,
            seen: try one.mapShared(file, 1), held: try other.mapShared(file, 1))
    }
}

extension Machine.Task {
    /// Maps private anonymous memory of `pages` pages.
    func mapPrivate(_ pages: UInt64) throws -> Region {
        try mmap(
            length: .pages(pages), protection: [.read, .write], flags: [.private, .anonymous])
    }

    /// Maps pages of a file, private.
    func mapPrivate(_ pages: UInt64, of file: Machine.File) throws -> Region {
        try mmap(
            length: .pages(pages), protection: [.read, .write], flags: .private, file: file)
    }

    /// Maps pages of a file, shared.
    func mapShared(_ file: Machine.File, _ pages: UInt64, from offset: UInt64 = 0) throws -> Region
    {
        try mmap(
            length: .pages(pages), protection: [.read, .write], flags: .shared, file: file,
            offset: .pages(offset))
    }
}

/// Throws a finding unless a figure is what it must be.
func expect(_ what: String, _ value: Int, _ expected: Int) throws {
    if value != expected { throw SceneFailure("\(what) is \(value), not \(expected)") }
}

/// What a check of a scene found.
struct SceneFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
