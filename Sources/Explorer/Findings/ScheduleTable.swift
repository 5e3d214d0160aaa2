// SPDX-License-Identifier: Apache-2.0

/// A run as a table: a column for each thread, a row for each step.
public struct ScheduleTable: Sendable {
    /// One step.
    public struct Row: Sendable {
        /// Whose it is.
        public var thread: Int
        /// What the thread does: the point, and the object that it touches.
        public var action: String
        /// Where in the code; `nil` where that is not known, or nothing is shared.
        public var place: Place?
        /// Whether another thread touches one of the step's objects, and one of the two changes it.
        public var isShared: Bool
        /// Whether the thread before could have gone on.
        public var isPreemption: Bool
    }

    /// What the threads are called.
    public var threads: [String]
    /// The steps in order.
    public var rows: [Row]
    /// How it ended.
    public var finding: Finding?
}

extension Explorer {
    /// Repeats a failure and describes each of its steps.
    ///
    /// - Throws: As ``replay(_:)``.
    public func table(of failure: Failure) throws -> ScheduleTable {
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
            rows.append(
                ScheduleTable.Row(
                    thread: thread, action: action, place: nil,
                    isShared: trace.accesses(of: index).contains { shared.contains($0.object) },
                    isPreemption: step.isPreemption))
        }
        // Where nothing is shared a place says little, and takes milliseconds.
        let wanted = Set(keys.indices.filter { rows[$0].isShared }.map { keys[$0] })
        execution.wantsStack = { thread, point, _ in
            wanted.contains(Execution.StackKey(thread: thread, point: point))
        }
        defer { execution.wantsStack = nil }
        let result = try replay(failure.schedule)
        for index in rows.indices {
            rows[index].place = execution.stacks[keys[index]].flatMap {
                Place(of: $0, where: subject.isPlace)
            }
        }
        return ScheduleTable(
            threads: (0..<execution.threadCount).map { execution.name(of: $0) }, rows: rows,
            finding: result?.finding)
    }
}

extension Explorer {
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
        case .load, .acquire, .read: "read"
        case .store, .write: "write"
        case .free: "free"
        case .make: "make"
        }
    }
}

extension ScheduleTable: CustomStringConvertible {
    /// The table as text; rows in which a thread touches only what is its own are folded.
    public var description: String { text(folds: true) }

    /// The table as text.
    ///
    /// - Parameter folds: Whether rows in which a thread touches only what is its own become one.
    /// - Returns: Lines, the last of them the finding.
    public func text(folds: Bool) -> String {
        var lines: [(thread: Int, text: String)] = []
        var folded = 0
        for (index, row) in rows.enumerated() {
            let isEdge =
                index == 0 || index == rows.count - 1 || rows[index - 1].thread != row.thread
                || rows[index + 1].thread != row.thread
            if folds, !row.isShared, !isEdge {
                folded += 1
                continue
            }
            if folded == 1 {
                lines.append((rows[index - 1].thread, rows[index - 1].text))
            } else if folded > 1 {
                lines.append((rows[index - 1].thread, "… \(folded) steps of its own"))
            }
            folded = 0
            lines.append((row.thread, row.text))
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
        if let finding { text += "\n\(finding)\n" }
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
