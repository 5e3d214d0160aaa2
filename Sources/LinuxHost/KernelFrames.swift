// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring
import Workloads

/// /proc/kpageflags and /proc/kpagecount, which take CAP_SYS_ADMIN.
final class KernelFrames {
    private let flags: Int32
    private let counts: Int32

    /// - Returns: `nil` where the host does not offer them.
    init?() {
        flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC)
        counts = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC)
        // Without the privilege pagemap shows no number to ask for either.
        guard flags >= 0, counts >= 0, word(of: 1, in: flags) != nil else { return nil }
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
