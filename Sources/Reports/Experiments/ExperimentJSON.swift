// SPDX-License-Identifier: Apache-2.0

import Experiments

/// An experiment's result for programs.
///
/// ```
/// schema      "mooring.experiment/1"
/// name, question
/// settings    { name: [ value ] }
/// variable    what was varied
/// places      its values, as texts
/// designs     [ name ]
/// figures     [ name, meaning, unit ("count" | "ratio" | "nanoseconds"), measured (whether it is
///               time of the host, and not the same twice),
///               values { design: [ value or null, one for each place ] } ]
/// claims      [ text, holds ]
/// notes       [ text ]
/// ```
package struct ExperimentJSON: Encodable {
    private struct Figure: Encodable {
        var name: String
        var meaning: String
        var unit: String
        var measured: Bool
        var values: [String: [Double?]]
    }
    private struct Claim: Encodable {
        var text: String
        var holds: Bool
    }

    private var schema = "mooring.experiment/1"
    private var name: String
    private var question: String
    private var settings: [String: [Int]]
    private var variable: String
    private var places: [String]
    private var designs: [String]
    private var figures: [Figure]
    private var claims: [Claim]
    private var notes: [String]

    package init(_ result: ExperimentResult) {
        name = result.name
        question = result.question
        settings = Dictionary(
            uniqueKeysWithValues: result.settings.map { ($0.name, $0.values) })
        variable = result.variable
        places = result.places
        designs = result.designs
        figures = result.figures.map { figure in
            Figure(
                name: figure.name, meaning: figure.meaning, unit: figure.unit.rawValue,
                measured: figure.isMeasured,
                values: Dictionary(uniqueKeysWithValues: zip(result.designs, figure.values)))
        }
        claims = result.claims.map { Claim(text: $0.text, holds: $0.holds) }
        notes = result.notes
    }

    /// The result as JSON, in a fixed order of keys, ending with a line feed.
    package func encoded() throws -> String {
        try indentedJSON(self)
    }
}
