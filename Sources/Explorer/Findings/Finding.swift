// SPDX-License-Identifier: Apache-2.0

/// What was found wrong in a run.
public struct Finding: Error, Equatable, Sendable, Codable, CustomStringConvertible {
    /// What kind of mistake it is.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// The state at the end is not what it must be.
        case state = "wrong state"
        /// A thread ended with an error, or a check in it failed.
        case check = "failed check"
        /// The processor stopped a thread: a failed assertion, or memory that is not there.
        case trap = "trap"
        /// Memory was touched after it was freed, be it free still or made anew for somebody else.
        case freed = "use after free"
        /// Threads wait for one another.
        case deadlock = "deadlock"
        /// A thread waits for something that has happened before it began to wait.
        case lostWakeUp = "lost wake-up"
        /// Threads go on and on without an end.
        case livelock = "livelock"
        /// Two threads touch plain memory, one of them writing, and nothing orders them.
        case dataRace = "data race"
        /// The subject did something else under the same schedule.
        case nondeterminism = "not deterministic"
    }

    /// What kind of mistake it is.
    public var kind: Kind
    /// What exactly.
    public var message: String

    /// A finding.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// Kind and message.
    public var description: String { "\(kind.rawValue): \(message)" }
}
