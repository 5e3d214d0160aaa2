// SPDX-License-Identifier: Apache-2.0
//
// Looking ahead on a list of accesses: see Prefetch.swift.

extension MemoryAccess {
    /// How many accesses are looked at ahead.
    static let lookahead: UInt64 = 64

    /// Brings into the processor's cache what accesses to some pages will begin with: the entries,
    /// and for those that are absent the slots of the file's index.
    ///
    /// Under the address space's lock.
    func prefetch(
        _ pages: UnsafeBufferPointer<UInt32>, from start: UInt64, _ space: AddressSpace,
        _ slot: AddressSpaceSlot, on cpu: CPU
    ) {
        withUnsafeTemporaryAllocation(of: (UInt64, AtomicField64).self, capacity: pages.count) {
            entries in
            var count = 0
            Prefetch.upTo(pages.count) { list in
                for page in pages {
                    let address = start + UInt64(page) << pageShift
                    guard let table = tables.find(root: space.root, address) else { continue }
                    let word = table.word(TableLevel.pte.index(of: address))
                    list.add(word.word)
                    entries[count] = (address, word)
                    count += 1
                }
            }
            // Only for the file that faulted last: a list is of one mapping as a rule.
            let place = slot.place
            guard place.start < place.end, let file = place.outline.vma.file else { return }
            file.cacheLock.lock(.pageCache, on: cpu)
            Prefetch.upTo(count) { list in
                for (address, word) in entries[..<count]
                where word.load() == 0 && place.start <= address && address < place.end {
                    let offset = place.outline.vma.pageOffset(of: address)
                    if let slot = file.index.address(of: offset) { list.add(slot) }
                }
            }
            file.cacheLock.unlock(.pageCache, on: cpu)
        }
    }
}
