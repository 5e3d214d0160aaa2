// SPDX-License-Identifier: Apache-2.0
//
// A figure by design: one line each, with a mark at each value. What was varied is set out at equal
// distances, since its values seldom lie at equal ones.

import Experiments

/// A figure of an experiment as a picture.
struct LineChart {
    private static let width = 720.0
    private static let height = 260.0
    private static let plot = (left: 84.0, right: 700.0, top: 14.0, bottom: 214.0)

    private let result: ExperimentResult
    private let figure: ExperimentResult.Figure
    private let up: Axis

    init(_ result: ExperimentResult, _ figure: ExperimentResult.Figure) {
        self.result = result
        self.figure = figure
        let highest = figure.values.joined().compactMap { $0 }.max() ?? 0
        up = .count(0, highest > 0 ? highest : 1)
    }

    var markup: Markup {
        var svg: Markup = """
            <div class="scroll"><svg viewBox="0 0 \(LineChart.width) \(LineChart.height)" \
            role="img" aria-label="\(figure.name) by \(result.variable)">

            """
        svg += grid
        for design in result.designs.indices { svg += line(design) }
        svg += "</svg></div>\n"
        let legend = Legend(
            entries: result.designs.indices.map { design in
                let last = figure.values[design].last.flatMap { $0 }
                return Legend.Entry(
                    style: style(design), label: result.designs[design],
                    figure: last.map { figure.unit.text($0) } ?? "")
            })
        return legend.markup + svg
    }

    private func style(_ design: Int) -> String { "s\(design % 8)" }

    private func x(_ place: Int) -> Double {
        let plot = LineChart.plot
        guard result.places.count > 1 else { return (plot.left + plot.right) / 2 }
        let inset = 24.0
        return plot.left + inset
            + Double(place) / Double(result.places.count - 1) * (plot.right - plot.left - 2 * inset)
    }

    private func y(_ value: Double) -> Double {
        let plot = LineChart.plot
        return plot.bottom - up.share(value) * (plot.bottom - plot.top)
    }

    private var grid: Markup {
        let plot = LineChart.plot
        var svg: Markup = "<g class=\"axis\">"
        for tick in up.ticks {
            svg += "<path class=\"grid\" d=\"M\(plot.left) \(y(tick.value))H\(plot.right)\"/>"
            svg += .label(
                figure.unit == .ratio ? tick.label : figure.unit.text(tick.value),
                x: plot.left - 8, y: y(tick.value) + 4, "end")
        }
        for place in result.places.indices {
            svg += "<path class=\"tick\" d=\"M\(x(place)) \(plot.bottom)v5\"/>"
            svg += .label(result.places[place], x: x(place), y: plot.bottom + 18, "mid")
        }
        svg += .label(
            result.variable, x: (plot.left + plot.right) / 2, y: plot.bottom + 36, "mid")
        return svg + "</g>\n"
    }

    private func line(_ design: Int) -> Markup {
        let values = figure.values[design]
        var path = ""
        var marks: Markup = ""
        for place in values.indices {
            guard let value = values[place] else { continue }
            let (across, height) = (coordinate(x(place)), coordinate(y(value)))
            path += "\(path.isEmpty ? "M" : "L")\(across) \(height)"
            let text =
                "\(result.designs[design]), \(result.places[place]): \(figure.unit.text(value))"
            marks += "<circle class=\"\(style(design))\" cx=\"\(across)\" cy=\"\(height)\" r=\"4\">"
            marks += "<title>\(text)</title></circle>"
        }
        return "<path class=\"series \(style(design))\" d=\"\(path)\"/>\(marks)\n"
    }
}
