// SPDX-License-Identifier: Apache-2.0
//
// Refault detection: whether a page that comes back would have stayed, had its list been longer.
//
// STATE   Each node has an age: frames evicted from it plus frames activated on it. A page that is
//         evicted leaves the age of that moment in its place (`PageTrace`). When it comes back, the
//         difference to the age of now is its refault distance: how many frames had to be made
//         room for meanwhile.
// LAZY    A shadow that nobody comes back to stays until its file or its range goes; it takes 4
//         bytes, in a leaf of 2 KiB for 512 pages.
// SEE     mm/workingset in the kernel's documentation for the reasoning.

/// Shadows of evicted pages, and what they say when a page comes back.
struct Workingset {
    let lists: LRULists
    /// log2 of the step in which ages are kept, so that they tell apart all a node can hold.
    private let step: UInt64

    init(lists: LRULists) {
        self.lists = lists
        let frames = UInt64(max(2, lists.frames.count))
        let bits = UInt64(64 - (frames - 1).leadingZeroBitCount)
        step = bits > PageTrace.ageBits ? bits - PageTrace.ageBits : 0
    }

    /// What an evicted page leaves in its place.
    @inline(__always)
    func shadow(of flags: FrameFlags, node: Int) -> PageTrace {
        let age = lists.age(ofNode: node).add(1)
        return PageTrace(
            age: age &>> step, node: node, wasUsed: flags.contains(.workingset))
    }

    /// Judges a page that comes back by its shadow; marks its frame, which is on no list yet.
    @inline(never)
    func noteRefault(_ frame: FrameRef, _ shadow: PageTrace, isFile: Bool, on cpu: CPU) {
        let node = shadow.node
        let zone = frame.zoneIndex
        cpu.add(1, to: isFile ? .workingsetRefaultFile : .workingsetRefaultAnon, zone: zone)
        let age = lists.age(ofNode: node)
        let mask: UInt64 = 1 << PageTrace.ageBits - 1
        let distance = ((age.load() &>> step) &- shadow.age & mask) &<< step
        // The page would have stayed if it had had the frames that its distance says. Those of the
        // active list may be used less than it is; so may those of the other kind.
        var rivals = lists.count(.activeFile, node: node)
        if !isFile { rivals += lists.count(.inactiveFile, node: node) }
        if lists.maySwap {
            rivals += lists.count(.activeAnon, node: node)
            if isFile { rivals += lists.count(.inactiveAnon, node: node) }
        }
        guard distance <= UInt64(max(0, rivals)) else { return }
        frame.set(.active)
        age.add(1)
        cpu.add(1, to: isFile ? .workingsetActivateFile : .workingsetActivateAnon, zone: zone)
        guard shadow.wasUsed else { return }
        // It was in use before, and reclaim was wrong to take it.
        frame.set(.workingset)
        cpu.add(1, to: isFile ? .workingsetRestoreFile : .workingsetRestoreAnon, zone: zone)
    }
}
