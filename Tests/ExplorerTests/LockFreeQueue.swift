// SPDX-License-Identifier: Apache-2.0

import Explorer

/// A queue of numbers between any number of threads, without a lock.
///
/// It has a mistake; `isMended` takes it out. The article of the explorer tells how it is found; a test holds this against the article.
final class LockFreeQueue {
    private let slots: [Cell<Int>]
    private let isFull: [Atomic<Bool>]
    private let head = Atomic(0)
    private let tail = Atomic(0)
    private let isMended: Bool

    init(capacity: Int, isMended: Bool) {
        slots = (0..<capacity).map { _ in Cell(0) }
        isFull = (0..<capacity).map { _ in Atomic(false) }
        self.isMended = isMended
    }

    /// Adds a number; returns whether there was room.
    func push(_ number: Int) -> Bool {
        while true {
            let end = tail.load()
            let slot = end % slots.count
            if isFull[slot].load() { return false }
            guard tail.compareExchange(end, end + 1) else { continue }
            // The mistake: the number is announced before it is there.
            if !isMended { isFull[slot].store(true) }
            slots[slot].value = number
            if isMended { isFull[slot].store(true) }
            return true
        }
    }

    /// Takes the number that came first; `nil` when there is none.
    func pop() -> Int? {
        while true {
            let start = head.load()
            let slot = start % slots.count
            guard isFull[slot].load() else { return nil }
            guard head.compareExchange(start, start + 1) else { continue }
            let number = slots[slot].value
            isFull[slot].store(false)
            return number
        }
    }
}

/// One thread pushes two numbers, another pops what it finds: a number comes out as it went in.
func queueSubject(isMended: Bool) -> ClosureSubject<(queue: LockFreeQueue, popped: Cell<[Int]>)> {
    ClosureSubject(
        state: { (LockFreeQueue(capacity: 2, isMended: isMended), Cell([])) },
        threads: [
            { state in
                _ = state.queue.push(1)
                _ = state.queue.push(2)
            },
            { state in
                for _ in 0..<2 {
                    if let number = state.queue.pop() { state.popped.value.append(number) }
                }
            },
        ],
        check: { state in
            let popped = state.popped.value
            if popped != Array(1..<popped.count + 1) {
                throw Finding(.state, "popped \(popped)")
            }
        })
}
