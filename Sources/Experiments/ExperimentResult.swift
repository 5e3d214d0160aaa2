// SPDX-License-Identifier: Apache-2.0

/// What an experiment has found: figures by design and by what was varied, and the claims.
package struct ExperimentResult: Hashable, Sendable {
    /// What a parameter was.
    package struct Setting: Hashable, Sendable {
        package let name: String
        package let values: [Int]
    }

    /// How a figure is written.
    package enum Unit: String, Hashable, Sendable {
        case count
        /// A count for each page, or the like.
        case ratio
        case nanoseconds
    }

    /// One figure of all designs at all places.
    package struct Figure: Hashable, Sendable {
        package let name: String
        package let meaning: String
        package let unit: Unit
        /// Whether it is time of this host, and so not the same twice.
        package let isMeasured: Bool
        /// By design, then by place; nil where there is none.
        package fileprivate(set) var values: [[Double?]]
    }

    /// What the history says, and whether it holds here.
    package struct Claim: Hashable, Sendable {
        package let text: String
        package let holds: Bool
        /// Whether it is about time of this host: other work beside it may break it.
        package let isMeasured: Bool
    }

    package let name: String
    package let question: String
    package let settings: [Setting]
    /// What was varied, and its values.
    package let variable: String
    package let places: [String]
    package let designs: [String]
    package private(set) var figures: [Figure] = []
    package var claims: [Claim] = []
    /// What has to be known to read the figures.
    package var notes: [String] = []

    init(
        name: String, question: String, settings: [Setting], variable: String, places: [String],
        designs: [String]
    ) {
        self.name = name
        self.question = question
        self.settings = settings
        self.variable = variable
        self.places = places
        self.designs = designs
    }

    /// Adds a figure without values; returns its number.
    mutating func addFigure(
        _ name: String, _ unit: Unit, isMeasured: Bool = false, _ meaning: String
    ) -> Int {
        figures.append(
            Figure(
                name: name, meaning: meaning, unit: unit, isMeasured: isMeasured,
                values: designs.map { _ in places.map { _ in nil } }))
        return figures.count - 1
    }

    /// A figure's value for a design at a place.
    subscript(figure: Int, design: Int, place: Int) -> Double? {
        get { figures[figure].values[design][place] }
        set { figures[figure].values[design][place] = newValue }
    }

    /// Says what was claimed.
    mutating func claim(_ text: String, isMeasured: Bool = false, _ holds: Bool) {
        claims.append(Claim(text: text, holds: holds, isMeasured: isMeasured))
    }

    /// Whether all claims hold.
    package var allHold: Bool { claims.allSatisfy(\.holds) }

    /// A figure by its name.
    package func figure(_ name: String) -> Figure? { figures.first { $0.name == name } }
}
