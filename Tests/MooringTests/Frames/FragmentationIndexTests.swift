// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct FragmentationIndexTests {
    private func counts(_ blocks: [Int: Int]) -> FreeBlockCounts {
        FreeBlockCounts(blocks: (0...10).map { blocks[$0] ?? 0 })
    }

    @Test func `agrees with figures worked out by hand`() {
        // 100 single frames and one block of 16: 116 frames in 101 blocks.
        let some = counts([0: 100, 4: 1])
        #expect(some.frames == 116)
        #expect((0...5).map { some.unusableFreeSpace(order: $0) } == [0, 862, 862, 862, 862, 1000])
        // Order 5: 1 - (1 + 116/32) / 101 = 0.954.
        #expect(
            (0...5).map { some.fragmentation(order: $0) } == [
                -1000, -1000, -1000, -1000, -1000, 955,
            ])
        // Order 9: 1 - (1 + 116/512) / 101 = 0.988.
        #expect(some.fragmentation(order: 9) == 988)

        // One single frame: a failure of order 9 would be for lack of memory.
        #expect(counts([0: 1]).fragmentation(order: 9) == -1 + 0)
        #expect(counts([8: 1]).fragmentation(order: 9) == -500)
        #expect(counts([8: 2]).fragmentation(order: 9) == 0)
        #expect(counts([8: 3]).fragmentation(order: 9) == 167)
        #expect(counts([10: 1]).unusableFreeSpace(order: 10) == 0)
    }

    @Test func `says what nothing free means`() {
        #expect(counts([:]).unusableFreeSpace(order: 3) == 1000)
        #expect(counts([:]).fragmentation(order: 3) == 0)
    }

    @Test func `agrees with the definition computed from the free lists`() throws {
        var generator = FrameMachine.Generator.announced()
        let machine = try FrameMachine(frames: 8192, batch: 0)
        var taken = machine.allocateAll()
        taken.shuffle(using: &generator)
        for (number, pfn) in taken.enumerated() {
            machine.allocator.free(pfn, on: machine.cpu)
            guard number % 512 == 100 else { continue }
            var sizes: [Int] = []
            for pfn in 0..<8192 where machine.frames[PFN(pfn)].has(.buddy) {
                sizes.append(1 << machine.frames[PFN(pfn)].order)
            }
            let free = Double(sizes.reduce(0, +))
            let statistics = try #require(machine.allocator.zoneStatistics.first)
            let counts = FreeBlockCounts(blocks: statistics.freeBlocksByOrder)
            for order in 0...10 {
                let usable = Double(sizes.filter { $0 >= 1 << order }.reduce(0, +))
                #expect(
                    abs(
                        Double(counts.unusableFreeSpace(order: order)) - (free - usable) / free
                            * 1000)
                        <= 1)
                let index =
                    usable > 0
                    ? -1 : 1 - (1 + free / Double(1 << order)) / Double(sizes.count)
                #expect(abs(Double(counts.fragmentation(order: order)) - index * 1000) <= 1)
            }
        }
    }

    @Test(arguments: [
        (123, "0.123"), (-1000, "-1.000"), (0, "0.000"), (1000, "1.000"), (7, "0.007"),
        (-500, "-0.500"),
    ])
    func `writes thousandths with three decimals`(value: Int, text: String) {
        #expect(thousandths(value) == text)
    }
}
