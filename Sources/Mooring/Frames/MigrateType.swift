// SPDX-License-Identifier: Apache-2.0

/// How movable the contents of a pageblock are: frames of one kind are kept together, so that
/// the movable ones can be cleared out to make large blocks.
package enum MigrateType: UInt8, CaseIterable, Sendable {
    /// Page tables and whatever else stays where it is until it is freed.
    case unmovable
    /// Contents of processes and files: migration can move them.
    case movable
    /// Caches that can be dropped but not moved.
    case reclaimable
    /// Blocks kept for high orders that must be had without waiting.
    case highAtomic
    /// Blocks from which nothing is allocated: somebody is clearing them.
    case isolate

    /// How many there are.
    static let count = 5
    /// How many have per-CPU lists and may be fallen back to: the first ones.
    static let ordinaryCount = 3

    /// Its place in arrays.
    @inline(__always)
    var index: Int { Int(rawValue) }

    /// Whether it is a kind of contents rather than a state of a block.
    @inline(__always)
    var isOrdinary: Bool { rawValue < 3 }

    /// Its raw value's meaning; the value comes from descriptors and pageblock maps only.
    @inline(__always)
    static func stored(_ rawValue: UInt8) -> MigrateType {
        precondition(rawValue < 5, "a migrate type beyond the last")
        return unsafeBitCast(rawValue, to: MigrateType.self)
    }

    /// The name in /proc/pagetypeinfo.
    package var kernelName: String {
        switch self {
        case .unmovable: "Unmovable"
        case .movable: "Movable"
        case .reclaimable: "Reclaimable"
        case .highAtomic: "HighAtomic"
        case .isolate: "Isolate"
        }
    }

    /// Whose blocks are taken when there are none of this type, best first.
    @inline(__always)
    var fallbacks: (MigrateType, MigrateType) {
        switch self {
        case .movable: (.reclaimable, .unmovable)
        case .reclaimable: (.unmovable, .movable)
        case .unmovable, .highAtomic, .isolate: (.reclaimable, .movable)
        }
    }
}

/// The largest order of a block: 4 MiB.
let maximumOrder = 10
/// How many orders there are.
let orderCount = 11
/// Frames of a block of the largest order; zones begin at multiples of it.
let maximumBlockFrames = 1 << maximumOrder
/// The order of a pageblock: 2 MiB.
package let pageblockOrder = 9
/// Frames of a pageblock.
package let pageblockFrames = 1 << pageblockOrder
