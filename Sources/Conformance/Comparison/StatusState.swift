// SPDX-License-Identifier: Apache-2.0

/// The figures of /proc/PID/status that are about memory, in kilobytes.
package struct StatusState: Equatable, Sendable {
    /// The names of the figures that are compared.
    static let names: [String] = [
        "VmSize", "VmLck", "VmPin", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk",
        "VmExe", "VmLib", "VmPTE", "VmSwap",
    ]

    /// In the order of ``names``.
    var figures = SIMD16<UInt32>()

    /// Reads the text of status.
    init(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            forEachLine(of: bytes) { line in
                guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                    let index = keys.firstIndex(of: key(of: line, length: colon))
                else { return }
                figures[index] = UInt32(
                    truncatingIfNeeded: NumberReader(line, colon + 1).decimal())
            }
        }
    }
}

private let keys: [UInt32] = StatusState.names.map { key(of: $0) }
