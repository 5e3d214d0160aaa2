// SPDX-License-Identifier: Apache-2.0
//
// move_pages(2), migrate_pages(2), mbind(2).
//
// STATE   A VMA remembers the policy that mbind gave it, which keeps it apart from its neighbours.
// LAZY    Nothing is moved to another node yet, and no policy looked at when a page is made.

/// `MPOL_MF_*` of mbind(2) and move_pages(2).
private enum NodeFlags {
    static let strict: UInt32 = 1
    static let move: UInt32 = 2
    static let moveAll: UInt32 = 4
}

extension AddressSpaces {
    private var nodeCount: Int { batches.lists.nodeCount }

    /// The nodes that the machine has, one bit each.
    private var onlineNodes: UInt64 {
        nodeCount >= UInt64.bitWidth ? .max : 1 << UInt64(nodeCount) - 1
    }

    private func mayMoveAll(_ caller: Caller) -> Bool { caller.process.pointer.pointee.isAdmin }

    /// Says for each address which node its page is on, or why it is on none.
    ///
    /// - Parameters:
    ///   - caller: Who asks.
    ///   - target: Whose pages.
    ///   - pages: Addresses, not necessarily of page starts.
    ///   - nodes: Where each page should go, or `nil` to ask only.
    ///   - flags: `MPOL_MF_MOVE` or `MPOL_MF_MOVE_ALL`.
    /// - Returns: A node's number or a negative error number for each.
    /// - Throws: `EINVAL` for unknown flags, `EPERM` without the privilege, `ENODEV` for a node that
    ///   the machine has not.
    func movePages(
        _ caller: Caller, of target: AddressSpace, pages: [UInt64], nodes: [Int32]?,
        flags: UInt32
    ) throws(Errno) -> [Int32] {
        guard flags & ~(NodeFlags.move | NodeFlags.moveAll) == 0 else { throw .EINVAL }
        if flags & NodeFlags.moveAll != 0, !mayMoveAll(caller) { throw .EPERM }
        target.lock.lockShared(.addressSpace, on: caller.cpu)
        defer { target.lock.unlockShared(.addressSpace, on: caller.cpu) }
        var status: [Int32] = []
        for (index, address) in pages.enumerated() {
            if let nodes, !(0..<Int32(nodeCount)).contains(nodes[index]) { throw .ENODEV }
            status.append(node(of: address, in: target))
        }
        return status
    }

    private func node(of address: UInt64, in space: AddressSpace) -> Int32 {
        guard let vma = space.tree.find(address), vma.start <= address else {
            return -Errno.EFAULT.rawValue
        }
        guard let table = tables.find(root: space.root, address) else {
            return -Errno.ENOENT.rawValue
        }
        let entry = table[TableLevel.pte.index(of: address)]
        guard entry.isMapped else { return -Errno.ENOENT.rawValue }
        // The zero page is nobody's.
        if entry.isUncounted { return -Errno.EFAULT.rawValue }
        return Int32(LRULists.node(ofZone: frames[entry.frame].zoneIndex))
    }

    /// Checks a request to move all pages from some nodes to others; returns how many stayed.
    ///
    /// - Throws: `EPERM` for a node that the machine has not, without the privilege; `EINVAL` where
    ///   it has none of those to move to.
    func migratePages(
        _ caller: Caller, from: UInt64, to: UInt64
    ) throws(Errno) -> Int {
        if to & ~onlineNodes != 0, !mayMoveAll(caller) { throw .EPERM }
        guard to & onlineNodes != 0 else { throw .EINVAL }
        return 0
    }

    /// Gives a range a policy.
    ///
    /// - Throws: `EINVAL` for arguments that go with nothing, `EPERM` without the privilege,
    ///   `EFAULT` where nothing is mapped, `EIO` where a page is on another node and flags are
    ///   `MPOL_MF_STRICT` alone, `ENOMEM` for too many VMAs.
    func mbind(
        _ caller: Caller, address: UInt64, length: UInt64, mode: Int32, nodes: UInt64,
        flags: UInt32
    ) throws(Errno) {
        let known = NodeFlags.strict | NodeFlags.move | NodeFlags.moveAll
        guard NodePolicy.isMode(mode), flags & ~known == 0 else { throw .EINVAL }
        if flags & NodeFlags.moveAll != 0, !mayMoveAll(caller) { throw .EPERM }
        guard address.isPageAligned else { throw .EINVAL }
        let end = address &+ length.roundedUpToPages
        guard end >= address else { throw .EINVAL }
        if end == address { return }
        guard let policy = NodePolicy(mode: mode, nodes: nodes, online: onlineNodes) else {
            throw .EINVAL
        }
        let space = caller.space
        space.lock.lock(.addressSpace, on: caller.cpu)
        defer { space.lock.unlock(.addressSpace, on: caller.cpu) }
        let isStrict = flags == NodeFlags.strict && policy != .default
        var current = address
        while current < end {
            guard let vma = space.tree.find(current), vma.start < end else {
                // The default policy may be given to a range with holes, not to a hole.
                if policy == .default, current > address { break }
                throw .EFAULT
            }
            // A hole behind an area is found before the area's pages are looked at.
            let isEnded = vma.end < end && vma.next?.start != vma.end
            guard vma.start <= current && !isEnded || policy == .default else { throw .EFAULT }
            if isStrict,
                hasPage(
                    from: current, to: min(end, vma.end), outside: policy.nodes, in: space)
            {
                throw .EIO
            }
            current = vma.end
        }
        current = address
        while current < end, let vma = space.tree.find(current), vma.start < end {
            let part = try setPolicy(
                policy, of: vma, from: max(current, vma.start), to: min(end, vma.end), in: space,
                on: caller.cpu)
            current = max(part.end, current + pageSize)
        }
    }

    /// Whether a page that is mapped in a range is on none of some nodes.
    ///
    /// LINUX: a policy that names no node, as MPOL_LOCAL, has every page elsewhere.
    private func hasPage(
        from start: UInt64, to end: UInt64, outside nodes: UInt64, in space: AddressSpace
    ) -> Bool {
        var address = start
        while let table = tables.nextTable(root: space.root, &address, end: end) {
            let next = min(end, TableLevel.pmd.next(after: address))
            for index in TableLevel.pte.index(of: address)...TableLevel.pte.index(of: next - 1) {
                let entry = table[index]
                guard entry.isMapped, !entry.isUncounted else { continue }
                let node = LRULists.node(ofZone: frames[entry.frame].zoneIndex)
                if nodes >> UInt64(node) & 1 == 0 { return true }
            }
            address = next
        }
        return false
    }
}
