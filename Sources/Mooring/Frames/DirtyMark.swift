// SPDX-License-Identifier: Apache-2.0
//
// The mark of a file's frame whose contents are newer than the device's, and the count of such
// frames. Files in memory have no device: their frames are marked and not counted.

extension FrameRef {
    /// Marks a file's frame dirty, once; one that has left the cache has nobody to be written for.
    @inline(__always)
    func markDirty(on cpu: CPU) {
        if !has(.dirty) { markDirtySlowly(on: cpu) }
    }

    @inline(never)
    private func markDirtySlowly(on cpu: CPU) {
        guard !testAndSet(.dirty) else { return }
        if isCountedWhenDirty {
            cpu.add(1, to: .dirty, zone: zoneIndex)
            cpu.add(1, to: .dirtied, zone: zoneIndex)
        }
        // RACE: the page may have been taken out of the cache meanwhile. Of the two that then
        // clear the mark one finds it set, and takes the count back.
        if !has(.fileCached), !Mutation.dirtiesGonePages.isActive { clearDirty(on: cpu) }
    }

    /// Takes the mark back; returns whether it was set.
    @discardableResult
    func clearDirty(on cpu: CPU) -> Bool {
        guard testAndClear(.dirty) else { return false }
        if isCountedWhenDirty { cpu.add(-1, to: .dirty, zone: zoneIndex) }
        return true
    }

    private var isCountedWhenDirty: Bool { !has(.swapBacked) }
}
