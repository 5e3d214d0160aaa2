// SPDX-License-Identifier: Apache-2.0
//
// What is in the frames: 4096 bytes each, backed when first needed, a pageblock at a time.
// Page tables always have contents; data only on machines made with `contents: .bytes`.

import Synchronization

/// The bytes of physical memory.
struct PhysicalMemory {
    private static let blockShift = 9
    /// One address a pageblock of 512 frames; 0 where nothing is backed yet.
    private let blocks: UnsafeMutablePointer<UInt64>
    private let blockCount: Int

    init(frameCount: Int) {
        blockCount = (frameCount + 511) >> PhysicalMemory.blockShift
        blocks = .allocate(capacity: blockCount)
        blocks.initialize(repeating: 0, count: blockCount)
    }

    /// Gives the memory back.
    func deallocate() {
        for index in 0..<blockCount where blocks[index] != 0 {
            UnsafeMutableRawPointer(bitPattern: UInt(blocks[index]))?.deallocate()
        }
        blocks.deallocate()
    }

    /// The 4096 bytes of a frame; undefined until somebody wrote them.
    @inline(__always)
    func bytes(of pfn: PFN) -> UnsafeMutableRawPointer {
        let block = pfn.index >> PhysicalMemory.blockShift
        precondition(block < blockCount, "frame beyond the end of memory")
        let word = AtomicField64(at: blocks + block)
        var address = word.loadAcquiring()
        if address == 0 { address = back(word) }
        // SAFETY: `back` published an allocation of a whole pageblock, which lives as long as this.
        return UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped
            + (pfn.index & 511) &* Int(pageSize)
    }

    @inline(never)
    private func back(_ word: AtomicField64) -> UInt64 {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: Int(pageSize) << PhysicalMemory.blockShift, alignment: Int(pageSize))
        let address = UInt64(UInt(bitPattern: memory))
        if word.replace(0, by: address) { return address }
        // RACE: another CPU backed the block first; its memory counts.
        memory.deallocate()
        return word.loadAcquiring()
    }

    /// The frame that an address lies in, and which byte of it.
    func locate(_ address: UInt) -> (pfn: PFN, byte: Int)? {
        for block in 0..<blockCount where blocks[block] != 0 {
            let offset = address &- UInt(blocks[block])
            if offset < UInt(pageSize) << PhysicalMemory.blockShift {
                let index = block << PhysicalMemory.blockShift + Int(offset) / Int(pageSize)
                return (PFN(index), Int(offset) % Int(pageSize))
            }
        }
        return nil
    }

    /// Whether the address of one of its blocks is kept at an address.
    func hasDirectory(at address: UInt) -> Bool {
        address &- UInt(bitPattern: blocks) < UInt(blockCount * 8)
    }

    /// Clears a frame.
    @inline(__always)
    func zero(_ pfn: PFN) {
        let bytes = bytes(of: pfn)
        SchedulingPoint.reach(.write, bytes)
        bytes.initializeMemory(as: UInt64.self, repeating: 0, count: 512)
    }

    /// Copies one frame onto another.
    func copy(_ source: PFN, to destination: PFN) {
        let from = bytes(of: source)
        let to = bytes(of: destination)
        SchedulingPoint.reach(.read, from)
        SchedulingPoint.reach(.write, to)
        to.copyMemory(from: from, byteCount: Int(pageSize))
    }
}
