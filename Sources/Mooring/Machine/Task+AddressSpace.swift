// SPDX-License-Identifier: Apache-2.0
//
// A task's calls that change what is mapped and how. Each has a form that takes the arguments as
// a program passes them, however senseless, and where that reads better one that takes regions.

extension Machine.Task {
    /// mprotect(2).
    public func mprotect(_ region: Region, _ protection: Protection) throws(Errno) {
        try mprotect(address: region.address, length: region.length, protection: protection)
    }

    package func mprotect(
        address: UInt64, length: UInt64, protection: Protection
    ) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.mprotect(
                caller, address: address, length: length, protection: protection)
        }
    }

    /// mremap(2).
    ///
    /// - Parameters:
    ///   - region: What to move or resize; an empty one asks for one more mapping of shared pages.
    ///   - length: Its new length.
    ///   - flags: Whether it may or must move.
    ///   - address: Where it goes with MREMAP_FIXED, and a hint with MREMAP_DONTUNMAP alone.
    /// - Returns: Where it is now.
    /// - Throws: The error that the kernel would report.
    @discardableResult
    public func mremap(
        _ region: Region, to length: ByteCount, _ flags: RemapFlags = [], at address: UInt64 = 0
    ) throws(Errno) -> Region {
        let start = try mremap(
            address: region.address, length: region.length, newLength: length.bytes, flags: flags,
            newAddress: address)
        return Region(address: start, length: length.bytes.roundedUpToPages)
    }

    package func mremap(
        address: UInt64, length: UInt64, newLength: UInt64, flags: RemapFlags, newAddress: UInt64
    ) throws(Errno) -> UInt64 {
        try enter { caller throws(Errno) in
            try machine.spaces.mremap(
                caller, address: address, length: length, newLength: newLength, flags: flags,
                newAddress: newAddress)
        }
    }

    /// madvise(2).
    public func madvise(_ region: Region, _ advice: Advice) throws(Errno) {
        try madvise(address: region.address, length: region.length, advice: advice)
    }

    package func madvise(address: UInt64, length: UInt64, advice: Advice) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.madvise(caller, address: address, length: length, advice: advice)
        }
    }

    /// mincore(2): one byte a page, 1 for a page that is in memory.
    public func mincore(_ region: Region) throws(Errno) -> [UInt8] {
        try mincore(address: region.address, length: region.length)
    }

    package func mincore(address: UInt64, length: UInt64) throws(Errno) -> [UInt8] {
        try enter { caller throws(Errno) in
            try machine.spaces.mincore(caller, address: address, length: length)
        }
    }

    /// msync(2).
    public func msync(_ region: Region, _ flags: SyncFlags) throws(Errno) {
        try msync(address: region.address, length: region.length, flags: flags)
    }

    package func msync(address: UInt64, length: UInt64, flags: SyncFlags) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.msync(caller, address: address, length: length, flags: flags)
        }
    }

    /// remap_file_pages(2).
    public func remapFilePages(
        _ region: Region, protection: Protection = .none, pageOffset: UInt64,
        flags: MapFlags = []
    ) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.remapFilePages(
                caller, address: region.address, length: region.length, protection: protection,
                pageOffset: pageOffset, flags: flags)
        }
    }

    // MARK: Nodes

    /// move_pages(2) on the task's own pages.
    ///
    /// - Parameters:
    ///   - pages: Addresses.
    ///   - nodes: Where each page should go, or `nil` to ask where they are.
    ///   - flags: `MPOL_MF_MOVE` (2) or `MPOL_MF_MOVE_ALL` (4).
    /// - Returns: For each page its node, or a negative error number.
    /// - Throws: The error that the kernel would report.
    public func movePages(
        _ pages: [UInt64], to nodes: [Int32]? = nil, flags: UInt32 = 0
    ) throws(Errno) -> [Int32] {
        try enter { caller throws(Errno) in
            try machine.spaces.movePages(
                caller, of: caller.space, pages: pages, nodes: nodes, flags: flags)
        }
    }

    /// migrate_pages(2) on the task's own pages, nodes as bit masks.
    ///
    /// - Returns: How many pages could not be moved.
    /// - Throws: The error that the kernel would report.
    public func migratePages(from: UInt64, to: UInt64) throws(Errno) -> Int {
        try enter { caller throws(Errno) in
            try machine.spaces.migratePages(caller, from: from, to: to)
        }
    }

    /// mbind(2), nodes as a bit mask.
    public func mbind(
        _ region: Region, mode: Int32, nodes: UInt64, flags: UInt32 = 0
    ) throws(Errno) {
        try enter { caller throws(Errno) in
            try machine.spaces.mbind(
                caller, address: region.address, length: region.length, mode: mode, nodes: nodes,
                flags: flags)
        }
    }
}
