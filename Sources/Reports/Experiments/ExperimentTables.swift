// SPDX-License-Identifier: Apache-2.0

import Experiments

extension ExperimentResult {
    /// One figure: a row for each value of what was varied, a column for each design.
    func table(of figure: Figure) -> Table {
        var table = Table([.left(variable)] + designs.map { .right($0) })
        for place in places.indices {
            table.rows.append(
                [Table.Cell(places[place])]
                    + figure.values.map { values in
                        values[place].map { figure.unit.cell($0) } ?? .none
                    })
        }
        return table
    }

    /// What a figure is called, with what it is measured in.
    func title(of figure: Figure) -> String {
        switch figure.unit {
        case .count, .ratio: figure.name
        case .nanoseconds: figure.isMeasured ? "\(figure.name), measured here" : figure.name
        }
    }

    /// What it was run with: `processes 1, 8; pages 1,024`.
    var settingsText: String {
        settings.map { setting in
            "\(setting.name) " + setting.values.map { Figures.count($0) }.joined(separator: ", ")
        }.joined(separator: "; ")
    }
}

extension ExperimentResult.Unit {
    /// A value as people read it.
    func text(_ value: Double) -> String {
        switch self {
        case .count: Figures.count(Int(value.rounded()))
        case .ratio: Figures.fixed(value, decimals: value.magnitude < 99.95 ? 2 : 0)
        case .nanoseconds:
            value < 100 ? "\(Figures.fixed(value, decimals: 1)) ns" : Figures.nanoseconds(value)
        }
    }

    fileprivate func cell(_ value: Double) -> Table.Cell {
        Table.Cell(text(value), value == 0 ? .quiet : .plain)
    }
}
