// SPDX-License-Identifier: Apache-2.0

/// One round of reclaim: what is wanted, and what it has come to.
struct ReclaimRound {
    /// Who reclaims, for the counters.
    enum Agent {
        case daemon
        case direct
        /// A program asked for it (MADV_PAGEOUT).
        case proactive

        var scanEvent: Event {
            switch self {
            case .daemon: .pgscanKswapd
            case .direct: .pgscanDirect
            case .proactive: .pgscanProactive
            }
        }

        var stealEvent: Event {
            switch self {
            case .daemon: .pgstealKswapd
            case .direct: .pgstealDirect
            case .proactive: .pgstealProactive
            }
        }
    }

    /// The first priority of a search: one frame in 4096 of a list is looked at.
    static let firstPriority = 12

    let agent: Agent
    /// How many frames are wanted.
    let target: Int
    /// Frames of zones above this type are of no use.
    let highest: ZoneType
    /// log2 of the part of each list that may be looked at.
    var priority = ReclaimRound.firstPriority
    /// Whether frames are taken however much they are used.
    var ignoresUse = false

    var scanned = 0
    var reclaimed = 0
    /// Of the frames seen in the current batch: written out, and in vain.
    var written = 0
    /// Frames met that are being written.
    var underWriteback = 0

    init(agent: Agent, target: Int, highest: ZoneType) {
        self.agent = agent
        self.target = target
        self.highest = highest
    }
}
