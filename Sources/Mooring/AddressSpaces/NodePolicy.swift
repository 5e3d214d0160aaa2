// SPDX-License-Identifier: Apache-2.0
//
// A memory policy: which modes there are, and which sets of nodes each goes with.
//
// LAZY    No policy is looked at when a page is made.

/// Which nodes the pages of a VMA are to come from: what mbind(2) was given.
struct NodePolicy: Equatable {
    /// `MPOL_*` with its modifiers; 0 leaves the choice to the process.
    let mode: Int32
    /// One bit a node.
    let nodes: UInt64

    private init(mode: Int32, nodes: UInt64) {
        self.mode = mode
        self.nodes = nodes
    }

    /// No policy of its own.
    static let `default` = NodePolicy(mode: 0, nodes: 0)

    /// `MPOL_*`.
    private enum Kind: Int32 {
        case `default`
        case preferred
        case bind
        case interleave
        case local
        case preferredMany
        case weightedInterleave
    }

    /// `MPOL_F_*`: modifiers of a mode.
    private enum Modifier {
        static let staticNodes: Int32 = 1 << 15
        static let relativeNodes: Int32 = 1 << 14
        static let balancing: Int32 = 1 << 13
        static let all = staticNodes | relativeNodes | balancing
    }

    /// What a mode is without its modifiers; `nil` if there is no such mode.
    private static func kind(ofMode mode: Int32) -> Kind? {
        let both = Modifier.staticNodes | Modifier.relativeNodes
        guard let kind = Kind(rawValue: mode & ~Modifier.all), mode & both != both,
            mode & Modifier.balancing == 0 || kind == .bind || kind == .preferredMany
        else { return nil }
        return kind
    }

    /// Whether there is such a mode, whatever the nodes.
    static func isMode(_ mode: Int32) -> Bool { kind(ofMode: mode) != nil }

    /// What the kernel keeps of mbind's arguments; `nil` if they do not go together.
    ///
    /// - Parameters:
    ///   - mode: `MPOL_*` with modifiers.
    ///   - nodes: One bit a node.
    ///   - online: The nodes that the machine has, one bit each.
    init?(mode: Int32, nodes: UInt64, online: UInt64) {
        guard let kind = Self.kind(ofMode: mode) else { return nil }
        let isRelative = mode & Modifier.relativeNodes != 0
        switch kind {
        case .default:
            guard nodes == 0 else { return nil }
            self = .default
        case .local:
            guard nodes == 0, mode == kind.rawValue else { return nil }
            self.init(mode: mode, nodes: 0)
        case .preferred where nodes == 0:
            // A preference for no node is one for the node that the task runs on.
            guard mode == kind.rawValue else { return nil }
            self.init(mode: Kind.local.rawValue, nodes: 0)
        default:
            // Nodes that the machine has not may be named beside one that it has; relative ones
            // are counted round those that it has.
            guard isRelative ? nodes != 0 : nodes & online != 0 else { return nil }
            // LINUX: modified by whatever, a policy remembers the nodes as they were named.
            self.init(
                mode: mode, nodes: mode == kind.rawValue ? nodes & online : nodes)
        }
    }
}
