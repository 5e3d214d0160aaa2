// SPDX-License-Identifier: Apache-2.0

import Experiments

/// An experiment's result for a terminal.
package struct ExperimentText: CustomStringConvertible {
    private let result: ExperimentResult
    private let colouring: Colouring

    package init(_ result: ExperimentResult, colouring: Colouring = .none) {
        self.result = result
        self.colouring = colouring
    }

    package var description: String {
        var lines = [
            colouring.paint(result.name, .strong) + ": " + result.question,
            colouring.paint(result.settingsText, .quiet),
        ]
        for figure in result.figures {
            lines += ["", colouring.paint(result.title(of: figure), .strong)]
            lines.append(colouring.paint(figure.meaning, .quiet))
            lines += result.table(of: figure).lines(colouring: colouring)
        }
        if !result.notes.isEmpty { lines += [""] + result.notes.map { "note: \($0)" } }
        lines.append("")
        for claim in result.claims {
            let sign = claim.holds ? "holds" : "DOES NOT HOLD"
            lines.append(
                colouring.paint(sign, claim.holds ? .good : .bad) + "  " + printable(claim.text))
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
