// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

/// What the tests of reclaim start from: a machine that is smaller than what runs on it.
enum ReclaimBench {
    static func machine(
        memory: ByteCount = .mebibytes(16), contents: MachineConfiguration.Contents = .none,
        cpus: Int = 1, _ change: (inout MachineConfiguration) -> Void = { _ in }
    ) throws -> Machine {
        var configuration = MachineConfiguration(memory: memory)
        configuration.contents = contents
        configuration.cpus = cpus
        configuration.faultAroundPages = 1
        change(&configuration)
        return try Machine(configuration)
    }
}

extension Machine {
    /// A file on the device that is mapped shared.
    func mapDisk(_ task: Task, pages: Int, named name: String = "f") throws -> Region {
        let file = makeFile(named: name, kind: .disk, length: .pages(UInt64(pages)))
        let region = try task.map(file, pages: pages)
        file.close()
        return region
    }

    /// The frame behind a page.
    func frame(of task: Task, _ address: UInt64) -> FrameRef {
        let space = task.process.space
        // The test has touched the page, so its table is there.
        let table = spaces.tables.find(root: space.root, address).unsafelyUnwrapped
        return frames[table[TableLevel.pte.index(of: address)].frame]
    }

    /// Looks through all inactive lists, as reclaim does in the end: takes what was not used since,
    /// and what was being written before.
    func scanAllInactive() {
        scanInactive(configuration.memory)
    }

    /// Takes every frame that can be had without reclaim.
    func takeAllFrames() -> [PFN] {
        cpus[0].enter()
        defer { cpus[0].leave() }
        var taken: [PFN] = []
        while case let pfn = allocator.allocate(type: .unmovable, on: cpus[0]), pfn != .none {
            taken.append(pfn)
        }
        return taken
    }

    /// Frees frames that nobody has.
    func giveBack(_ frames: [PFN]) {
        cpus[0].enter()
        defer { cpus[0].leave() }
        for pfn in frames { allocator.free(pfn, on: cpus[0]) }
    }

    /// Fills memory by reading a large file once through.
    func pressWithFile(pages: Int) throws {
        let file = makeFile(named: "pressure", kind: .disk, length: .pages(UInt64(pages)))
        _ = try file.read(at: .bytes(0), length: .pages(UInt64(pages)))
        file.close()
    }
}

extension Machine.Task {
    /// How many pages of a region are in memory.
    func resident(_ region: Region) throws -> Int {
        try mincore(address: region.address, length: region.length).reduce(0) { $0 + Int($1) }
    }
}
