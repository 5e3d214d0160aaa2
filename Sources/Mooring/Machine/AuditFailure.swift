// SPDX-License-Identifier: Apache-2.0

/// What an audit found: a figure that is kept, and what it comes to when it is recomputed.
public struct AuditFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is counted, and where.
    public let what: String
    /// The figure that is kept.
    public let counted: Int
    /// The figure that the structures add up to.
    public let recomputed: Int

    package init(_ what: String, counted: Int, recomputed: Int) {
        self.what = what
        self.counted = counted
        self.recomputed = recomputed
    }

    /// The figure, and both values.
    public var description: String {
        "\(what): counted \(counted), recomputed \(recomputed)"
    }
}
