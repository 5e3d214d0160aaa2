// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring
import Workloads

/// /proc/kpageflags and /proc/kpagecount, which take CAP_SYS_ADMIN of the host itself: a container's
/// root may read them and is shown no frame's number to ask for.
final class KernelFrames {
    private let flags: Int32
    private let counts: Int32

    /// - Returns: `nil` where the host does not offer them.
    init?() {
        flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC)
        counts = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC)
        // A page of our own is mapped once at least.
        guard flags >= 0, counts >= 0, let own = Self.ownFrame(),
            let count = word(of: own, in: counts), count >= 1
        else { return nil }
    }

    /// The frame of a page of our own; `nil` where pagemap shows none.
    private static func ownFrame() -> UInt64? {
        let pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
        guard pagemap >= 0 else { return nil }
        defer { close(pagemap) }
        var entry: UInt64 = 0
        let got = withUnsafeMutableBytes(of: &entry) { bytes -> Int in
            let page = UInt64(UInt(bitPattern: bytes.baseAddress)) >> pageShift
            // It is on the stack, and written before it is asked for.
            bytes.storeBytes(of: 1, as: UInt64.self)
            return pread(pagemap, bytes.baseAddress, 8, off_t(page) * 8)
        }
        let frame = entry & (1 << 55 - 1)
        return got == 8 && frame != 0 ? frame : nil
    }

    deinit {
        close(flags)
        close(counts)
    }

    /// The words of some frames; `nil` if one cannot be read.
    func words(of numbers: [UInt64]) -> [FrameWords]? {
        var words: [FrameWords] = []
        words.reserveCapacity(numbers.count)
        for number in numbers {
            guard let flag = word(of: number, in: flags), let count = word(of: number, in: counts)
            else { return nil }
            words.append(FrameWords(flags: KernelPageFlags(rawValue: flag), mapCount: count))
        }
        return words
    }

    private func word(of frame: UInt64, in file: Int32) -> UInt64? {
        var word: UInt64 = 0
        let got = withUnsafeMutableBytes(of: &word) {
            pread(file, $0.baseAddress, 8, off_t(frame) * 8)
        }
        return got == 8 ? word : nil
    }
}
