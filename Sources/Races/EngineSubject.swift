// SPDX-License-Identifier: Apache-2.0
//
// A race as the explorer's subject: the real engine, in memory that is put back after each run.
//
// STATE   The machine lies in an arena, all but the table of processes. It is made once; then the
//         arena is frozen, and each run begins with what was frozen.

import CExplorer
import Explorer
import Mooring

/// A race, ready to be explored, with at most one mistake made in the engine.
package final class EngineSubject: Subject {
    package let race: Race
    package let mutation: Mutation?
    private let arena: OpaquePointer
    private var scene: Scene?
    private var unflat: Machine.Unflat?

    /// The bytes that a machine's memory may take; they cost nothing until they are used.
    private static let arenaBytes = 512 << 20

    /// Whether this build stops at every atomic read and write, and can make mistakes in the engine.
    ///
    /// One that stops at locks alone would try next to nothing, and call it all.
    package static var isAvailable: Bool { SchedulingPoint.isInstrumented }

    /// Makes the machine of a race.
    ///
    /// - Throws: What the race throws when it is staged, or ``SceneFailure`` where the host has no
    ///   memory, or where this build cannot explore.
    package init(_ race: Race, mutation: Mutation? = nil) throws {
        guard EngineSubject.isAvailable else {
            throw SceneFailure(
                "this build passes over what CPUs read and write between locks; build with "
                    + "--traits Exploration")
        }
        guard let arena = explorer_arena_create(EngineSubject.arenaBytes) else {
            throw SceneFailure("the host has no address space for a machine")
        }
        self.race = race
        self.mutation = mutation
        self.arena = arena
        EngineSubject.installHooks
        explorer_arena_use(arena)
        defer { explorer_arena_use(nil) }
        let scene = try race.stage()
        self.scene = scene
        unflat = scene.machine.unflat
        // Traps are caught from the first run on; the first write to a frozen page is one.
        guard explorer_arena_freeze(arena) else {
            throw SceneFailure("the host does not protect memory")
        }
    }

    deinit {
        // The machine takes itself apart, which writes to its memory.
        explorer_arena_use(arena)
        scene = nil
        explorer_arena_use(nil)
        explorer_arena_destroy(arena)
    }

    /// The engine tells the explorer of this thread of the host, and draws from its arena.
    private static let installHooks: Void = {
        SchedulingPoint.install(
            SchedulingPoint.Controller(
                reach: explorer_reach,
                fail: { message in Point.fail(String(cString: message)) },
                control: explorer_control))
        HostMemory.install(
            { explorer_arena_allocate($0, $1) },
            owns: { memory in
                var offset = 0
                return explorer_arena_contains(
                    explorer_arena_in_use(), UInt(bitPattern: memory), &offset)
            })
    }()

    // MARK: Subject

    /// As many threads as CPUs take part.
    package var threadCount: Int { scene?.cpus.count ?? 0 }

    /// Puts the machine back to what it was.
    package func reset() {
        explorer_arena_use(arena)
        explorer_arena_restore(arena)
        explorer_set_tag(mutation.map { $0.rawValue + 1 } ?? 0)
        guard let scene, let unflat else { return }
        scene.machine.unflat = unflat
        scene.notes.removeAll()
    }

    /// What a CPU does.
    package func run(thread: Int) throws { try scene?.cpus[thread]() }

    /// The race's own check, then the machine's audit.
    package func check() throws {
        guard let scene else { return }
        try scene.check()
        try scene.machine.audit()
    }

    /// The thread goes back to the host's memory.
    package func endRun() { explorer_arena_use(nil) }

    /// A number for the machine's memory.
    package var fingerprint: UInt64? { explorer_arena_fingerprint(arena) }

    /// Pages that runs write: what putting the machine back costs.
    package var writtenPages: Int { explorer_arena_written_pages(arena) }

    /// "CPU" and a number from 0: a thread's, not a machine's.
    package func name(ofThread thread: Int) -> String {
        "CPU " + String(UnicodeScalar(UInt8(65 + thread)))
    }

    /// The machine's own words, or how far into its memory.
    package func name(ofObject address: UInt) -> String? {
        if let words = scene?.machine.describe(address: address) { return words }
        var offset = 0
        guard explorer_arena_contains(arena, address, &offset) else { return nil }
        return "word +\(offset)"
    }

    /// How far into the machine's memory.
    package func number(ofObject address: UInt) -> UInt64? {
        var offset = 0
        return explorer_arena_contains(arena, address, &offset) ? UInt64(offset) : nil
    }

    /// The engine's files, but for those that every lock and atomic passes through.
    package func isPlace(_ file: String) -> Bool {
        !file.contains("/Synchronization/") && !file.hasSuffix("/EngineSubject.swift")
            && (file.contains("/Sources/Mooring/") || file.contains("/Sources/Races/"))
            && !file.hasSuffix("/FrameTable.swift") && !file.hasSuffix("/Entry.swift")
    }
}
