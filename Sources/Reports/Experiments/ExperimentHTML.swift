// SPDX-License-Identifier: Apache-2.0

import Experiments

/// An experiment's result as one self-contained page.
package struct ExperimentHTML {
    private let result: ExperimentResult
    private let version: String

    package init(_ result: ExperimentResult, version: String) {
        self.result = result
        self.version = version
    }

    /// The page, as the contents of a file in UTF-8.
    package var html: String {
        var body: Markup = """
            <header><p class="over">An experiment</p>
            <h1>\(result.name)</h1>
            <p class="under">\(result.question)</p>
            </header>

            """
        body += verdict
        for figure in result.figures { body += section(figure) }
        if !result.notes.isEmpty {
            body += "<section><h2>Notes</h2>\n"
            for note in result.notes { body += "<p>\(note)</p>" }
            body += "</section>\n"
        }
        body += "<section><h2>Settings</h2>\n<p>\(result.settingsText)</p></section>\n"
        return HTMLPage.text(title: result.name, version: version, body)
    }

    private var verdict: Markup {
        let style: Markup = result.allHold ? "verdict" : "verdict bad"
        let sign = result.allHold ? "✓" : "≠"
        let headline =
            result.allHold ? "All that is claimed holds." : "Not all that is claimed holds."
        var markup: Markup = """
            <div class="\(style)" role="status"><b aria-hidden="true">\(sign)</b><div>\
            <p>\(headline)</p>
            """
        for claim in result.claims {
            markup += "<p>\(claim.holds ? "✓" : "≠") \(claim.text)</p>"
        }
        return markup + "</div></div>\n"
    }

    private func section(_ figure: ExperimentResult.Figure) -> Markup {
        """
        <section><h2>\(result.title(of: figure))</h2>
        <p class="lead">\(figure.meaning)</p>
        <div class="halves"><div>\(LineChart(result, figure).markup)</div>
        <div>\(result.table(of: figure).markup)</div></div></section>

        """
    }
}
