// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Work that a runner can be given.
package enum Workload: Sendable {
    case scenario(Scenario)
    case recording(Recording)

    /// How many things there are to do or to check.
    package var count: Int {
        switch self {
        case .scenario(let scenario): scenario.items.count
        case .recording(let recording): recording.steps.count
        }
    }

    /// Whether it says nothing at all, not even what the machine is to be.
    package var isEmpty: Bool {
        switch self {
        case .scenario(let scenario): scenario.items.isEmpty && scenario.settingPlaces.isEmpty
        case .recording(let recording): recording.steps.isEmpty
        }
    }

    /// What its processes, regions and files are called.
    package var names: WorkloadNames {
        switch self {
        case .scenario(let scenario): scenario.names
        case .recording(let recording): recording.names
        }
    }

    /// One thing to do or to check.
    func item(_ index: Int) -> WorkItem {
        switch self {
        case .recording(let recording):
            let step = recording.steps[index]
            return WorkItem(
                line: nil, time: step.time, thread: step.thread,
                action: .perform(step.operation, .recorded(step.recorded)))
        case .scenario(let scenario):
            let item = scenario.items[index]
            return switch item.action {
            case .operation(let operation, let expected):
                WorkItem(
                    line: item.line, time: 0, action: .perform(operation, .expected(expected)))
            case .expect(let expectation):
                WorkItem(line: item.line, time: 0, action: .check(expectation))
            }
        }
    }
}

/// One thing to do or to check, whatever kind of work it is from.
struct WorkItem {
    enum Action {
        case perform(Operation, Judgement)
        case check(Expectation)
    }

    /// What an outcome is held against.
    enum Judgement {
        case recorded(Outcome?)
        case expected(ExpectedOutcome)
    }

    /// The line of a scenario.
    var line: Int?
    /// Nanoseconds since the recording began.
    var time: UInt64
    /// Which of the process's threads does it; 0 in a scenario.
    var thread: Int32 = 0
    var action: Action
}

extension Recording {
    /// Names for its processes: what they were called last, and their number.
    package var names: WorkloadNames {
        var names = WorkloadNames()
        for recorded in processes where !recorded.name.isEmpty {
            let word = recorded.name.map { character in
                character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
            }
            let number = recorded.process.rawValue
            // A name must begin with a letter to be one in a scenario.
            let lead = word[0].isLetter ? "" : "p"
            names.processes[recorded.process] = lead + String(word) + "_\(number)"
        }
        return names
    }
}
