// SPDX-License-Identifier: Apache-2.0
//
// The reclaim daemon of each node (kswapd).
//
// LAZY    A virtual daemon: it has no thread. Whoever finds a node's zones below the low mark wakes
//         it, and it runs there and then on the waker's CPU, until one zone has what its high mark
//         asks for. Waiting for a device is not its part: what it has set to be written it leaves,
//         and whoever cannot wait for that reclaims directly.
// LOCKS   A node's daemon runs on one CPU at a time; a second waker goes on without it.

/// The flat state of one node's daemon.
struct ReclaimDaemonState {
    /// Rounds in a row that have freed nothing: an atomic word.
    var failures: UInt64 = 0
    /// An atomic word.
    var isRunning: UInt32 = 0
}

extension Reclaimer {
    /// After so many failures a daemon waits for direct reclaim to find something.
    static let hopeless = 16

    private func runningWord(node: Int) -> AtomicField32 {
        AtomicField32(
            at: UnsafeMutableRawPointer(daemons + node)
                + MemoryLayout<ReclaimDaemonState>.offset(of: \.isRunning).unsafelyUnwrapped)
    }

    /// Rounds of a node's daemon in a row that have freed nothing.
    func failures(ofNode node: Int) -> AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(daemons + node)
                + MemoryLayout<ReclaimDaemonState>.offset(of: \.failures).unsafelyUnwrapped)
    }

    /// Lets a node's daemon run.
    func wakeDaemon(node: Int, on cpu: CPU) {
        guard failures(ofNode: node).load() < Reclaimer.hopeless, missing(node: node, on: cpu) > 0,
            !runningWord(node: node).testAndSet(1)
        else { return }
        balance(node: node, on: cpu)
        runningWord(node: node).testAndClear(1)
    }

    private func balance(node: Int, on cpu: CPU) {
        cpu.count(.pageoutrun)
        batches.drain(on: cpu)
        var freed = 0
        var priority = ReclaimRound.firstPriority
        while priority > 0 {
            let missing = missing(node: node, on: cpu)
            if missing <= 0 { break }
            var round = ReclaimRound(
                agent: .daemon, target: max(missing, Reclaimer.batch), highest: .movable)
            round.priority = priority
            shrink(node: node, &round, on: cpu)
            freed += round.reclaimed
            // Looks deeper only where this depth has not given what was asked for.
            if round.reclaimed < round.target { priority -= 1 }
        }
        batches.drain(on: cpu)
        let failures = failures(ofNode: node)
        // RACE: another CPU may have reset it; then this round is forgotten, or that one.
        failures.store(freed > 0 ? 0 : failures.load() + 1)
    }

    /// How many frames the best zone of a node lacks to its high mark; frames on the CPU's own
    /// lists count as free.
    private func missing(node: Int, on cpu: CPU) -> Int {
        var least = Int.max
        for type in ZoneType.allCases {
            let zone = allocator.zone(node * ZoneType.count + Int(type.rawValue))
            guard zone.managed > 0 else { continue }
            let listed = Int(allocator.lists(cpu: cpu.index, zone: zone.index).total.load())
            least = min(least, -zone.available(above: .high, best: .movable) - listed)
        }
        return least == .max ? 0 : least
    }
}
