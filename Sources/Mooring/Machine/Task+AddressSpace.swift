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
}
