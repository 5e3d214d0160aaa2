// SPDX-License-Identifier: Apache-2.0
//
// Reclaim, without the time of devices: their clocks are virtual.

import Mooring

extension EngineWork {
    /// Taking clean pages of a file that nobody maps.
    @Sendable static func reclaimFile(_ scene: EngineScene) throws {
        let file = scene.machine.makeFile(named: "t", kind: .disk, length: scene.length)
        _ = try file.read(at: .bytes(0), length: scene.length)
        scene.machine.drainBatches()
        try scene.measure { scene.units = Int(scene.machine.reclaim(scene.length).bytes >> 12) }
        file.close()
    }

    /// Looking at mapped pages of a file that were all used since: each is left where it is.
    @Sendable static func reclaimScan(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let file = scene.machine.makeFile(named: "t", kind: .disk, length: scene.length)
        let region = try scene.map(task, flags: .shared, file: file)
        try task.access(region, .read)
        scene.machine.drainBatches()
        let before = scene.machine.framesScanned
        try scene.measure { _ = scene.machine.scanInactive(scene.length) }
        scene.units = scene.machine.framesScanned - before
        task.exit()
        file.close()
    }

    /// Swapping pages out: an entry that names a slot, and a write that ends some time later.
    @Sendable static func swapOut(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let region = try scene.touched(task)
        scene.machine.drainBatches()
        try scene.measure {
            try task.madvise(region, .pageOut)
            scene.machine.endWrites()
            _ = scene.machine.reclaim(scene.length)
        }
        scene.machine.endWrites()
        task.exit()
    }

    /// Faulting pages back in from their slots.
    @Sendable static func swapIn(_ scene: EngineScene) throws {
        let task = scene.machine.spawn()
        let region = try scene.touched(task)
        try task.madvise(region, .pageOut)
        scene.machine.endWrites()
        _ = scene.machine.reclaim(scene.length)
        try scene.measure { try task.access(region, .read) }
        scene.machine.endWrites()
        task.exit()
    }
}
