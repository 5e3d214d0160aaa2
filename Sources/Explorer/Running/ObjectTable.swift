// SPDX-License-Identifier: Apache-2.0

/// Numbers for the objects of a run, in order of first use, and what is known of each.
///
/// The numbers are the same in every run that begins with the same steps, wherever the memory is.
final class ObjectTable {
    /// What is known of an object.
    struct Object {
        var address: UInt
        /// The same in every run, whatever the order of its steps.
        var identity: UInt64
        /// Grows when a thread that waits for the object may go on.
        var version: UInt32 = 0
        /// Who has it alone, or -1; as far as its points tell.
        var holder: Int32 = -1
        /// Who shares it.
        var sharers = ThreadSet.empty
        /// The last step that touched it, and how much it is known to have done.
        var lastStep: Int32 = -1
        var lastMode: UInt8 = 0
        var isFreed = false
        /// Freed and made anew in this run.
        var isRemade = false
        /// When it was last woken.
        var wokenAt: Int32 = -1
        /// What led to its present value, as numbers; see ``StateHash``.
        var history: UInt64 = 0
        var reads: UInt64 = 0
    }

    private(set) var objects: UnsafeMutablePointer<Object>
    private(set) var count = 0
    private var capacity = 256
    /// Numbers by a hash of the address, each with the run that wrote it.
    private var slots: UnsafeMutablePointer<Slot>
    private var mask = 1023
    private var run: UInt32 = 1

    private struct Slot {
        var run: UInt32 = 0
        var number: UInt32 = 0
    }

    private let identify: (UInt) -> UInt64?

    /// A table of objects that `identify` has lasting numbers for, or none.
    init(identify: @escaping (UInt) -> UInt64?) {
        self.identify = identify
        objects = .allocate(capacity: capacity)
        slots = .allocate(capacity: mask + 1)
        slots.initialize(repeating: Slot(), count: mask + 1)
    }

    deinit {
        objects.deallocate()
        slots.deallocate()
    }

    /// Forgets all objects.
    func removeAll() {
        count = 0
        run &+= 1
        if run == 0 {
            slots.update(repeating: Slot(), count: mask + 1)
            run = 1
        }
    }

    @inline(__always)
    subscript(number: Int) -> UnsafeMutablePointer<Object> { objects + number }

    /// The number of the object at an address.
    @inline(__always)
    func number(of address: UInt) -> Int {
        var slot = ObjectTable.hash(address) & mask
        while slots[slot].run == run {
            let number = Int(slots[slot].number)
            if objects[number].address == address { return number }
            slot = (slot &+ 1) & mask
        }
        return add(address, slot)
    }

    @inline(__always)
    private static func hash(_ address: UInt) -> Int {
        Int(truncatingIfNeeded: (address &* 0x9E37_79B9_7F4A_7C15) >> 32)
    }

    @inline(never)
    private func add(_ address: UInt, _ slot: Int) -> Int {
        if count == capacity { grow() }
        let number = count
        (objects + number).initialize(
            to: Object(address: address, identity: identify(address) ?? UInt64(number)))
        count += 1
        slots[slot] = Slot(run: run, number: UInt32(number))
        if count * 2 > mask { rehash() }
        return number
    }

    private func grow() {
        let larger = UnsafeMutablePointer<Object>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: objects, count: count)
        objects.deallocate()
        objects = larger
        capacity *= 2
    }

    private func rehash() {
        slots.deallocate()
        mask = mask * 2 + 1
        slots = .allocate(capacity: mask + 1)
        slots.initialize(repeating: Slot(), count: mask + 1)
        for number in 0..<count {
            var slot = ObjectTable.hash(objects[number].address) & mask
            while slots[slot].run == run { slot = (slot &+ 1) & mask }
            slots[slot] = Slot(run: run, number: UInt32(number))
        }
    }
}
