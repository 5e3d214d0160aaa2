// SPDX-License-Identifier: Apache-2.0

/// Some characters of a scenario's text.
package struct ScenarioPlace: Hashable, Sendable {
    /// The number of the line, from 1.
    package var line: Int
    /// The column of the first character, from 1.
    package var column: Int
    /// How many characters; 0 where something is missing.
    package var length: Int
    /// The whole line.
    package var text: String
}

/// Why a scenario's text could not be read, or asks for what cannot be, and what would be accepted
/// in its place.
package struct ScenarioError: Error, Hashable, Sendable {
    /// What offends.
    package var place: ScenarioPlace
    /// What is wrong.
    package var message: String
    /// What to do about it.
    package var remedy: String

    package init(at place: ScenarioPlace, _ message: String, _ remedy: String) {
        self.place = place
        self.message = message
        self.remedy = remedy
    }
}

extension ScenarioError: CustomStringConvertible {
    /// The error in four lines: where and what, the line, a caret under the offender, the remedy.
    package var description: String {
        // Tabs stay tabs, so that the caret stands where the terminal puts the offender.
        let lead = place.text.unicodeScalars.prefix(place.column - 1)
            .map { $0 == "\t" ? "\t" : " " }.joined()
        let carets = String(repeating: "^", count: max(1, place.length))
        return """
            line \(place.line), column \(place.column): \(message)
              \(place.text)
              \(lead)\(carets)
            \(remedy)
            """
    }
}

/// Finds the word somebody meant.
package enum Suggestion {
    /// What to say about `word` where one of `accepted` was wanted.
    package static func remedy(for word: String, accepted: [String]) -> String {
        guard !accepted.isEmpty else { return "Nothing has a name here yet." }
        let list = "Accepted here: " + accepted.joined(separator: ", ") + "."
        guard let near = nearest(to: word, among: accepted) else { return list }
        return "Did you mean \"\(near)\"? " + list
    }

    /// The candidate that a slip of the finger away from `word` would be, if there is one.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        let letters = Array(word.lowercased().utf8.prefix(64))
        let allowed = max(1, letters.count / 3)
        var best: (distance: Int, candidate: String)?
        for candidate in candidates {
            let other = Array(candidate.lowercased().utf8)
            guard abs(other.count - letters.count) <= allowed else { continue }
            let distance = editDistance(letters, other)
            if distance <= allowed, distance < best?.distance ?? .max {
                best = (distance, candidate)
            }
        }
        return best?.candidate
    }

    /// How many letters must be added, dropped, changed or swapped with their neighbour.
    private static func editDistance(_ one: [UInt8], _ other: [UInt8]) -> Int {
        guard !one.isEmpty, !other.isEmpty else { return max(one.count, other.count) }
        var beforeLast = [Int](repeating: 0, count: other.count + 1)
        var last = Array(0...other.count)
        for i in 1...one.count {
            var row = [i]
            for j in 1...other.count {
                let changed = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1)
                var cost = min(changed, last[j] + 1, row[j - 1] + 1)
                if i > 1, j > 1, one[i - 1] == other[j - 2], one[i - 2] == other[j - 1] {
                    cost = min(cost, beforeLast[j - 2] + 1)
                }
                row.append(cost)
            }
            (beforeLast, last) = (last, row)
        }
        return last[other.count]
    }
}
