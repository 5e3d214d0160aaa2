// SPDX-License-Identifier: Apache-2.0
//
// Who has physical memory, pageblock by pageblock: the picture that reports draw.

/// Who has a frame.
package enum FrameHolder: UInt8, CaseIterable, Sendable {
    /// Nobody: in a free block or on a CPU's list of free frames.
    case free
    case anonymous
    /// The page cache of a file on disk.
    case file
    /// The page cache of a file in memory.
    case sharedMemory
    case pageTables
    /// Marked mlocked or unevictable, whoever owns it.
    case locked
    /// Reserved, or taken out of its file and still held by somebody.
    case other

    /// How many there are.
    package static let count = 7

    /// What data calls it: the case's name.
    package var name: String { "\(self)" }

    /// Who has a frame that is in no free block.
    init(of frame: FrameRef) {
        let flags = frame.flags
        if !flags.isDisjoint(with: [.mlocked, .unevictable]) {
            self = .locked
        } else if flags.contains(.anonymous) {
            self = .anonymous
        } else if flags.contains(.fileCached) {
            self = flags.contains(.swapBacked) ? .sharedMemory : .file
        } else if flags.contains(.pageTable) {
            self = .pageTables
        } else if flags.rawValue & ~FrameFlags.zoneMask == 0, frame.referenceCount == 0 {
            self = .free
        } else {
            self = .other
        }
    }
}

/// The frames of a machine in cells of equal size, each with how many frames every holder has.
package struct PageblockMap: Equatable, Sendable {
    /// Frames that a cell covers; the last may cover fewer.
    package let framesPerCell: Int
    /// Frames of the machine.
    package let frameCount: Int
    /// Frames by cell, then holder: ``FrameHolder/count`` words a cell.
    private(set) var counts: [UInt32]

    /// A map of so many frames in which nobody has any yet.
    init(frameCount: Int, framesPerCell: Int) {
        self.frameCount = frameCount
        self.framesPerCell = framesPerCell
        let cells = (frameCount + framesPerCell - 1) / framesPerCell
        counts = Array(repeating: 0, count: cells * FrameHolder.count)
    }

    /// How many cells there are.
    package var cellCount: Int { counts.count / FrameHolder.count }

    /// How many frames of a cell a holder has.
    package func frames(of holder: FrameHolder, inCell cell: Int) -> Int {
        Int(counts[cell * FrameHolder.count + Int(holder.rawValue)])
    }

    /// How many frames a holder has in all.
    package func frames(of holder: FrameHolder) -> Int {
        (0..<cellCount).reduce(0) { $0 + frames(of: holder, inCell: $1) }
    }

    /// Frames of a cell.
    package func frames(inCell cell: Int) -> Int {
        min(framesPerCell, frameCount - cell * framesPerCell)
    }

    /// Frames of a cell that somebody has.
    package func usedFrames(inCell cell: Int) -> Int {
        frames(inCell: cell) - frames(of: .free, inCell: cell)
    }

    /// Who has the most of a cell's used frames; the first in order of declaration among equals,
    /// and ``FrameHolder/free`` only when the whole cell is free.
    package func dominatingHolder(ofCell cell: Int) -> FrameHolder {
        var best = FrameHolder.free
        var most = 0
        for holder in FrameHolder.allCases where holder != .free {
            let count = frames(of: holder, inCell: cell)
            if count > most { (best, most) = (holder, count) }
        }
        return best
    }

    /// The same map in at most `limit` cells, each of the same whole number of these.
    package func folded(to limit: Int) -> PageblockMap {
        let factor = max(1, (cellCount + limit - 1) / max(1, limit))
        guard factor > 1 else { return self }
        var map = PageblockMap(frameCount: frameCount, framesPerCell: framesPerCell * factor)
        for index in counts.indices {
            let cell = index / FrameHolder.count / factor
            map.counts[cell * FrameHolder.count + index % FrameHolder.count] += counts[index]
        }
        return map
    }

    /// Counts one frame.
    @inline(__always)
    mutating func add(_ holder: FrameHolder, at pfn: Int) {
        counts[pfn / framesPerCell * FrameHolder.count + Int(holder.rawValue)] += 1
    }

    /// Counts a range of free frames.
    mutating func addFree(_ range: Range<Int>) {
        var pfn = range.lowerBound
        while pfn < range.upperBound {
            let cell = pfn / framesPerCell
            let next = min(range.upperBound, (cell + 1) * framesPerCell)
            counts[cell * FrameHolder.count] += UInt32(next - pfn)
            pfn = next
        }
    }
}

extension Machine {
    /// Who has each pageblock's frames.
    ///
    /// Costs a look at every frame that was ever used, and nothing for the rest.
    package func pageblockMap() -> PageblockMap {
        inspect { cpu in
            var map = PageblockMap(frameCount: frames.count, framesPerCell: pageblockFrames)
            allocator.visit(0..<frames.count, on: cpu) { part, frame in
                if let frame {
                    map.add(FrameHolder(of: frame), at: part.lowerBound)
                } else {
                    map.addFree(part)
                }
            }
            return map
        }
    }
}
