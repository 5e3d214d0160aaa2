// SPDX-License-Identifier: Apache-2.0

import Mooring

/// Parts of a line: tokens, numbers, addresses, spans, protections, flags.
extension ScenarioParser {
    // MARK: Errors

    /// Some bytes of the current line.
    func place(of range: Range<Int>) -> ScenarioPlace {
        // Bytes that continue a character have no column of their own.
        func characters(_ bytes: Range<Int>) -> Int {
            let within = bytes.clamped(to: 0..<line.count)
            return line.dropFirst(within.lowerBound).prefix(within.count)
                .count { $0 & 0xC0 != 0x80 }
        }
        return ScenarioPlace(
            line: number, column: characters(0..<range.lowerBound) + 1,
            length: characters(range), text: String(decoding: line, as: UTF8.self))
    }

    /// An error about some bytes of the current line.
    func failure(at range: Range<Int>, _ message: String, _ remedy: String) -> ScenarioError {
        ScenarioError(at: place(of: range), message, remedy)
    }

    func failure(at token: Token, _ message: String, _ remedy: String) -> ScenarioError {
        failure(at: token.range, message, remedy)
    }

    /// An error about the next token, or about the end of the line if there is none.
    func failureHere(wanted what: String, _ remedy: String) -> ScenarioError {
        guard let token = peek else {
            return failure(at: end..<end, "the line ends where \(what) should stand", remedy)
        }
        return failure(at: token, "\"\(token.text)\" stands where \(what) should", remedy)
    }

    // MARK: Tokens

    /// The next token, still there to be taken.
    var peek: Token? { taken < tokens.count ? tokens[taken] : nil }

    /// Takes the next token if it is this mark.
    mutating func takeMark(_ mark: String) -> Bool {
        guard let token = peek, token.kind == .mark, token.text == mark else { return false }
        taken += 1
        return true
    }

    /// Takes the next token if it is this word.
    mutating func takeWord(_ word: String) -> Bool {
        guard let token = peek, token.kind == .word, token.text == word else { return false }
        taken += 1
        return true
    }

    /// Takes this mark, which must come next.
    mutating func expectMark(_ mark: String) throws(ScenarioError) {
        guard takeMark(mark) else {
            throw failureHere(wanted: "\"\(mark)\"", "Write \"\(mark)\" here.")
        }
    }

    /// Takes a name.
    mutating func name(_ what: String) throws(ScenarioError) -> Token {
        guard let token = peek, token.kind == .word else {
            throw failureHere(
                wanted: what, "A name begins with a letter; letters, digits and _ may follow.")
        }
        taken += 1
        return token
    }

    /// Takes a name or a text in quotation marks.
    mutating func text(_ what: String) throws(ScenarioError) -> String {
        guard let token = peek, token.kind == .string || token.kind == .word else {
            throw failureHere(wanted: what, "Write it in quotation marks.")
        }
        taken += 1
        return token.text
    }

    /// Takes one of a few words.
    mutating func keyword(_ what: String, among words: [String]) throws(ScenarioError) -> String {
        guard let token = peek, words.contains(token.text), token.kind == .word else {
            throw failureHere(
                wanted: what, Suggestion.remedy(for: peek?.text ?? "", accepted: words))
        }
        taken += 1
        return token.text
    }

    /// Takes one of the words of an enum.
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ what: String
    ) throws(ScenarioError) -> Choice {
        let words = Choice.allCases.map(\.rawValue)
        let word = try keyword(what, among: words)
        guard let choice = Choice(rawValue: word) else {
            throw failureHere(wanted: what, Suggestion.remedy(for: word, accepted: words))
        }
        return choice
    }

    // MARK: Numbers

    /// Takes a number of 64 bits.
    mutating func quantity(_ what: String) throws(ScenarioError) -> UInt64 {
        guard let token = peek, token.kind == .number, let value = Quantity.parse(token.text)
        else {
            throw failureHere(
                wanted: what,
                "Write a decimal number, with K, M, G, T or P for a unit, or a hexadecimal one "
                    + "after 0x; it must fit into 64 bits.")
        }
        taken += 1
        return value
    }

    /// Takes a number within bounds.
    mutating func count(
        _ what: String, _ bounds: ClosedRange<Int>
    ) throws(ScenarioError) -> Int {
        let value = try quantity(what)
        guard let count = Int(exactly: value), bounds.contains(count) else {
            taken -= 1
            throw failureHere(
                wanted: what, "Write a number from \(bounds.lowerBound) to \(bounds.upperBound).")
        }
        return count
    }

    /// Takes a number of 32 bits that may be negative.
    mutating func signed(_ what: String) throws(ScenarioError) -> Int32 {
        let isNegative = takeMark("-")
        let magnitude = try quantity(what)
        let value = Int64(exactly: magnitude).map { isNegative ? -$0 : $0 }
        guard let value, let fitting = Int32(exactly: value) else {
            taken -= 1
            throw failureHere(wanted: what, "Write a number that fits into 32 bits.")
        }
        return fitting
    }

    /// Takes a number of 32 bits.
    mutating func bits(_ what: String) throws(ScenarioError) -> UInt32 {
        UInt32(try count(what, 0...Int(UInt32.max)))
    }

    /// Takes a number of pages that may be negative, as an offset in bytes.
    private mutating func pageOffset() throws(ScenarioError) -> Int64 {
        let isNegative = takeMark("-")
        let pages = try quantity("the number of a page of the region, from 0")
        guard pages < UInt64(Int64.max) / pageSize else {
            taken -= 1
            throw failureHere(wanted: "the number of a page", "It lies outside of any memory.")
        }
        let offset = Int64(pages * pageSize)
        return isNegative ? -offset : offset
    }

    // MARK: Addresses and spans

    /// Takes `0x1000`, `heap`, `heap+8K`, `heap-8K` or `heap[3]`.
    mutating func address(of process: ProcessID) throws(ScenarioError) -> Address {
        if peek?.kind == .number { return .absolute(try quantity("an address")) }
        let region = try region(of: process)
        if takeMark("[") {
            let offset = try pageOffset()
            try expectMark("]")
            return .region(region, offset: offset)
        }
        return .region(region, offset: try byteOffset() ?? 0)
    }

    /// Takes `+8K` or `-8K` if it comes next.
    private mutating func byteOffset() throws(ScenarioError) -> Int64? {
        let isNegative = takeMark("-")
        guard isNegative || takeMark("+") else { return nil }
        let magnitude = try quantity("a distance in bytes")
        guard let distance = Int64(exactly: magnitude) else {
            taken -= 1
            throw failureHere(wanted: "a distance in bytes", "It lies outside of any memory.")
        }
        return isNegative ? -distance : distance
    }

    /// Takes `heap`, `heap[3]`, `heap[0..<10]`, `heap[0...9]`, `heap+8K 4K` or `0x1000 4K`.
    mutating func span(of process: ProcessID) throws(ScenarioError) -> Span {
        if peek?.kind == .number {
            let address = try quantity("an address")
            return .absolute(address: address, length: try quantity("the length in bytes"))
        }
        let region = try region(of: process)
        if takeMark("[") { return try slice(of: region) }
        guard let offset = try byteOffset() else { return .region(region) }
        return .part(region, offset: offset, length: try quantity("the length in bytes"))
    }

    private mutating func slice(of region: RegionID) throws(ScenarioError) -> Span {
        let open = tokens[taken - 1]
        let lower = try pageOffset()
        var upper = lower + Int64(pageSize)
        if takeMark("..<") {
            upper = try pageOffset()
        } else if takeMark("...") {
            upper = try pageOffset() + Int64(pageSize)
        }
        guard let close = peek, takeMark("]") else {
            throw failureHere(
                wanted: "\"]\"",
                "A part of a region is written heap[3], heap[0..<10] or heap[0...9], in pages.")
        }
        let (length, overflow) = upper.subtractingReportingOverflow(lower)
        guard length >= 0, !overflow else {
            throw failure(
                at: open.range.lowerBound..<close.range.upperBound,
                "this range ends before it begins", "Write the lower page first.")
        }
        return .part(region, offset: lower, length: UInt64(length))
    }

    // MARK: Protections and flags

    /// Takes `rw`, `none`, or `prot 0x…` for bits that no letter stands for.
    mutating func protection() throws(ScenarioError) -> Protection {
        if takeWord("prot") { return Protection(rawValue: try bits("the bits of PROT_*")) }
        let letters: [(String, Protection)] = [
            ("none", []), ("r", .read), ("w", .write), ("x", .execute), ("rw", [.read, .write]),
            ("rx", [.read, .execute]), ("wx", [.write, .execute]),
            ("rwx", [.read, .write, .execute]),
        ]
        let word = try keyword("a protection", among: letters.map(\.0) + ["prot"])
        return letters.first { $0.0 == word }?.1 ?? []
    }

    /// Takes words of `table`, `flags 0x…`, and whatever `others` takes, up to `=>` or the end.
    mutating func flags(
        _ what: String, _ table: [Word], others: [String] = [],
        other: (inout Self, String) throws(ScenarioError) -> Void = { _, _ in }
    ) throws(ScenarioError) -> UInt32 {
        var bits: UInt64 = 0
        while let token = peek, token.text != "=>" {
            let word = try keyword(
                what, among: table.map(\.scenario) + others + ["flags"])
            if let flag = table.first(where: { $0.scenario == word }) {
                bits |= flag.value
            } else if word == "flags" {
                bits |= UInt64(try self.bits("the bits of the flags"))
            } else {
                try other(&self, token.text)
            }
        }
        return UInt32(truncatingIfNeeded: bits)
    }
}
