// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Claims about views and counters.
extension ScenarioParser {
    /// What a claim about a process may be about, besides a field of its status.
    private static let views = [
        "maps", "smaps", "flags", "perms", "present", "swapped", "exclusive", "file", "rollup",
    ]

    /// Takes what follows the word `expect`.
    mutating func expectation() throws(ScenarioError) -> Expectation {
        let subject = try subject()
        let relations = Expectation.Relation.allCases.filter { relation in
            switch relation {
            case .equal, .notEqual: true
            case .has, .lacks: subject.isFlags
            default: subject.isNumber
            }
        }
        guard let token = peek, let relation = Expectation.Relation(rawValue: token.text),
            relations.contains(relation)
        else {
            throw failureHere(
                wanted: "a comparison",
                "Accepted here: " + relations.map(\.rawValue).joined(separator: ", ") + ".")
        }
        taken += 1
        return Expectation(subject, relation, try value(of: subject))
    }

    private mutating func subject() throws(ScenarioError) -> Expectation.Subject {
        if takeWord("machine") {
            return .machine(field: try field(of: "meminfo", among: ViewFields.all.meminfo))
        }
        if takeWord("vmstat") {
            return .vmstat(counter: try field(of: "vmstat", among: ViewFields.all.vmstat))
        }
        let process = try livingProcess()
        let view = try name("a field of status, as in VmLck, or a view")
        if let state = Expectation.PageState(rawValue: view.text) {
            return .pages(process, try span(of: process), state)
        }
        switch view.text {
        case "maps":
            let wantsSpan = peek?.kind == .word || peek?.kind == .number
            return .areaCount(process, wantsSpan ? try span(of: process) : nil)
        case "smaps":
            let span = try span(of: process)
            return .smaps(process, span, field: try field(of: "smaps", among: ViewFields.all.smaps))
        case "flags": return .flags(process, try span(of: process))
        case "perms": return .permissions(process, try span(of: process))
        case "rollup":
            return .rollup(
                process, field: try field(of: "smaps_rollup", among: ViewFields.all.rollup))
        case let field where ViewFields.all.status.contains(field):
            return .status(process, field: field)
        default:
            throw failure(
                at: view, "\"\(view.text)\" is neither a view nor a field of status",
                Suggestion.remedy(
                    for: view.text, accepted: Self.views + ViewFields.all.status))
        }
    }

    /// Takes the name of a field of a view.
    private mutating func field(
        of view: String, among fields: [String]
    ) throws(ScenarioError) -> String {
        let name = try name("a field of \(view), as in \(fields.first ?? "")")
        guard fields.contains(name.text) else {
            throw failure(
                at: name, "\(view) has no \"\(name.text)\"",
                Suggestion.remedy(for: name.text, accepted: fields))
        }
        return name.text
    }

    /// Takes the rest of the line.
    private mutating func value(
        of subject: Expectation.Subject
    ) throws(ScenarioError) -> Expectation.Value {
        guard let first = peek, let last = tokens.last else {
            throw failureHere(
                wanted: "a value", "Write a number such as 128M, or the text of the field.")
        }
        if first.kind == .string {
            taken += 1
            return .text(first.text)
        }
        taken = tokens.count
        let range = first.range.lowerBound..<last.range.upperBound
        let bytes = line.dropFirst(range.lowerBound).prefix(range.count)
        let text = String(decoding: bytes, as: UTF8.self)
        if !subject.isText, let number = Quantity.parse(text) { return .number(number) }
        guard !subject.isCount else {
            throw failure(
                at: range, "\"\(text)\" is no number",
                "Write a decimal number, with K, M, G, T or P for a unit, or a hexadecimal one.")
        }
        return .text(text)
    }
}

extension Expectation.Subject {
    /// Whether the right-hand side is text even where it looks like a number.
    var isText: Bool {
        switch self {
        case .permissions, .flags: true
        default: false
        }
    }
    /// Whether the right-hand side can only be a number.
    var isCount: Bool {
        switch self {
        case .smaps, .areaCount, .pages, .vmstat: true
        default: false
        }
    }
    /// Whether greater and less mean anything.
    var isNumber: Bool { !isText }
    /// Whether the claim is about flags of VMAs.
    var isFlags: Bool {
        if case .flags = self { true } else { false }
    }
}
