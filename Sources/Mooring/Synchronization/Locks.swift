// SPDX-License-Identifier: Apache-2.0
//
// The two kinds of lock that the engine has. Both live in flat memory, both take the virtual CPU
// that acquires them (for the lock order), both pass scheduling points.

import Synchronization

/// A spin lock of one word, in flat memory.
struct SpinLock {
    let word: UnsafeMutablePointer<Atomic<UInt32>>

    /// The lock in the word at `address`, which must hold 0 while nobody has the lock.
    @inline(__always)
    init(at address: UnsafeMutableRawPointer) {
        word = address.assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// Takes the lock.
    ///
    /// `nests` says that the rank's own nesting rule applies.
    @inline(__always)
    func lock(_ rank: LockRank, on cpu: CPU, nests: Bool = false) {
        SchedulingPoint.reach(.lock, word)
        if word.pointee.exchange(1, ordering: .acquiring) != 0 {
            spin()
        }
        cpu.noteAcquired(rank, nests: nests)
    }

    /// Takes the lock if nobody has it.
    @inline(__always)
    func tryLock(_ rank: LockRank, on cpu: CPU) -> Bool {
        SchedulingPoint.reach(.attempt, word)
        guard word.pointee.exchange(1, ordering: .acquiring) == 0 else { return false }
        cpu.noteAcquired(rank, nests: true)
        return true
    }

    /// Gives the lock back.
    @inline(__always)
    func unlock(_ rank: LockRank, on cpu: CPU) {
        cpu.noteReleased(rank)
        word.pointee.store(0, ordering: .releasing)
        SchedulingPoint.reach(.unlock, word)
    }

    /// Whether somebody has the lock: for assertions.
    var isLockedHint: Bool { word.pointee.load(ordering: .relaxed) != 0 }

    @inline(never)
    private func spin() {
        var turn = 0
        repeat {
            while word.pointee.load(ordering: .relaxed) != 0 {
                SchedulingPoint.wait(word, turn: turn)
                turn += 1
            }
        } while word.pointee.exchange(1, ordering: .acquiring) != 0
    }
}

/// A lock that many CPUs hold shared without touching one another's cache lines: each has a word
/// of its own, and who wants it exclusively waits for all of them.
///
/// Shared costs one exchange; exclusive costs one load a CPU, which suits address spaces: faults
/// are many and VMA changes few.
struct SharedLock {
    typealias Word = Atomic<UInt32>

    /// The exclusive holder's word.
    let writer: UnsafeMutablePointer<Atomic<UInt32>>
    /// The first CPU's word; the others follow at `stride` bytes.
    let readers: UnsafeMutableRawPointer
    let stride: Int
    let count: Int

    @inline(__always)
    private func reader(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
        (readers + index &* stride).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// Takes the lock shared with other CPUs.
    @inline(__always)
    func lockShared(_ rank: LockRank, on cpu: CPU) {
        SchedulingPoint.reach(.lockShared, writer)
        let mine = reader(cpu.index)
        // ORDER: own word first, then the writer's; `lock` does it the other way round, so one of
        // the two sees the other. The exchange is the fence that keeps the order.
        _ = mine.pointee.exchange(1, ordering: .sequentiallyConsistent)
        if writer.pointee.load(ordering: .sequentiallyConsistent) != 0 {
            waitForWriter(mine)
        }
        cpu.noteAcquired(rank)
    }

    /// Gives a shared hold back.
    @inline(__always)
    func unlockShared(_ rank: LockRank, on cpu: CPU) {
        cpu.noteReleased(rank)
        reader(cpu.index).pointee.store(0, ordering: .releasing)
        SchedulingPoint.reach(.unlockShared, writer)
    }

    /// Takes the lock alone.
    ///
    /// `nests` says that the rank's own nesting rule applies; `shares`, that a ``Mutation`` asks
    /// for a shared hold.
    func lock(_ rank: LockRank, on cpu: CPU, nests: Bool = false, shares: Bool = false) {
        if shares { return lockShared(rank, on: cpu) }
        SchedulingPoint.reach(.lock, writer)
        var turn = 0
        while writer.pointee.exchange(1, ordering: .sequentiallyConsistent) != 0 {
            SchedulingPoint.wait(writer, turn: turn)
            turn += 1
        }
        for index in 0..<count {
            let other = reader(index)
            while other.pointee.load(ordering: .sequentiallyConsistent) != 0 {
                // The whole lock is one object to a scheduler.
                SchedulingPoint.wait(writer, turn: turn)
                turn += 1
            }
        }
        cpu.noteAcquired(rank, nests: nests)
    }

    /// Gives an exclusive hold back.
    func unlock(_ rank: LockRank, on cpu: CPU, shares: Bool = false) {
        if shares { return unlockShared(rank, on: cpu) }
        cpu.noteReleased(rank)
        writer.pointee.store(0, ordering: .releasing)
        SchedulingPoint.reach(.unlock, writer)
    }

    @inline(never)
    private func waitForWriter(_ mine: UnsafeMutablePointer<Atomic<UInt32>>) {
        var turn = 0
        repeat {
            mine.pointee.store(0, ordering: .sequentiallyConsistent)
            while writer.pointee.load(ordering: .sequentiallyConsistent) != 0 {
                SchedulingPoint.wait(writer, turn: turn)
                turn += 1
            }
            _ = mine.pointee.exchange(1, ordering: .sequentiallyConsistent)
        } while writer.pointee.load(ordering: .sequentiallyConsistent) != 0
    }
}
