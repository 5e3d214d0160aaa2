// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring
import Workloads

/// All of a file, for files of /proc and /sys whose size is not known in advance.
func hostText(_ path: String) throws(SystemFailure) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw SystemFailure(unreadable(path, errno)) }
    defer { close(file) }
    // Such a file comes in pieces of a page or so, and most are short.
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { chunk.deallocate() }
    var filled = 0
    var earlier: [UInt8] = []
    while true {
        let got = read(file, chunk.baseAddress.map { $0 + filled }, chunk.count - filled)
        if got < 0 {
            guard errno != EINTR else { continue }
            throw SystemFailure(unreadable(path, errno))
        }
        filled += got
        if got == 0, earlier.isEmpty { return String(decoding: chunk[..<filled], as: UTF8.self) }
        if got == 0 || filled == chunk.count {
            earlier.append(contentsOf: chunk[..<filled])
            filled = 0
        }
        if got == 0 { return String(decoding: earlier, as: UTF8.self) }
    }
}

/// Writes a file of /proc or /sys; `false` where that fails.
@discardableResult
func writeHostText(_ text: String, to path: String) -> Bool {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    return write(file, text, text.utf8.count) == text.utf8.count
}

private func unreadable(_ path: String, _ error: Int32) -> String {
    "\(path) cannot be read on this host: \(Errno(rawValue: error))."
        + (error == EACCES || error == EPERM ? " Root, or a kernel without lockdown, can." : "")
}
