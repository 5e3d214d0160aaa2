// SPDX-License-Identifier: Apache-2.0
//
// Intervals of page offsets, embedded in what they stand for: who maps this page of the file?
//
// STATE      A treap. Nodes are in order of their first offset and, where that is equal, of their
//            insertion; a parent's priority is at least its children's. Priorities are numbers
//            from a generator in the tree's state, so a machine's trees always look the same.
// INVARIANT  `greatestLast` of a node is the greatest `last` in its subtree, so that a search
//            leaves out subtrees that end too early.
//            Ends are inclusive and compared as they are: no sum that could pass `UInt64.max`.
// LOCKS      None here; searches only read.

/// A member of an ``IntervalTree``, embedded in what it stands for.
struct IntervalNode {
    /// First and last page offset that it covers, both included.
    var first: UInt64 = 0
    var last: UInt64 = 0
    /// The greatest `last` in the subtree below and including this node.
    var greatestLast: UInt64 = 0
    var left: UnsafeMutablePointer<IntervalNode>?
    var right: UnsafeMutablePointer<IntervalNode>?
    var parent: UnsafeMutablePointer<IntervalNode>?
    /// What it is embedded in.
    var owner: UnsafeMutableRawPointer?
    var priority: UInt32 = 0
}
