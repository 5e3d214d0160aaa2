// SPDX-License-Identifier: Apache-2.0

import Explorer
import Testing

@testable import Mooring
@testable import Races

/// What mistakes with the engine's own locks and records are found as.
@Suite(.enabled(if: EngineSubject.isAvailable)) struct DetectorTests {
    /// What a search finds in two CPUs that do something to a machine, each on its CPU.
    private func finding(
        _ first: @escaping @Sendable (Machine, CPU) -> Void,
        _ second: @escaping @Sendable (Machine, CPU) -> Void
    ) throws -> Finding? {
        let race = Race(name: "planted", summary: "", mutations: []) {
            let machine = try Stage.machine()
            let cpus = [first, second].enumerated().map { index, body in
                {
                    let cpu = machine.cpus[index + 1]
                    cpu.enter()
                    defer { cpu.leave() }
                    body(machine, cpu)
                }
            }
            return Scene(machine: machine, cpus: cpus, check: {})
        }
        return try Explorer(try EngineSubject(race)).search(.exhaustive(bound: 2)).failure?.finding
    }

    @Test func `a lock taken out of its rank`() throws {
        let found = try finding(
            { machine, cpu in
                machine.allocator.zone(0).lock.lock(.zone, on: cpu)
                machine.batches.lists.lock(ofNode: 0).lock(.lru, on: cpu)
            },
            { _, _ in })
        #expect(found == Finding(.check, "lock of rank lru taken while rank zone is held"))
    }

    @Test func `two locks of a rank taken in two orders`() throws {
        @Sendable func take(_ machine: Machine, _ zones: [Int], _ cpu: CPU) {
            let locks = zones.map { machine.allocator.zone($0).lock }
            for lock in locks { lock.lock(.zone, on: cpu, nests: true) }
            for lock in locks { lock.unlock(.zone, on: cpu) }
        }
        let found = try finding({ take($0, [0, 1], $1) }, { take($0, [1, 0], $1) })
        #expect(found?.kind == .deadlock)
        #expect(found?.message.contains("which CPU B has") == true)
    }

    /// What a search finds where one CPU has a frame and frees it, and another uses it meanwhile.
    private func finding(
        freedBy free: @escaping @Sendable (Machine, PFN, CPU) -> Void
    ) throws -> Finding? {
        try finding(
            { machine, cpu in
                let pfn = machine.allocator.allocate(type: .movable, on: cpu)
                free(machine, pfn, cpu)
            },
            { machine, _ in
                // The first frame that a machine hands out.
                let frame = machine.frames[PFN(1024)]
                if frame.counts.load() != 0 { frame.clear(.dirty) }
            })
    }

    @Test func `a frame used after it was freed`() throws {
        let found = try finding { machine, pfn, cpu in
            machine.frames[pfn].counts.store(FrameRef.oneReference)
            machine.frames[pfn].counts.store(0)
            machine.allocator.free(pfn, on: cpu)
        }
        #expect(found == Finding(.freed, "CPU B touches flags of frame 1024, which was freed"))
    }

    @Test func `a frame used after it was freed and handed out again`() throws {
        let found = try finding { machine, pfn, cpu in
            machine.frames[pfn].counts.store(FrameRef.oneReference)
            machine.frames[pfn].counts.store(0)
            machine.allocator.free(pfn, on: cpu)
            _ = machine.allocator.allocate(type: .movable, on: cpu)
            machine.frames[pfn].counts.store(FrameRef.oneReference)
        }
        #expect(found?.kind == .freed)
    }

    @Test(
        arguments: [
            ("first-run", Mutation.runsUnseen, "is freed while CPU 2 holds the translation"),
            ("copy-translation", .flushesFirst, "entry behind the translation"),
            ("drain-filling", .drainsWithoutEntering, "nothing orders the two"),
            ("exit-truncation", .freesTablesFirst, "which was freed"),
        ])
    func `a rule broken is found as what it leads to`(
        _ name: String, _ mutation: Mutation, _ words: String
    ) throws {
        let race = try #require(Race.named(name))
        let explorer = try Explorer(try EngineSubject(race, mutation: mutation))
        let failure = try #require(try explorer.search(.exhaustive(bound: 2)).failure)
        #expect(failure.finding.message.contains(words))
    }
}
