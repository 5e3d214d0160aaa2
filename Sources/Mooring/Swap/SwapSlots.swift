// SPDX-License-Identifier: Apache-2.0
//
// Which swap slots are free.
//
// STATE   One bit a slot, set while it is free, and where the last one was found. Slots are handed
//         out in order from there, so that pages swapped out one after another lie side by side,
//         and can be read ahead together.
// LOCKS   The swap cache's.

/// The free slots of all swap areas, in the order in which the areas are used.
struct SwapSlots {
    /// The first slot of each area, and one past the last.
    private let starts: [Int]
    private let words: UnsafeMutablePointer<UInt64>
    private var cursor = 0
    private(set) var freeCount: Int

    /// How many slots there are.
    var count: Int { starts.last ?? 0 }

    /// Areas of so many slots each, all free.
    init(areas: [Int]) {
        var starts = [0]
        for size in areas { starts.append(starts[starts.count - 1] + size) }
        self.starts = starts
        let count = starts[starts.count - 1]
        freeCount = count
        words = .allocate(capacity: count / 64 + 1)
        words.initialize(repeating: .max, count: count / 64)
        words[count / 64] = 1 << UInt64(count % 64) - 1
    }

    /// Gives the memory back.
    func deallocate() { words.deallocate() }

    /// Takes a free slot; nil when there is none.
    mutating func take() -> UInt32? {
        guard freeCount > 0 else { return nil }
        while words[cursor] == 0 { cursor = cursor == count / 64 ? 0 : cursor + 1 }
        let bit = words[cursor].trailingZeroBitCount
        words[cursor] &= words[cursor] - 1
        freeCount -= 1
        return UInt32(cursor * 64 + bit)
    }

    /// Takes a slot back.
    mutating func give(_ slot: UInt32) {
        words[Int(slot) / 64] |= 1 << UInt64(slot % 64)
        freeCount += 1
    }

    /// Whether a slot is free.
    func isFree(_ slot: UInt32) -> Bool { words[Int(slot) / 64] >> UInt64(slot % 64) & 1 == 1 }

    /// The area of a slot, and the slot's number in it.
    func place(of slot: UInt32) -> (area: Int, offset: Int) {
        let area = (starts.firstIndex { $0 > Int(slot) } ?? 1) - 1
        return (area, Int(slot) - starts[area])
    }
}
