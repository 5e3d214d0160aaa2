// SPDX-License-Identifier: Apache-2.0
//
// How views look at a machine: which locks they hold, and the walk over a VMA's entries that most
// views of a process share.
//
// LOCKS   A view of a process enters the task's CPU and holds the address space's lock shared, so
//         that VMAs stay; each table's lock is taken for the walk over its entries, so that no
//         entry is read halfway through a change. A view of the machine enters CPU 0.
// LAZY    Views of a process drain no batch: mappings are counted at once, and only list
//         membership waits. Views of the machine drain every CPU's LRU batches first, where the
//         kernel's figures would be short by what its batches hold. Frames on per-CPU free lists
//         stay there: the kernel does not count them as free either.

extension Machine.Task {
    /// Looks at the address space while nobody can change its VMAs.
    func inspect<Result>(_ body: (AddressSpace, CPU) -> Result) -> Result {
        enter { caller in
            caller.space.lock.lockShared(.addressSpace, on: caller.cpu)
            defer { caller.space.lock.unlockShared(.addressSpace, on: caller.cpu) }
            return body(caller.space, caller.cpu)
        }
    }
}

extension Machine {
    /// Looks at the machine with every CPU's LRU batches drained.
    func inspect<Result>(_ body: (CPU) -> Result) -> Result {
        drainBatches()
        let cpu = cpus[0]
        cpu.enter()
        defer { cpu.leave() }
        return body(cpu)
    }
}

extension AddressSpace {
    /// Visits the VMAs in order of their addresses; the lock is held.
    @inline(__always)
    func forEachVMA(_ body: (VMARef) -> Void) {
        var vma = tree.first
        while let current = vma {
            body(current)
            vma = current.next
        }
    }
}

extension AddressSpaces {
    /// Visits the entries of a range that are not empty, with the address of each.
    ///
    /// The address space's lock is held; `body` runs under a table's lock and takes none.
    @inline(__always)
    func forEachEntry(
        in space: AddressSpace, from start: UInt64, to end: UInt64, on cpu: CPU,
        _ body: (UInt64, Entry) -> Void
    ) {
        var address = start
        while address < end {
            let next = min(end, (address | (1 << TableLevel.pmd.rawValue - 1)) + 1)
            if let table = tables.find(root: space.root, address) {
                table.lock(on: cpu)
                if table.frame.liveEntries > 0 {
                    while address < next {
                        let entry = table[TableLevel.pte.index(of: address)]
                        if !entry.isEmpty { body(address, entry) }
                        address += pageSize
                    }
                }
                table.unlock(on: cpu)
            }
            address = next
        }
    }
}
