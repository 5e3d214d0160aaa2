// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mooring

@Suite struct BuddyViewsTests {
    /// A zone with the figures that a kernel 6.18 printed for one of its own.
    private var zone: ZoneStatistics {
        ZoneStatistics(
            node: 0, type: .normal, start: 1 << 20, managed: 458_752, free: 0, min: 0, low: 0,
            high: 0, protection: [0, 0, 0],
            freeBlocks: [
                [1, 36, 502, 580, 505, 359, 208, 72, 14, 0, 0],
                [0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 103],
                [285, 70, 1, 1, 0, 1, 0, 0, 1, 0, 0],
                Array(repeating: 0, count: 11), Array(repeating: 0, count: 11),
            ],
            pageblocks: [143, 669, 84, 0, 0], perCPU: [])
    }

    @Test func `prints buddyinfo as the kernel does`() {
        #expect(
            buddyInfo([zone])
                == "Node 0, zone   Normal    286    107    503    582    505    360    209"
                + "     73     15      1    103 \n")
    }

    @Test func `prints pagetypeinfo as the kernel does`() {
        let zeros =
            "     0      0      0      0      0      0      0      0      0      0      0 \n"
        #expect(
            pageTypeInfo([zone])
                == "Page block order: 9\nPages per block:  512\n\n"
                + "Free pages count per migrate type at order "
                + "     0      1      2      3      4      5      6      7      8      9     10 \n"
                + "Node    0, zone   Normal, type    Unmovable "
                + "     1     36    502    580    505    359    208     72     14      0      0 \n"
                + "Node    0, zone   Normal, type      Movable "
                + "     0      1      0      1      0      0      1      1      0      1    103 \n"
                + "Node    0, zone   Normal, type  Reclaimable "
                + "   285     70      1      1      0      1      0      0      1      0      0 \n"
                + "Node    0, zone   Normal, type   HighAtomic " + zeros
                + "Node    0, zone   Normal, type      Isolate " + zeros
                + "\nNumber of blocks type     Unmovable      Movable  Reclaimable"
                + "   HighAtomic      Isolate \n"
                + "Node 0, zone   Normal          143          669           84            0"
                + "            0 \n")
    }

    @Test func `prints the extfrag files in the same layout`() {
        var few = zone
        few.freeBlocks = few.freeBlocks.map { _ in Array(repeating: 0, count: 11) }
        few.freeBlocks[1][0] = 100
        few.freeBlocks[0][4] = 1
        #expect(
            unusableIndex([few])
                == "Node 0, zone   Normal 0.000 0.862 0.862 0.862 0.862"
                + " 1.000 1.000 1.000 1.000 1.000 1.000 \n")
        #expect(
            fragmentationIndex([few])
                == "Node 0, zone   Normal -1.000 -1.000 -1.000 -1.000 -1.000"
                + " 0.955 0.973 0.982 0.986 0.988 0.989 \n")
    }
}
