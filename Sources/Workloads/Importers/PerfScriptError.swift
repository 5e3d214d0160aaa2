// SPDX-License-Identifier: Apache-2.0

/// Why the text of a recording cannot be imported.
package struct PerfScriptError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line, from 1; 0 where the text as a whole is meant.
    package let line: Int
    /// What is wrong.
    package let problem: String
    /// What to do about it.
    package let remedy: String

    package var description: String {
        (line > 0 ? "line \(line): " : "") + problem + "\n" + remedy
    }
}
