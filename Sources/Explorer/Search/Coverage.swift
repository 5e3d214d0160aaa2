// SPDX-License-Identifier: Apache-2.0

/// What a search has seen.
final class Coverage {
    /// A point in the code.
    private struct Site {
        var address: UInt = 0
        var isPreempted = false
    }

    /// More states than this are not told apart.
    static let stateLimit = 1 << 22

    /// Where points are in the code: few, and looked up at each step.
    private var sites = [Site](repeating: Site(), count: 1024)
    private var siteCount = 0
    private var states: UnsafeMutablePointer<UInt64>
    private var mask = (1 << 16) - 1
    /// Different states that runs have reached, up to ``stateLimit``.
    private(set) var stateCount = 0
    private var fingerprints: Set<UInt64> = []

    init() {
        states = .allocate(capacity: mask + 1)
        states.initialize(repeating: 0, count: mask + 1)
    }

    deinit { states.deallocate() }

    /// Different states at the ends of runs.
    var endCount: Int { fingerprints.count }

    /// Remembers a state at the end of a run; returns whether it was known.
    func knows(end fingerprint: UInt64) -> Bool { !fingerprints.insert(fingerprint).inserted }

    /// A thread stands at a point of the code, and another goes on or not.
    @inline(__always)
    func note(site address: UInt, preempted: Bool) {
        guard address != 0 else { return }
        var slot = Int(truncatingIfNeeded: address &* 0x9E37_79B9_7F4A_7C15 >> 40) & 1023
        while sites[slot].address != address {
            if sites[slot].address == 0 {
                guard siteCount < 512 else { return }
                siteCount += 1
                sites[slot].address = address
                break
            }
            slot = (slot &+ 1) & 1023
        }
        if preempted { sites[slot].isPreempted = true }
    }

    /// How many points of the code were come to.
    var pointCount: Int { siteCount }

    /// How many of them were never left by a preemption.
    var neverPreemptedCount: Int {
        sites.reduce(0) { $0 + ($1.address != 0 && !$1.isPreempted ? 1 : 0) }
    }

    /// Addresses of the code of those.
    var neverPreempted: Set<UInt> {
        Set(sites.compactMap { $0.address != 0 && !$0.isPreempted ? $0.address : nil })
    }

    @inline(__always)
    func note(state: UInt64) {
        let word = state | 1
        var slot = Int(truncatingIfNeeded: word >> 20) & mask
        while states[slot] != 0 {
            if states[slot] == word { return }
            slot = (slot &+ 1) & mask
        }
        add(word, slot)
    }

    @inline(never)
    private func add(_ word: UInt64, _ slot: Int) {
        guard stateCount < Coverage.stateLimit else { return }
        states[slot] = word
        stateCount += 1
        if stateCount * 2 > mask { grow() }
    }

    private func grow() {
        let old = states
        let oldCount = mask + 1
        mask = mask * 2 + 1
        states = .allocate(capacity: mask + 1)
        states.initialize(repeating: 0, count: mask + 1)
        for index in 0..<oldCount where old[index] != 0 {
            var slot = Int(truncatingIfNeeded: old[index] >> 20) & mask
            while states[slot] != 0 { slot = (slot &+ 1) & mask }
            states[slot] = old[index]
        }
        old.deallocate()
    }
}
