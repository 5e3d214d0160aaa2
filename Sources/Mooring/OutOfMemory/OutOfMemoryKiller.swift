// SPDX-License-Identifier: Apache-2.0
//
// When nothing more can be reclaimed: somebody is killed, and what he had is taken at once.
//
// ORDER   Whoever needs memory lets go of his address space first, and asks then: the victim's has
//         to be locked, and ranks alike. Killed first, reaped afterwards: under the lock that no
//         access of the victim can hold, so that none reads zeroes where its data was.
// RACE    The victim may be unlocking memory or exiting at this moment. Both hold its address space
//         exclusively in turn with the reaper, so pages are counted off by one of them. Its record
//         stays while the killer holds a reference to the address space.
// LOCKS   processes to choose, with no other lock held; then the victim's address space.

/// Chooses who has to go, and takes his memory.
struct OutOfMemoryKiller {
    let processes: ProcessTable
    let spaces: AddressSpaces
    /// Frames and swap slots of the machine: what adjustments are thousandths of.
    let totalPages: Int

    /// What became of the wish for memory.
    enum Verdict {
        /// Somebody else has given his up: ask again.
        case freed
        /// Whoever asked is killed himself.
        case killed
    }

    /// Makes room for an address space that cannot get a frame.
    func makeRoom(for space: AddressSpace, on cpu: CPU) -> Verdict {
        // RACE: another CPU may have killed the one that asks.
        if space.isReaped { return .killed }
        guard let victim = choose(on: cpu) else {
            // LINUX: with nobody left to kill the kernel panics; here the one that asks goes.
            kill(space, on: cpu)
            return .killed
        }
        defer {
            if !Mutation.reapsWithoutReference.isActive { spaces.release(victim, on: cpu) }
        }
        kill(victim, on: cpu)
        return victim == space ? .killed : .freed
    }

    /// The address space whose end frees most, with a reference.
    private func choose(on cpu: CPU) -> AddressSpace? {
        processes.whileNoneChanges(on: cpu) { all in
            var chosen: AddressSpace?
            var most = Int.min
            for process in all {
                let space = process.space
                guard !space.isReaped, let badness = badness(of: process), badness >= most else {
                    continue
                }
                most = badness
                chosen = space
            }
            if !Mutation.reapsWithoutReference.isActive { chosen?.users.add(1) }
            return chosen
        }
    }

    /// How much a process's end would free, in pages, with its own adjustment; nil for one that is
    /// never chosen.
    func badness(of process: ProcessRef) -> Int? {
        let adjustment = process.pointer.pointee.oomScoreAdjustment
        guard adjustment != -1000 else { return nil }
        let space = process.space
        return space.residentPages + space.swappedPages + Int(space.tableCount.load())
            + adjustment * totalPages / 1000
    }

    private func kill(_ space: AddressSpace, on cpu: CPU) {
        let isLocked = !Mutation.reapsWithoutLock.isActive
        if isLocked { space.lock.lock(.addressSpace, on: cpu) }
        defer { if isLocked { space.lock.unlock(.addressSpace, on: cpu) } }
        guard !space.isReaped else { return }
        cpu.count(.oomKill)
        let allocator = spaces.reclaim.allocator
        space.markReaped(free: allocator.freeFrames + allocator.usedPerCPUFrames)
        spaces.reap(space, on: cpu)
    }
}

extension AddressSpaces {
    /// Takes the pages of a killed process that nobody else has, locked or not; its lock is held
    /// exclusively.
    ///
    /// Shared memory stays: others may have it, and swap or its file may take it.
    fileprivate func reap(_ space: AddressSpace, on cpu: CPU) {
        var vma = space.tree.first
        while let current = vma {
            vma = current.next
            if current.flags.contains(.shared) || !current.flags.isDisjoint(with: .special) {
                continue
            }
            unmapper.unmap(
                current, in: space, from: current.start, to: current.end, scope: .pages, on: cpu)
        }
        batches.drain(on: cpu)
    }
}
