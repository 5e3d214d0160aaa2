// SPDX-License-Identifier: Apache-2.0
//
// MADV_GUARD_INSTALL and MADV_GUARD_REMOVE: pages that nobody may touch, without a VMA of their own.
//
// STATE   A marker in each entry (`Entry.guardMarker`), and `VMAFlags.guarded` on a VMA that ever
//         had one: fork must copy its tables. The flag keeps no VMAs apart.
// LOCKS   The address space's lock, exclusive; each table's lock.

extension AddressSpaces {
    /// Puts a marker into every entry of a part of a VMA; the pages that were there go.
    func installGuards(
        _ vma: VMARef, _ space: AddressSpace, from start: UInt64, to end: UInt64, on cpu: CPU
    ) throws(Errno) {
        guard vma.flags.isDisjoint(with: [.io, .pfnMapped, .hugeTLB, .locked]) else {
            throw .EINVAL
        }
        // LINUX: anonymous memory with guards is prepared for pages.
        if vma.file == nil { groups.prepare(vma, in: space, on: cpu) }
        unmapper.unmap(vma, in: space, from: start, to: end, scope: .pages, on: cpu)
        vma.flags.insert(.guarded)
        var address = start
        while address < end {
            let next = min(end, TableLevel.pmd.next(after: address))
            guard let table = tables.make(in: space, address, on: cpu) else { throw .ENOMEM }
            table.lock(on: cpu)
            for index in TableLevel.pte.index(of: address)...TableLevel.pte.index(of: next - 1)
            where table[index].isEmpty {
                table.set(index, .guardMarker)
                table.frame.liveEntries += 1
            }
            table.unlock(on: cpu)
            address = next
        }
    }

    /// Takes the markers out of a part of a VMA; its pages are absent then.
    func removeGuards(
        _ vma: VMARef, _ space: AddressSpace, from start: UInt64, to end: UInt64, on cpu: CPU
    ) {
        guard vma.flags.contains(.guarded) else { return }
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            table.lock(on: cpu)
            for index in TableLevel.pte.index(of: address)...TableLevel.pte.index(of: next - 1)
            where table[index].isGuard {
                table.set(index, .empty)
                table.frame.liveEntries -= 1
            }
            table.unlock(on: cpu)
            address = next
        }
    }
}
