// SPDX-License-Identifier: Apache-2.0

/// The rarely used part of the objects of a slab, at addresses that never change.
///
/// What hot paths read of an object stays in the slab, densely; the rest lies here under the same
/// number. Tens of thousands of objects then take a third of the host's cache lines and pages.
struct SlabCompanion<Object: ~Copyable> {
    private static var shift: Int { 9 }

    /// Addresses of chunks; 0 where none of a chunk's objects was ever asked for.
    private let directory: UnsafeMutablePointer<UInt64>
    private let count: Int

    /// A companion of a slab of at most `capacity` objects.
    init(capacity: Int = 1 << 28) {
        count = capacity >> SlabCompanion.shift
        directory = .allocate(capacity: count)
        directory.initialize(repeating: 0, count: count)
    }

    /// Gives all memory back.
    func deallocate() {
        for chunk in 0..<count where directory[chunk] != 0 {
            UnsafeMutableRawPointer(bitPattern: UInt(directory[chunk]))?.deallocate()
        }
        directory.deallocate()
    }

    /// Whether the address of one of its chunks is kept at an address.
    func hasDirectory(at address: UInt) -> Bool {
        address &- UInt(bitPattern: directory) < UInt(count * 8)
    }

    /// The part of the object with this number, to be initialised by whoever made the object.
    @inline(__always)
    subscript(number: UInt32) -> UnsafeMutablePointer<Object> {
        let index = Int(number)
        precondition(index >> SlabCompanion.shift < count, "a number beyond the slab's last")
        let word = AtomicField64(at: directory + index >> SlabCompanion.shift)
        var address = word.loadAcquiring()
        if address == 0 { address = back(word) }
        // SAFETY: `back` published an allocation of a whole chunk, which lives as long as this.
        return UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped
            .assumingMemoryBound(to: Object.self) + (index & (1 << SlabCompanion.shift - 1))
    }

    @inline(never)
    private func back(_ word: AtomicField64) -> UInt64 {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Object>.stride << SlabCompanion.shift, alignment: 64)
        let address = UInt64(UInt(bitPattern: memory))
        if word.replace(0, by: address) { return address }
        // RACE: another CPU backed the chunk first; its memory counts.
        memory.deallocate()
        return word.loadAcquiring()
    }
}
