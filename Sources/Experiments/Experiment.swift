// SPDX-License-Identifier: Apache-2.0
//
// Claims about designs of memory management, as runs that anyone can repeat.

/// An experiment: a question, what can be set, and how it is answered.
package struct Experiment: Sendable {
    /// Something that can be set.
    package struct Parameter: Sendable {
        package let name: String
        package let meaning: String
        /// What it is unless set; more than one value where the experiment varies it.
        package let values: [Int]
        /// What it may be.
        package let range: ClosedRange<Int>
    }

    package let name: String
    package let question: String
    package let parameters: [Parameter]
    private let body: @Sendable (Settings) throws -> ExperimentResult

    init(
        _ name: String, question: String, parameters: [Parameter],
        _ body: @escaping @Sendable (Settings) throws -> ExperimentResult
    ) {
        self.name = name
        self.question = question
        self.parameters = parameters
        self.body = body
    }

    /// All experiments.
    package static let all = [lockedExit, lockedRest, scanLocked, sparseLock, soak]

    /// Carries it out.
    ///
    /// - Parameter changes: Values by name; a parameter that is not named has its own.
    /// - Returns: What was found.
    /// - Throws: ``ExperimentFailure`` for a name or a value that is not possible, and what the
    ///   machine throws.
    package func run(_ changes: [String: [Int]] = [:]) throws -> ExperimentResult {
        try body(try Settings(self, changes))
    }
}

/// Why an experiment cannot be carried out, and what would be possible.
package struct ExperimentFailure: Error, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// What an experiment's parameters are in a run.
struct Settings {
    private let experiment: Experiment
    private let changes: [String: [Int]]

    fileprivate init(_ experiment: Experiment, _ changes: [String: [Int]]) throws {
        self.experiment = experiment
        self.changes = changes
        let names = experiment.parameters.map(\.name).joined(separator: ", ")
        for (name, values) in changes {
            guard let parameter = experiment.parameters.first(where: { $0.name == name }) else {
                throw ExperimentFailure("\(experiment.name) has no \"\(name)\"; it has \(names)")
            }
            guard !values.isEmpty, parameter.values.count > 1 || values.count == 1 else {
                throw ExperimentFailure("\(name) takes one number, as in \(name)=\(parameter.text)")
            }
            if let value = values.first(where: { !parameter.range.contains($0) }) {
                let (least, most) = (parameter.range.lowerBound, parameter.range.upperBound)
                throw ExperimentFailure(
                    "\(name) is a number from \(least) to \(most), not \(value)")
            }
        }
    }

    /// All values of a parameter.
    func values(_ name: String) -> [Int] {
        if let values = changes[name] { return values }
        guard let parameter = experiment.parameters.first(where: { $0.name == name }) else {
            preconditionFailure("\(experiment.name) has no parameter \(name)")
        }
        return parameter.values
    }

    /// The value of a parameter that has one.
    func value(_ name: String) -> Int { values(name)[0] }

    /// What each parameter is, for the result.
    var all: [ExperimentResult.Setting] {
        experiment.parameters.map { .init(name: $0.name, values: values($0.name)) }
    }

    /// An empty result.
    func result(
        over variable: String, at places: [String], for designs: [String]
    ) -> ExperimentResult {
        ExperimentResult(
            name: experiment.name, question: experiment.question, settings: all,
            variable: variable, places: places, designs: designs)
    }
}

extension Experiment.Parameter {
    /// Its values as they are set.
    package var text: String { values.map(String.init).joined(separator: ",") }
}
