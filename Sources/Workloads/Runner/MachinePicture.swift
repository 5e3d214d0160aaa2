// SPDX-License-Identifier: Apache-2.0
//
// What a machine looks like at one moment, as plain values: who holds physical memory where, how
// scattered the free part is, and what lies in an address space. Whoever has a machine fills one;
// reports draw it.

import Mooring

/// What a machine looks like at one moment.
package struct MachinePicture: Hashable, Sendable {
    /// The machine in one line: `4 GiB, 1 node, 2 CPUs, mlock counts`.
    package var configuration: String
    /// When the machine looked like this: `at the end`, `at its peak`.
    package var moment: String?
    /// Who holds physical memory where.
    package var memory: PhysicalMap?
    /// How scattered free memory is, zone by zone.
    package var zones: [ZoneFragmentation]
    /// Address spaces worth showing, the most interesting one first.
    package var addressSpaces: [AddressSpacePicture]

    package init(
        configuration: String, moment: String? = nil,
        memory: PhysicalMap? = nil, zones: [ZoneFragmentation] = [],
        addressSpaces: [AddressSpacePicture] = []
    ) {
        self.configuration = configuration
        self.moment = moment
        self.memory = memory
        self.zones = zones
        self.addressSpaces = addressSpaces
    }
}

/// One pageblock of physical memory, or several neighbours as one.
package struct PageblockCell: Hashable, Sendable {
    /// Who holds most of what is used.
    package var owner: FrameHolder
    /// How much of it is used: 0 nothing, 1 all.
    package var fullness: Double

    package init(_ owner: FrameHolder, fullness: Double) {
        self.owner = owner
        self.fullness = fullness
    }
}

/// Physical memory from frame 0 up, in cells of equal size.
package struct PhysicalMap: Hashable, Sendable {
    /// How much of the machine one owner has.
    package struct Tally: Hashable, Sendable {
        package var owner: FrameHolder
        /// Pageblocks in which this owner has most of what is used.
        package var pageblocks: Int
        /// The used memory in those; of ``FrameHolder/free``, what is free anywhere.
        package var bytes: UInt64

        package init(_ owner: FrameHolder, pageblocks: Int, bytes: UInt64) {
            self.owner = owner
            self.pageblocks = pageblocks
            self.bytes = bytes
        }
    }

    /// How large a pageblock is, in bytes: 2 MiB.
    package static let pageblockBytes = UInt64(pageblockFrames) * pageSize

    package var cells: [PageblockCell]
    package var pageblocksPerCell: Int
    /// Pageblocks of the machine; the last cell may stand for fewer than the others.
    package var pageblocks: Int
    /// What each owner has, in the order of ``FrameHolder/allCases``; without those that have none.
    package var tallies: [Tally]

    /// A map that somebody has folded and counted.
    package init(cells: [PageblockCell], pageblocksPerCell: Int, pageblocks: Int, tallies: [Tally])
    {
        self.cells = cells
        self.pageblocksPerCell = max(1, pageblocksPerCell)
        self.pageblocks = pageblocks
        self.tallies = tallies
    }

    /// A map with a cell for each pageblock; the counts are taken from it.
    package init(pageblocks: [PageblockCell]) {
        var blocks: [FrameHolder: Int] = [:]
        var used: [FrameHolder: Double] = [:]
        for cell in pageblocks {
            blocks[cell.owner, default: 0] += 1
            if cell.owner != .free { used[cell.owner, default: 0] += cell.fullness }
            used[.free, default: 0] += 1 - cell.fullness
        }
        self.init(
            cells: pageblocks, pageblocksPerCell: 1, pageblocks: pageblocks.count,
            tallies: FrameHolder.allCases.compactMap { owner in
                let bytes = UInt64((used[owner] ?? 0) * Double(PhysicalMap.pageblockBytes))
                guard let count = blocks[owner] ?? (bytes > 0 ? 0 : nil) else { return nil }
                return Tally(owner, pageblocks: count, bytes: bytes)
            })
    }

    /// The engine's map of a machine, folded to at most `limit` cells.
    package init(_ map: PageblockMap, limit: Int) {
        let folded = map.folded(to: limit)
        let used = FrameHolder.allCases.map { ($0, UInt64(map.frames(of: $0)) * pageSize) }
        var blocks: [FrameHolder: Int] = [:]
        for cell in 0..<map.cellCount {
            blocks[map.dominatingHolder(ofCell: cell), default: 0] += 1
        }
        self.init(
            cells: (0..<folded.cellCount).map { cell in
                PageblockCell(
                    folded.dominatingHolder(ofCell: cell),
                    fullness: Double(folded.usedFrames(inCell: cell))
                        / Double(max(1, folded.frames(inCell: cell))))
            },
            pageblocksPerCell: folded.framesPerCell / map.framesPerCell,
            pageblocks: map.cellCount,
            tallies: used.compactMap { owner, bytes in
                guard bytes > 0 || blocks[owner] != nil else { return nil }
                return Tally(owner, pageblocks: blocks[owner] ?? 0, bytes: bytes)
            })
    }

    /// How much memory the machine has, in bytes.
    package var bytes: UInt64 { UInt64(pageblocks) * PhysicalMap.pageblockBytes }

    /// The same memory in at most `limit` cells.
    ///
    /// A cell takes the owner that has most of what is used in it. The number of pageblocks in a
    /// cell is a power of two times what it was, so that cells begin at round addresses.
    package func folded(to limit: Int) -> PhysicalMap {
        var factor = 1
        while (cells.count + factor - 1) / factor > max(1, limit) { factor *= 2 }
        guard factor > 1 else { return self }
        var folded: [PageblockCell] = []
        folded.reserveCapacity(cells.count / factor + 1)
        for start in stride(from: 0, to: cells.count, by: factor) {
            let part = cells[start..<min(start + factor, cells.count)]
            var used: [FrameHolder: Double] = [:]
            for cell in part where cell.owner != .free {
                used[cell.owner, default: 0] += cell.fullness
            }
            // The order of cases decides between equals, not that of a dictionary.
            var owner = FrameHolder.free
            for candidate in FrameHolder.allCases
            where (used[candidate] ?? 0) > (used[owner] ?? 0) { owner = candidate }
            let sum = used.values.reduce(0, +)
            folded.append(PageblockCell(owner, fullness: sum / Double(part.count)))
        }
        return PhysicalMap(
            cells: folded, pageblocksPerCell: pageblocksPerCell * factor, pageblocks: pageblocks,
            tallies: tallies)
    }
}

/// How scattered the free memory of a zone is.
package struct ZoneFragmentation: Hashable, Sendable {
    /// One order of blocks.
    package struct Row: Hashable, Sendable {
        package var order: Int
        package var freeBlocks: Int
        /// How much of free memory a request of this order cannot use, in thousandths.
        package var unusable: Int
        /// Why a request would fail, in thousandths: 0 for lack of memory, 1000 because free
        /// memory is scattered; −1000 where it would not fail.
        package var fragmentation: Int

        package init(order: Int, freeBlocks: Int, unusable: Int, fragmentation: Int) {
            self.order = order
            self.freeBlocks = freeBlocks
            self.unusable = unusable
            self.fragmentation = fragmentation
        }

        /// How large one block is, in bytes.
        package var blockBytes: UInt64 { pageSize << UInt64(order) }
        /// Free memory in blocks of exactly this order, in bytes.
        package var freeBytes: UInt64 { UInt64(freeBlocks) * blockBytes }
    }

    /// What the zone is called: `node 0, Normal`, or `all memory`.
    package var name: String
    /// Orders, ascending from 0.
    package var rows: [Row]

    package init(name: String, rows: [Row]) {
        self.name = name
        self.rows = rows
    }

    /// Takes free blocks by order and works out the indexes.
    package init(name: String, freeBlocks: [Int]) {
        let counts = FreeBlockCounts(blocks: freeBlocks)
        self.init(
            name: name,
            rows: freeBlocks.indices.map { order in
                Row(
                    order: order, freeBlocks: freeBlocks[order],
                    unusable: counts.unusableFreeSpace(order: order),
                    fragmentation: counts.fragmentation(order: order))
            })
    }

    /// Free memory in bytes.
    package var freeBytes: UInt64 { rows.reduce(0) { $0 + $1.freeBytes } }
}

/// What lies in an address space.
package struct AddressSpacePicture: Hashable, Sendable {
    /// One mapping.
    package struct Area: Hashable, Sendable {
        package var start: UInt64
        package var end: UInt64
        /// As maps writes them: `rw-p`.
        package var rights: String
        /// As maps names it: a path, `[heap]`, or nothing for anonymous memory.
        package var name: String
        /// In bytes.
        package var resident: UInt64
        /// In bytes: all of an area that mlock covers, or 0.
        package var locked: UInt64

        package init(
            start: UInt64, end: UInt64, rights: String, name: String = "", resident: UInt64 = 0,
            locked: UInt64 = 0
        ) {
            self.start = start
            self.end = end
            self.rights = rights
            self.name = name
            self.resident = resident
            self.locked = locked
        }

        package var length: UInt64 { end - start }
    }

    package var process: ProcessID
    package var name: String
    /// When this was so, after "its address space": `at its peak`, `at the end`.
    package var moment: String
    /// Areas in ascending order of addresses.
    package var areas: [Area]

    package init(process: ProcessID, name: String, moment: String, areas: [Area]) {
        self.process = process
        self.name = name
        self.moment = moment
        self.areas = areas
    }
}
