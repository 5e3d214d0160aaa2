// SPDX-License-Identifier: Apache-2.0
//
// A virtual CPU: whoever runs on it owns its per-CPU data, its counters and, in checked builds,
// the record of the locks it holds. Mechanisms keep their own per-CPU data in arrays that
// `index` selects.
//
// STATE   `occupied` is a lock: one host thread runs on a virtual CPU at a time.
// LOCKS   cpu is the outermost rank.

import Synchronization

/// The flat state behind ``CPU``.
struct CPUState: ~Copyable {
    let index: Int
    let occupied = Atomic<UInt32>(0)
    /// Ranks of the locks held, outermost first; checked builds only.
    var heldRanks: InlineArray<32, UInt8> = .init(repeating: 0)
    var heldCount = 0
    /// Events since the machine was made: one word per ``Event``.
    let events: UnsafeMutablePointer<Int64>
    /// Differences to the machine's gauges: ``Gauge`` words for each zone, zones in order.
    let gauges: UnsafeMutablePointer<Int64>
    /// Virtual nanoseconds that this CPU has spent.
    var clock: UInt64 = 0
}

/// A virtual CPU, as every operation of the engine is given it.
package struct CPU {
    let state: UnsafeMutablePointer<CPUState>

    /// Makes the CPU with this number for a machine of `zoneCount` zones.
    init(index: Int, zoneCount: Int) {
        let events = CPU.ownLines(Event.count, of: Int64.self)
        events.initialize(repeating: 0, count: Event.count)
        let gauges = CPU.ownLines(Gauge.count * zoneCount, of: Int64.self)
        gauges.initialize(repeating: 0, count: Gauge.count * zoneCount)
        state = CPU.ownLines(1, of: CPUState.self)
        state.initialize(to: CPUState(index: index, events: events, gauges: gauges))
    }

    /// Memory that shares no cache line, nor the pair of lines that processors fetch together,
    /// with anything another CPU writes.
    private static func ownLines<Element: ~Copyable>(
        _ count: Int, of type: Element.Type
    ) -> UnsafeMutablePointer<Element> {
        let line = 128
        let bytes = (count * MemoryLayout<Element>.stride + line - 1) & ~(line - 1)
        return UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: line)
            .bindMemory(to: Element.self, capacity: count)
    }

    /// Gives the memory back; nobody may use any copy of this handle afterwards.
    func deallocate() {
        state.pointee.events.deallocate()
        state.pointee.gauges.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Its number, from 0.
    @inline(__always)
    package var index: Int { state.pointee.index }

    /// Begins an operation on this CPU; waits while another host thread runs one.
    @inline(__always)
    func enter() {
        SchedulingPoint.reach(.lock, state)
        var turn = 0
        while state.pointee.occupied.exchange(1, ordering: .acquiring) != 0 {
            SchedulingPoint.wait(state, turn: turn)
            turn += 1
        }
        noteAcquired(.cpu)
    }

    /// Begins an operation on this CPU unless another host thread runs one: never waits, so a
    /// thread that runs on one CPU may look after an idle one.
    @inline(__always)
    func tryEnter() -> Bool {
        SchedulingPoint.reach(.attempt, state)
        guard state.pointee.occupied.exchange(1, ordering: .acquiring) == 0 else { return false }
        noteAcquired(.cpu)
        return true
    }

    /// Whether somebody runs on it: for assertions.
    @inline(__always)
    var isEnteredHint: Bool { state.pointee.occupied.load(ordering: .relaxed) != 0 }

    /// Ends the operation that ``enter()`` began.
    @inline(__always)
    func leave() {
        noteReleased(.cpu)
        state.pointee.occupied.store(0, ordering: .releasing)
        SchedulingPoint.reach(.unlock, state)
    }

    /// Counts an event.
    @inline(__always)
    func count(_ event: Event, _ amount: Int = 1) {
        event.word(in: state.pointee.events).add(amount)
    }

    /// Changes a gauge of a zone.
    @inline(__always)
    func add(_ amount: Int, to gauge: Gauge, zone: Int) {
        gauge.word(in: state.pointee.gauges, zone: zone).add(amount)
    }

    // MARK: Lock order

    /// Records a lock that was just taken; checked builds stop if its rank is out of order.
    @inline(__always)
    func noteAcquired(_ rank: LockRank, nests: Bool = false) {
        #if DEBUG || Checks
            if state.pointee.heldCount > 0 {
                let innermost = state.pointee.heldRanks[state.pointee.heldCount - 1]
                if innermost > rank.rawValue || (!nests && innermost == rank.rawValue) {
                    SchedulingPoint.fail(
                        """
                        lock of rank \(rank) taken while rank \
                        \(LockRank(rawValue: innermost).unsafelyUnwrapped) is held
                        """)
                }
            }
            precondition(state.pointee.heldCount < 32, "more than 32 locks held at once")
            state.pointee.heldRanks[state.pointee.heldCount] = rank.rawValue
            state.pointee.heldCount += 1
        #endif
    }

    /// Records that a lock was given back, not necessarily the last one taken.
    @inline(__always)
    func noteReleased(_ rank: LockRank) {
        #if DEBUG || Checks
            var position = state.pointee.heldCount - 1
            while position >= 0, state.pointee.heldRanks[position] != rank.rawValue {
                position -= 1
            }
            if position < 0 {
                SchedulingPoint.fail("lock of rank \(rank) released but not held")
            }
            while position + 1 < state.pointee.heldCount {
                state.pointee.heldRanks[position] = state.pointee.heldRanks[position + 1]
                position += 1
            }
            state.pointee.heldCount -= 1
        #endif
    }
}
