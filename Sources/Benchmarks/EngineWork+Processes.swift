// SPDX-License-Identifier: Apache-2.0
//
// The engine's side of CLinuxHost/helper_timings_processes.c: forking, copying on write, and
// leaving locked memory behind.

import Mooring

extension EngineWork {
    /// fork of written pages; the first one warms.
    @Sendable static func fork(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        _ = try scene.touched(task)
        try task.fork().exit()
        var child = task
        try scene.measure { child = try task.fork() }
        child.exit()
        task.exit()
    }

    /// fork of written pages, and the child's exit.
    @Sendable static func forkExit(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        _ = try scene.touched(task)
        try task.fork().exit()
        try scene.measure { try task.fork().exit() }
        task.exit()
    }

    /// First write of a forked child to each page that it shares with its parent.
    @Sendable static func copyOnWrite(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let region = try scene.touched(task)
        try scene.warm(task)
        let child = try task.fork()
        try scene.measure { try child.access(region, .write) }
        child.exit()
        task.exit()
    }

    /// What a cached file's locked pages add to the exits of processes that have them locked.
    static func lockedExit(of count: Int) -> @Sendable (EngineScene) throws -> Void {
        { scene in
            let maker = scene.machine.spawn()
            let file = try scene.cachedFile(maker)
            let bare = try (0..<count).map { _ in try maker.fork() }
            try scene.measureBaseline {
                for child in bare { child.exit() }
            }
            let locking = try (0..<count).map { _ in
                let child = try maker.fork()
                try child.mlock(
                    scene.map(child, protection: .read, flags: .shared, file: file))
                return child
            }
            try scene.measure {
                for child in locking { child.exit() }
            }
            scene.units = scene.pages * count
            maker.exit()
            file.close()
        }
    }
}
