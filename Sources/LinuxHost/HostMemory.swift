// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The memory of this host.
package enum HostMemory {
    /// Whether the kernel lets this process reserve so many bytes of address space in one piece;
    /// it refuses what is far more than it has (vm.overcommit_memory).
    package static func canReserve(bytes: UInt64) -> Bool {
        guard let length = Int(exactly: bytes) else { return false }
        guard length > 0 else { return true }
        let place = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let place, place != MAP_FAILED else { return false }
        munmap(place, length)
        return true
    }
}
