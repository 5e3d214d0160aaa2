// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring
import Workloads

/// All of a file, for files of /proc and /sys whose size is not known in advance.
func hostText(_ path: String) throws(SystemFailure) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw SystemFailure(unreadable(path, errno)) }
    defer { close(file) }
    var bytes: [UInt8] = []
    let chunk = 1 << 16
    while true {
        let count = bytes.count
        var got = 0
        bytes.reserveCapacity(count + chunk)
        let more = [UInt8](unsafeUninitializedCapacity: chunk) { buffer, length in
            got = read(file, buffer.baseAddress, chunk)
            length = max(0, got)
        }
        if got < 0 {
            guard errno != EINTR else { continue }
            throw SystemFailure(unreadable(path, errno))
        }
        guard got > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += more
    }
}

private func unreadable(_ path: String, _ error: Int32) -> String {
    "\(path) cannot be read on this host: \(Errno(rawValue: error))."
        + (error == EACCES || error == EPERM ? " Root, or a kernel without lockdown, can." : "")
}
