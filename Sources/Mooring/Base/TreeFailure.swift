// SPDX-License-Identifier: Apache-2.0

/// A container whose parts contradict each other, found by its `checkInvariants()`.
package struct TreeFailure: Error, CustomStringConvertible {
    /// What disagrees, with both figures.
    package let message: String

    package var description: String { message }

    /// Throws `message` unless `condition` holds.
    @inline(__always)
    static func unless(
        _ condition: Bool, _ message: @autoclosure () -> String
    ) throws(TreeFailure) {
        guard !condition else { return }
        throw TreeFailure(message: message())
    }
}
