// SPDX-License-Identifier: Apache-2.0

/// Which thread makes each step of a run.
///
/// As text, threads by number with how many steps each makes in a row: `0x12 1x5 0x3`.
public struct Schedule: Equatable, Sendable {
    /// Some steps of one thread in a row.
    public struct Stretch: Equatable, Sendable {
        /// Whose.
        public var thread: Int
        /// How many; at least 1.
        public var steps: Int

        /// A stretch.
        public init(thread: Int, steps: Int) {
            self.thread = thread
            self.steps = steps
        }
    }

    /// In order; neighbours are of different threads.
    public private(set) var stretches: [Stretch] = []

    /// The schedule without a step.
    public init() {}

    /// A schedule of these stretches, in which neighbours of one thread become one.
    public init(_ stretches: [Stretch]) {
        for stretch in stretches where stretch.steps > 0 {
            append(stretch.thread, steps: stretch.steps)
        }
    }

    /// Reads the text form; `nil` for anything else.
    public init?(_ text: String) {
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "x", omittingEmptySubsequences: false)
            guard parts.count == 2, let thread = Int(parts[0]), let steps = Int(parts[1]),
                thread >= 0, thread < Execution.maximumThreads, steps > 0, steps < 1 << 32
            else { return nil }
            append(thread, steps: steps)
        }
    }

    /// Adds steps of a thread.
    public mutating func append(_ thread: Int, steps: Int = 1) {
        if let last = stretches.indices.last, stretches[last].thread == thread {
            stretches[last].steps += steps
        } else {
            stretches.append(Stretch(thread: thread, steps: steps))
        }
    }

    /// How often the thread changes.
    public var changes: Int { max(0, stretches.count - 1) }

    /// How many steps it has.
    public var steps: Int { stretches.reduce(0) { $0 + $1.steps } }
}

extension Schedule: CustomStringConvertible {
    /// The text form.
    public var description: String {
        stretches.map { "\($0.thread)x\($0.steps)" }.joined(separator: " ")
    }
}
