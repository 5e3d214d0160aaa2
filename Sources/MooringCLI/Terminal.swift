// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What goes to the person rather than to the output.
enum Terminal {
    /// Whether standard error is a terminal, so that progress can be shown.
    static let showsProgress = isatty(STDERR_FILENO) == 1
    /// Whether standard output is a terminal, so that it may be coloured.
    static let isInteractive = isatty(STDOUT_FILENO) == 1

    /// Prints a result at once, so that it stays when the command is stopped.
    ///
    /// - Throws: ``CommandFailure`` when the reader has gone away or the device is full.
    static func output(_ text: String) throws {
        // What was printed before comes first.
        fflush(nil)
        var text = text
        let isWritten = text.withUTF8 { bytes in
            var left = bytes[...]
            while !left.isEmpty {
                let count = Glibc.write(
                    STDOUT_FILENO, UnsafeBufferPointer(rebasing: left).baseAddress, left.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                left = left.dropFirst(count)
            }
            return true
        }
        guard isWritten else {
            throw CommandFailure("standard output: \(String(cString: strerror(errno)))")
        }
    }

    /// Says what went wrong on standard error.
    static func complain(_ message: String, prefixed: Bool = true) {
        write((prefixed ? "mooring: " : "") + message + "\n")
    }

    /// Says something on standard error that is no part of the result.
    static func note(_ message: String) { write(message + "\n") }

    /// Shows how far long work has come, on one line that the next call replaces; nothing in a
    /// pipe.
    static func progress(_ label: String, _ done: Int, _ total: Int) {
        guard showsProgress, total > 0 else { return }
        let percent = done * 100 / total
        let filled = percent * 30 / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        write("\r\(label) [\(bar)] \(percent)% ")
        if done == total { clearLine() }
    }

    /// Shows what is being done, on a line that the next call replaces; nothing in a pipe.
    static func status(_ text: String) {
        guard showsProgress else { return }
        clearLine()
        write(text)
    }

    /// Takes the line of progress away.
    static func clearLine() {
        if showsProgress { write("\r\u{1B}[2K") }
    }

    private static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            _ = Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
