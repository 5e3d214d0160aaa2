// SPDX-License-Identifier: Apache-2.0

import Mooring

extension Experiment {
    /// Whether locked memory that is left alone costs those who look for memory to reclaim.
    ///
    /// Without ``MlockDesign/none``, where reclaim looks at all of it again and again.
    static let lockedRest = Experiment(
        "locked-rest",
        question: "Millions of pages are locked and left alone: is it slower to reclaim others?",
        parameters: [
            Parameter(
                name: "locked", meaning: "thousands of pages that are locked", values: [0, 1000],
                range: 0...200_000),
            Parameter(
                name: "memory", meaning: "MiB of memory besides", values: [256],
                range: 64...1 << 20),
            Parameter(
                name: "read", meaning: "how often that is filled from a file in each pass",
                values: [4], range: 1...1000),
            Parameter(
                name: "passes", meaning: "passes, in turn; the median of their times is shown",
                values: [5], range: 1...99),
        ]
    ) { settings in
        let designs = [MlockDesign.reverseMap, .count]
        let amounts = settings.values("locked")
        var result = settings.result(
            over: "locked", at: amounts.map { "\($0) thousand" }, for: designs.map(\.rawValue))
        let scans = result.addFigure(
            "scanned", .ratio, "pages that reclaim looked at for each page that it freed")
        let times = result.addFigure(
            "time", .nanoseconds, isMeasured: true,
            "time of this host for each page that was read and made room for")
        for (design, mlock) in designs.enumerated() {
            let machines = try amounts.map { thousands in
                let locked = thousands * 1000
                // Page tables, and what grows with the size of memory, come from a part besides.
                let frames = (settings.value("memory") << 8) + locked + locked / 256
                return try LockedScan(
                    mlock, frames: frames, locked: locked, rounds: settings.value("read"))
            }
            for _ in 0..<settings.value("passes") { for machine in machines { try machine.read() } }
            var haveStayed = true
            for (place, machine) in machines.enumerated() {
                result[scans, design, place] = machine.scannedPerFreed
                result[times, design, place] = machine.times.sorted()[machine.times.count / 2]
                haveStayed = try machine.haveStayed && haveStayed
                machine.end()
            }
            result.claim("\(mlock.rawValue): no locked page has left memory", haveStayed)
            let order = amounts.indices.sorted { amounts[$0] < amounts[$1] }
            guard let least = order.first, let most = order.last, amounts[least] < amounts[most],
                let few = result[scans, design, least], let many = result[scans, design, most],
                let fast = result[times, design, least], let slow = result[times, design, most]
            else { continue }
            result.claim(
                "\(mlock.rawValue): reclaim looks at as many pages, however many are locked",
                abs(many - few) <= 0.01 * few)
            result.claim(
                "\(mlock.rawValue): it does not take half as long again", isMeasured: true,
                slow < 1.5 * fast)
        }
        return result
    }
}
