// SPDX-License-Identifier: Apache-2.0
//
// How much memory a machine has, in which nodes and zones, and how much of it is kept back.
//
// LINUX   Physical memory is one piece from frame 0: firmware's holes and what a kernel's own
//         image takes are left out. DMA32 is what node 0 has below 4 GiB; there is no zone DMA.

/// What a zone is for.
package enum ZoneType: UInt8, CaseIterable, Sendable {
    /// Below 4 GiB, for devices that reach no farther.
    case dma32
    /// Everything else.
    case normal
    /// For movable contents only.
    case movable

    /// How many there are: zone `node × 3 + type` is a node's zone of a type.
    package static let count = 3

    /// The name in /proc/buddyinfo.
    package var kernelName: String {
        switch self {
        case .dma32: "DMA32"
        case .normal: "Normal"
        case .movable: "Movable"
        }
    }
}

/// Why a machine cannot have the memory it was configured with.
package enum MemoryConfigurationError: Error, Equatable, Sendable {
    /// There is no memory, or a node has none.
    case noMemory
    /// More frames than a PFN can number.
    case tooLarge(frames: Int)
    /// More nodes than zone numbers allow.
    case tooManyNodes(Int)
    /// A node other than the last ends inside a block of the largest order.
    case nodeMisaligned(node: Int, frames: Int)
    /// The Movable zone would take the zone that it is cut from, or more.
    case movableZoneTooLarge(frames: Int)
    /// The reserve leaves a zone nothing to allocate.
    case reserveTooLarge(minFreeKibibytes: Int)
    /// A lowmem reserve ratio, the per-CPU batch or the Movable zone's size is out of range.
    case outOfRange(String)
    /// A machine without a CPU, or a frame table of another size.
    case mismatch(String)
}

extension MemoryConfigurationError: CustomStringConvertible {
    /// What is wrong, and what would be possible.
    package var description: String { "\(problem); \(remedy)" }

    /// What is wrong.
    var problem: String {
        switch self {
        case .noMemory: "there is no memory, or a node has none"
        case .tooLarge(let frames): "\(frames) frames are more than can be numbered"
        case .tooManyNodes(let nodes): "a machine of \(nodes) NUMA nodes is not possible"
        case .nodeMisaligned(let node, let frames):
            "node \(node) has \(frames) frames, not a multiple of 1024"
        case .movableZoneTooLarge(let frames):
            "a Movable zone of \(frames) frames leaves nothing for the others"
        case .reserveTooLarge(let kibibytes):
            "the \(kibibytes) KiB that are kept for emergencies leave nothing to allocate"
        case .outOfRange(let what), .mismatch(let what): what
        }
    }

    /// What would be possible.
    var remedy: String {
        switch self {
        case .noMemory: "add memory"
        case .tooLarge: "use up to 8 TiB"
        case .tooManyNodes: "use 1 to \(MemoryConfiguration.maximumNodes)"
        case .nodeMisaligned: "use multiples of 4 MiB"
        case .movableZoneTooLarge: "make it smaller"
        case .reserveTooLarge: "add memory"
        case .outOfRange, .mismatch: "use the default"
        }
    }
}

/// The memory of a machine.
package struct MemoryConfiguration: Equatable, Sendable {
    /// Frames of each node, in order of their addresses.
    package var nodeFrames: [Int]
    /// vm.min_free_kbytes; `nil` for the kernel's own choice, ``defaultMinFreeKibibytes``.
    package var minFreeKibibytes: Int?
    /// Frames that only movable contents may use, taken evenly from the upper end of each node,
    /// as `movablecore=` does.
    package var movableFrames = 0
    /// vm.lowmem_reserve_ratio of DMA32 and Normal: one in so many of the frames of the zones
    /// above is kept from those who could have used the zones above; 0 keeps nothing.
    package var lowmemReserveRatio = [256, 32]
    /// Frames that a CPU's list takes or gives at a time; `nil` for a choice by the zone's size,
    /// 0 for no lists.
    package var perCPUBatch: Int?

    /// The most nodes that a machine can have.
    package static let maximumNodes = 16
    /// The most frames: as many as there are numbers for.
    package static let maximumFrames = Int(PFN.limit)
    /// Frames below 4 GiB.
    static let dma32Frames = 1 << 20

    /// A machine of `frames` frames, split evenly (in whole blocks) into `nodes` nodes.
    package init(frames: Int, nodes: Int = 1) {
        let share = nodes > 0 ? frames / nodes / maximumBlockFrames * maximumBlockFrames : 0
        nodeFrames = Array(repeating: share, count: max(0, nodes))
        if nodes > 0 { nodeFrames[nodes - 1] = frames - share * (nodes - 1) }
    }

    /// A machine with these frames in each node.
    package init(nodeFrames: [Int]) { self.nodeFrames = nodeFrames }

    /// A machine with this much memory.
    package init(memory: ByteCount, nodes: Int = 1) {
        self.init(frames: Int(clamping: memory.bytes >> pageShift), nodes: nodes)
    }

    /// How many frames the machine has.
    package var totalFrames: Int {
        nodeFrames.reduce(0) { sum, next in
            let (total, overflow) = sum.addingReportingOverflow(next)
            return overflow ? Int.max : total
        }
    }

    /// How many zones are numbered, empty ones included.
    package var zoneCount: Int { nodeFrames.count * ZoneType.count }

    /// What the kernel takes for vm.min_free_kbytes: the root of 16 × kilobytes of memory,
    /// between 128 KiB and 256 MiB.
    package var defaultMinFreeKibibytes: Int {
        let square = max(0, min(totalFrames, MemoryConfiguration.maximumFrames)) * 4 * 16
        return min(max(Int(Double(square).squareRoot()), 128), 262_144)
    }

    /// Frames kept for emergencies on the whole machine.
    var minFreeFrames: Int { (minFreeKibibytes ?? defaultMinFreeKibibytes) / 4 }

    /// Frames of each node's Movable zone.
    private var movableShare: Int {
        let share = movableFrames / max(1, nodeFrames.count)
        return (share + maximumBlockFrames - 1) / maximumBlockFrames * maximumBlockFrames
    }

    /// Stops at the first thing that makes the machine impossible.
    package func validate() throws(MemoryConfigurationError) {
        guard nodeFrames.count <= MemoryConfiguration.maximumNodes else {
            throw .tooManyNodes(nodeFrames.count)
        }
        guard !nodeFrames.isEmpty, nodeFrames.allSatisfy({ $0 > 0 }) else { throw .noMemory }
        guard totalFrames <= MemoryConfiguration.maximumFrames else {
            throw .tooLarge(frames: totalFrames)
        }
        for (node, frames) in nodeFrames.enumerated().dropLast()
        where frames % maximumBlockFrames != 0 {
            throw .nodeMisaligned(node: node, frames: frames)
        }
        guard lowmemReserveRatio.count == 2, lowmemReserveRatio.allSatisfy({ $0 >= 0 }) else {
            throw .outOfRange("a lowmem reserve ratio must be positive")
        }
        guard (0...4096).contains(perCPUBatch ?? 0) else {
            throw .outOfRange("a per-CPU batch is 0 to 4096 frames")
        }
        guard movableFrames >= 0 else {
            throw .outOfRange("a Movable zone cannot be smaller than nothing")
        }
        if movableFrames > 0 {
            for node in nodeFrames.indices {
                // All that is left below the Movable zone; where there is a Normal zone, the
                // Movable one may take all of it but nothing of DMA32.
                let below = movableStart(ofNode: node) - start(ofNode: node)
                let frames = nodeFrames[node]
                let low = node == 0 ? min(frames, MemoryConfiguration.dma32Frames) : 0
                guard below >= (frames > low ? low : 1) else {
                    throw .movableZoneTooLarge(frames: movableFrames)
                }
            }
        }
        guard minFreeKibibytes ?? 0 >= 0, minFreeFrames < totalFrames else {
            throw .reserveTooLarge(minFreeKibibytes: minFreeKibibytes ?? defaultMinFreeKibibytes)
        }
    }

    private func start(ofNode node: Int) -> Int { nodeFrames[..<node].reduce(0, +) }

    private func movableStart(ofNode node: Int) -> Int {
        let end = start(ofNode: node) + nodeFrames[node]
        guard movableFrames > 0 else { return end }
        return max(
            start(ofNode: node),
            (end - movableShare) / maximumBlockFrames * maximumBlockFrames)
    }

    /// The frames of a zone; empty when the node has no such zone.
    package func frames(ofZone type: ZoneType, node: Int) -> Range<Int> {
        let start = start(ofNode: node)
        let end = start + nodeFrames[node]
        let movableStart = movableStart(ofNode: node)
        let low = node == 0 ? min(end, MemoryConfiguration.dma32Frames, movableStart) : start
        switch type {
        case .dma32: return start..<low
        case .normal: return low..<movableStart
        case .movable: return movableStart..<end
        }
    }
}
