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
}
