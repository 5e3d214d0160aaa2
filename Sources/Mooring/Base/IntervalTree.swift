// SPDX-License-Identifier: Apache-2.0

/// A member of an ``IntervalTree``, embedded in what it stands for.
struct IntervalNode {
    /// First and last page offset that it covers, both included.
    var first: UInt64
    var last: UInt64
    /// The greatest `last` in the subtree below and including this node.
    var greatestLast: UInt64
    var left: UnsafeMutablePointer<IntervalNode>?
    var right: UnsafeMutablePointer<IntervalNode>?
    var parent: UnsafeMutablePointer<IntervalNode>?
    /// What it is embedded in.
    var owner: UnsafeMutableRawPointer?
    var priority: UInt32
}
