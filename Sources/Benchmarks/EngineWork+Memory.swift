// SPDX-License-Identifier: Apache-2.0
//
// The engine's side of CLinuxHost/helper_timings.c, function by function: the same calls and
// accesses, in the same order, on as many pages.

import Mooring

/// What benchmarks do on the engine.
enum EngineWork {}

extension EngineWork {
    // MARK: Anonymous memory

    private static func touch(_ scene: EngineScene, _ kind: AccessKind) throws {
        let task = scene.machine.spawn()
        try scene.warm(task)
        let region = try scene.map(task)
        try scene.measure { try task.access(region, kind) }
        task.exit()
    }

    /// First writes, all of them one access to a range.
    @Sendable static func anonTouch(_ scene: EngineScene) throws { try touch(scene, .write) }

    /// First reads, all of them one access to a range.
    @Sendable static func anonRead(_ scene: EngineScene) throws { try touch(scene, .read) }

    private static func touchEach(_ scene: EngineScene, _ kind: AccessKind) throws {
        let task = scene.machine.spawn()
        try scene.warm(task)
        let region = try scene.map(task)
        try scene.measure { try touchEachPage(of: region, task, kind) }
        task.exit()
    }

    /// First writes, each entering the engine by itself.
    @Sendable static func anonTouchEach(_ scene: EngineScene) throws {
        try touchEach(scene, .write)
    }

    /// First reads, each entering the engine by itself.
    @Sendable static func anonReadEach(_ scene: EngineScene) throws { try touchEach(scene, .read) }

    /// First writes on a machine whose memory nobody used before: the host's faults included.
    @Sendable static func anonTouchCold(_ scene: EngineScene) throws {
        let machine = try EngineScene.makeMachine(pages: scene.pages, faultAroundPages: 16)
        let task = machine.spawn()
        let region = try scene.map(task)
        try scene.measure { try task.access(region, .write) }
    }

    /// One access for each page of a region.
    @inline(__always)
    static func touchEachPage(
        of region: Region, _ task: Machine.Task, _ kind: AccessKind
    ) throws(AccessFailure) {
        var address = region.address
        let end = region.address + region.length
        while address < end {
            try task.access(Region(address: address, length: 1), kind)
            address += pageSize
        }
    }

    /// munmap of written pages.
    @Sendable static func anonUnmap(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let region = try scene.touched(task)
        try scene.measure { try task.munmap(region) }
        task.exit()
    }

    /// mmap with `MAP_POPULATE`.
    @Sendable static func populate(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        try scene.warm(task)
        try scene.measure {
            _ = try scene.map(task, flags: [.private, .anonymous, .populate])
        }
        task.exit()
    }

    // MARK: Locking

    private static func mlock(_ scene: EngineScene, populated: Bool) throws {
        let task = scene.machine.spawn()
        try scene.warm(task)
        let region = populated ? try scene.touched(task) : try scene.map(task)
        try scene.measure { try task.mlock(region) }
        task.exit()
    }

    /// mlock of written pages.
    @Sendable static func mlockPopulated(_ scene: EngineScene) throws {
        try mlock(scene, populated: true)
    }

    /// mlock of a region without pages.
    @Sendable static func mlockUnpopulated(_ scene: EngineScene) throws {
        try mlock(scene, populated: false)
    }

    /// munlock of pages that mlock brought in.
    @Sendable static func munlock(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let region = try scene.map(task)
        try task.mlock(region)
        try scene.measure { try task.munlock(region) }
        task.exit()
    }

    /// First writes to a region locked on fault.
    @Sendable static func mlockOnFaultTouch(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        try scene.warm(task)
        let region = try scene.map(task)
        try task.mlock(region, onFault: true)
        try scene.measure { try task.access(region, .write) }
        task.exit()
    }

    // MARK: Files

    /// First reads of a shared mapping of a cached file, on a machine that maps one page a fault.
    @Sendable static func fileTouch(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let file = try scene.cachedFile(task)
        let warm = try scene.map(task, flags: .shared, file: file)
        try task.access(warm, .read)
        try task.munmap(warm)
        let region = try scene.map(task, flags: .shared, file: file)
        try scene.measure { try task.access(region, .read) }
        task.exit()
        file.close()
    }

    /// mmap with `MAP_POPULATE` of a cached file.
    @Sendable static func filePopulate(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let file = try scene.cachedFile(task)
        let flags: MapFlags = [.shared, .populate]
        let warm = try scene.map(task, protection: .read, flags: flags, file: file)
        try task.munmap(warm)
        try scene.measure {
            _ = try scene.map(task, protection: .read, flags: flags, file: file)
        }
        task.exit()
        file.close()
    }
}
