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
                let frames = settings.value("memory") << 8
                let scan = try LockedScan(
                    mlock, frames: frames, locked: frames * share / 100,
                    rounds: settings.value("read"))
                try scan.read()
                result[scans, design, place] = scan.scannedPerFreed
                result[walks, design, place] = scan.walksPerFreed
                result[unevictable, design, place] = Double(scan.machine.total(.unevictable))
                result[times, design, place] = scan.times[0]
                allStayed = try scan.haveStayed && allStayed
                scan.end()
            }
        }
        result.claim("no locked page has left memory, in any design", allStayed)
        for design in [MlockDesign.reverseMap, .count] {
            let index = MlockDesign.index(of: design)
            result.claim(
                "\(design.rawValue): fewer than 1.5 pages are looked at for each that is freed",
                shares.indices.allSatisfy { result[scans, index, $0] ?? .infinity < 1.5 })
        }
        if let most = shares.indices.max(by: { shares[$0] < shares[$1] }), shares[most] >= 80 {
            result.claim(
                "none: locked pages are looked at again and again",
                result[scans, MlockDesign.index(of: .none), most] ?? 0 > 1.5)
        }
        return result
    }
}

/// One machine that a file is read through while some of its memory is locked.
final class LockedScan {
    let machine: Machine
    /// What reading has come to, all passes together.
    private(set) var scannedPerFreed = 0.0
    private(set) var walksPerFreed = 0.0
    /// The time of each pass on this host, in nanoseconds a page.
    private(set) var times: [Double] = []
    private let task: Machine.Task
    private let locked: Region?
    private let stream: Machine.File
    private let length: ByteCount
    private let start: (scanned: Int, freed: Int, walks: Int)

    /// A machine of so many frames, some locked; a pass reads `rounds` times as much as the others
    /// hold.
    init(_ design: MlockDesign, frames: Int, locked lockedPages: Int, rounds: Int) throws {
        var configuration = MachineConfiguration(memory: .pages(UInt64(frames)))
        configuration.mlockDesign = design
        machine = try Machine(configuration)
        task = machine.spawn()
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
        self.locked = locked
        length = .pages(UInt64((frames - lockedPages) * rounds))
        stream = machine.makeFile(named: "stream", kind: .disk, length: length)
        machine.drainBatches()
        start = (
            machine.framesScanned, machine.framesReclaimed, machine.total(.reverseMapWalk)
        )
    }

    /// Reads the file through.
    func read() throws {
        let time = try ContinuousClock().measure {
            _ = try stream.read(at: .bytes(0), length: length)
        }
        times.append(time.nanoseconds / Double(length.bytes >> 12))
        let freed = Double(max(1, machine.framesReclaimed - start.freed))
        scannedPerFreed = Double(machine.framesScanned - start.scanned) / freed
        walksPerFreed = Double(machine.total(.reverseMapWalk) - start.walks) / freed
    }

    /// Whether no locked page has left memory.
    var haveStayed: Bool {
        get throws {
            try locked.map { try task.mincore($0).allSatisfy { $0 & 1 == 1 } } ?? true
        }
    }

    /// Ends the process.
    func end() {
        task.exit()
        stream.close()
    }
}
