// SPDX-License-Identifier: Apache-2.0

/// A run as a table: a column for each thread, a row for each step.
public struct ScheduleTable: Sendable {
    /// One step.
    public struct Row: Sendable {
        /// Whose it is.
        public var thread: Int
        /// What the thread does: the point, and the object that it touches.
        public var action: String
        /// Where in the code; `nil` for where a thread begins, and for details that were left out.
        public var place: Place?
        /// Whether the step is far from any change of thread, and touches only what is its own.
        public var isDetail: Bool
        /// Whether the thread before could have gone on.
        public var isPreemption: Bool
    }

    /// What the threads are called.
    public var threads: [String]
    /// The steps in order.
    public var rows: [Row]
    /// How it ended.
    public var finding: Finding?
    /// Where the thread stood that ended it; `nil` where that is found only after all threads.
    public var findingPlace: Place?
}

extension Explorer {
    /// Repeats a failure and describes each of its steps.
    ///
    /// - Parameters:
    ///   - failure: What to repeat.
    ///   - details: Whether details have places too, which take milliseconds each.
    /// - Returns: The table.
    /// - Throws: As ``replay(_:)``.
    public func table(of failure: Failure, details: Bool = false) throws -> ScheduleTable {
        _ = try replay(failure.schedule)
        let trace = execution.trace
        let shared = sharedObjects()
        var rows: [ScheduleTable.Row] = []
        var keys: [Execution.StackKey] = []
        var points = Array(repeating: -1, count: execution.threadCount)
        for index in 0..<trace.stepCount {
            let step = trace.steps[index]
            let thread = Int(step.thread)
            keys.append(Execution.StackKey(thread: thread, point: points[thread]))
            points[thread] += 1
            let action =
                step.object < 0
                ? "begins"
                : "\(step.point.verb) \(execution.name(ofObject: Int(step.object)))"
            // Two steps on either side of a change, and the last before the end.
            let near = max(0, index - 2)...min(trace.stepCount - 1, index + 2)
            let isNear =
                index >= trace.stepCount - 2
                || near.contains { trace.steps[$0].thread != step.thread }
            let isShared = trace.accesses(of: index).contains { shared.contains($0.object) }
            rows.append(
                ScheduleTable.Row(
                    thread: thread, action: action, place: nil, isDetail: !isNear && !isShared,
                    isPreemption: step.isPreemption))
        }
        let wanted = Set(keys.indices.filter { details || !rows[$0].isDetail }.map { keys[$0] })
        execution.wantsStack = { thread, point, _ in
            wanted.contains(Execution.StackKey(thread: thread, point: point))
        }
        defer { execution.wantsStack = nil }
        let result = try replay(failure.schedule)
        for index in rows.indices {
            rows[index].place = execution.stacks[keys[index]].flatMap(places.place)
        }
        return ScheduleTable(
            threads: (0..<execution.threadCount).map { execution.name(of: $0) }, rows: rows,
            finding: result?.finding, findingPlace: execution.endStack.flatMap(places.place))
    }

    /// Objects that more than one thread of the last run touched, at least one changing them.
    private func sharedObjects() -> Set<Int32> {
        var users: [Int32: ThreadSet] = [:]
        var changed: Set<Int32> = []
        let trace = execution.trace
        for index in 0..<trace.stepCount {
            for access in trace.accesses(of: index) {
                users[access.object, default: .empty].insert(Int(trace.steps[index].thread))
                if access.mode != .read { changed.insert(access.object) }
            }
        }
        return changed.filter { users[$0, default: .empty].count > 1 }
    }
}

extension Point {
    /// What a thread does at the point, in a word.
    var verb: String {
        switch self {
        case .lock: "lock"
        case .unlock: "after unlocking"
        case .atomic: "change"
        case .wait: "wait for"
        case .flush: "flush"
        case .attempt: "try to lock"
        case .lockShared: "share"
        case .unlockShared: "after sharing"
        case .sleep: "sleep on"
        case .wake: "wake"
        case .load, .acquire, .read, .sample: "read"
        case .store, .write, .tally: "write"
        case .free: "free"
        case .make: "make"
        }
    }
}

extension ScheduleTable: CustomStringConvertible {
    /// The table as text, without details.
    public var description: String { text(details: false) }

    /// The table as text.
    ///
    /// - Parameter details: Whether each detail is a row; else neighbours are one row together.
    /// - Returns: Lines, the last of them the finding.
    public func text(details: Bool) -> String {
        var lines: [(thread: Int, text: String)] = []
        var left = 0
        for (index, row) in rows.enumerated() {
            let isLeft = row.isDetail && !details
            if left > 0, !isLeft || rows[index - 1].thread != row.thread {
                lines.append((rows[index - 1].thread, "… \(left) steps of its own"))
                left = 0
            }
            if isLeft { left += 1 } else { lines.append((row.thread, row.text)) }
        }
        let widths = threads.indices.map { thread in
            lines.reduce(threads[thread].count) {
                $1.thread == thread ? max($0, $1.text.count) : $0
            }
        }
        var text = ScheduleTable.line(threads, widths) + "\n"
        text += ScheduleTable.line(widths.map { String(repeating: "─", count: $0) }, widths) + "\n"
        for line in lines {
            var cells = threads.map { _ in "" }
            cells[line.thread] = line.text
            text += ScheduleTable.line(cells, widths) + "\n"
        }
        if let finding {
            text += "\n\(finding)\n"
            if let findingPlace { text += "at \(findingPlace)\n" }
        }
        return text
    }

    private static func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (cell, width) in zip(cells, widths) {
            line += cell + String(repeating: " ", count: max(0, width - cell.count) + 2)
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}

extension ScheduleTable.Row {
    fileprivate var text: String {
        let mark = isPreemption ? "» " : ""
        return place.map { "\(mark)\(action)  [\($0)]" } ?? mark + action
    }
}
