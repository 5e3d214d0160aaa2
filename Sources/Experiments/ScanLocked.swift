// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Experiment {
    /// What locked memory costs those who look for memory to reclaim.
    static let scanLocked = Experiment(
        "scan-locked",
        question:
            "Most of memory is locked: how many pages does reclaim look at for each it frees?",
        parameters: [
            Parameter(
                name: "memory", meaning: "MiB of memory", values: [1024], range: 64...1 << 20),
            Parameter(
                name: "locked", meaning: "percent of memory that is locked", values: [0, 50, 90],
                range: 0...95),
            Parameter(
                name: "read", meaning: "how often what is left is filled from a file",
                values: [8], range: 1...1000),
        ]
    ) { settings in
        let shares = settings.values("locked")
        var result = settings.result(
            over: "locked", at: shares.map { "\($0) %" }, for: MlockDesign.names)
        let scans = result.addFigure(
            "scanned", .ratio, "pages that reclaim looked at for each page that it freed")
        let walks = result.addFigure(
            "walks", .ratio, "walks of reverse maps for each page that was freed")
        let unevictable = result.addFigure(
            "unevictable", .count, "pages that reclaim does not see any more")
        let times = result.addFigure(
            "time", .nanoseconds, isMeasured: true,
            "time of this host for each page that was read and made room for")
        var allStayed = true
        for (design, mlock) in MlockDesign.allCases.enumerated() {
            for (place, share) in shares.enumerated() {
                let scan = try LockedScan(
                    mlock, mebibytes: settings.value("memory"), percent: share,
                    rounds: settings.value("read"))
                result[scans, design, place] = scan.scannedPerFreed
                result[walks, design, place] = scan.walksPerFreed
                result[unevictable, design, place] = Double(scan.unevictable)
                result[times, design, place] = scan.timePerPage
                allStayed = allStayed && scan.haveStayed
            }
        }
        result.claim("no locked page has left memory, in any design", allStayed)
        for design in [MlockDesign.reverseMap, .count] {
            let index = MlockDesign.index(of: design)
            result.claim(
                "\(design.rawValue): fewer than 1.5 pages are looked at for each that is freed",
                shares.indices.allSatisfy { result[scans, index, $0] ?? .infinity < 1.5 })
        }
        let last = shares.count - 1
        if shares[last] >= 80 {
            result.claim(
                "none: locked pages are looked at again and again",
                result[scans, MlockDesign.index(of: .none), last] ?? 0 > 1.5)
        }
        return result
    }
}

/// One machine that a file is read through while much of it is locked.
private struct LockedScan {
    let scannedPerFreed: Double
    let walksPerFreed: Double
    let timePerPage: Double
    let unevictable: Int
    let haveStayed: Bool

    init(_ design: MlockDesign, mebibytes: Int, percent: Int, rounds: Int) throws {
        var configuration = MachineConfiguration(memory: .mebibytes(UInt64(mebibytes)))
        configuration.mlockDesign = design
        let machine = try Machine(configuration)
        let frames = mebibytes << 8
        let lockedPages = frames * percent / 100
        let task = machine.spawn()
        var locked: Region?
        if lockedPages > 0 {
            let length = ByteCount.pages(UInt64(lockedPages))
            let file = machine.makeFile(
                named: "locked", kind: .disk, length: length, isCached: true)
            let region = try task.mmap(
                length: length, protection: [.read], flags: [.shared], file: file)
            file.close()
            try task.mlock(region)
            locked = region
        }
        let length = ByteCount.pages(UInt64((frames - lockedPages) * rounds))
        let stream = machine.makeFile(named: "stream", kind: .disk, length: length)
        machine.drainBatches()
        let scanned = machine.framesScanned
        let freed = machine.framesReclaimed
        let walks = machine.total(.reverseMapWalk)
        let time = try ContinuousClock().measure {
            _ = try stream.read(at: .bytes(0), length: length)
        }
        let count = Double(max(1, machine.framesReclaimed - freed))
        scannedPerFreed = Double(machine.framesScanned - scanned) / count
        walksPerFreed = Double(machine.total(.reverseMapWalk) - walks) / count
        timePerPage = time.nanoseconds / Double(length.bytes >> 12)
        unevictable = machine.total(.unevictable)
        haveStayed =
            try locked.map { region in
                try task.mincore(region).allSatisfy { $0 & 1 == 1 }
            } ?? true
        task.exit()
        stream.close()
    }
}
