// SPDX-License-Identifier: Apache-2.0

/// A piece of a scenario's line.
struct Token: Equatable {
    enum Kind: Equatable {
        /// Begins with a letter: a name or a keyword.
        case word
        /// Begins with a digit; what number it is, its reader decides.
        case number
        /// Stood in quotation marks, which `text` no longer has.
        case string
        /// `:`, `=`, `=>`, `..<` and the like.
        case mark
    }

    var kind: Kind
    var text: String
    /// The bytes of the line it was read from.
    var range: Range<Int>
}

/// Why a line could not be cut into tokens.
struct LexerFailure: Error {
    var range: Range<Int>
    var message: String
    var remedy: String
}

/// Cuts one line into tokens.
///
/// Works on bytes: a line may hold anything.
struct Lexer {
    private let line: ArraySlice<UInt8>
    private let origin: Int
    private var position: Int

    /// Two characters and three before those that they begin with.
    private static let marks = [
        "..<", "...", "=>", "==", "!=", "<=", ">=", "<", ">", "=", ":", "[", "]", "+", "-",
    ].map { (text: $0, bytes: Array($0.utf8)) }

    init(_ line: ArraySlice<UInt8>) {
        self.line = line
        origin = line.startIndex
        position = line.startIndex
    }

    /// The tokens up to the end of the line or to a comment, and where that is.
    static func tokens(
        of line: ArraySlice<UInt8>
    ) throws(LexerFailure) -> (tokens: [Token], end: Int) {
        var lexer = Lexer(line)
        var tokens: [Token] = []
        while let token = try lexer.next() { tokens.append(token) }
        return (tokens, lexer.position - lexer.origin)
    }

    private mutating func next() throws(LexerFailure) -> Token? {
        while position < line.endIndex, Self.isSpace(line[position]) { position += 1 }
        guard position < line.endIndex, line[position] != UInt8(ascii: "#") else { return nil }
        let byte = line[position]
        if byte == UInt8(ascii: "\"") { return try string() }
        if Self.isWord(byte) {
            let start = position
            while position < line.endIndex, Self.isWord(line[position]) { position += 1 }
            return token(Self.isDigit(byte) ? .number : .word, from: start)
        }
        for mark in Self.marks where line[position...].starts(with: mark.bytes) {
            position += mark.bytes.count
            return token(.mark, from: position - mark.bytes.count)
        }
        throw LexerFailure(
            range: position - origin..<position - origin + 1,
            message: "this character has no meaning in a scenario",
            remedy: "Names are letters, digits and underscores; anything else goes in quotation "
                + "marks, and a comment begins with #.")
    }

    private func token(_ kind: Token.Kind, from start: Int) -> Token {
        Token(
            kind: kind, text: String(decoding: line[start..<position], as: UTF8.self),
            range: start - origin..<position - origin)
    }

    private mutating func string() throws(LexerFailure) -> Token {
        let start = position
        var bytes: [UInt8] = []
        position += 1
        while position < line.endIndex, line[position] != UInt8(ascii: "\"") {
            if line[position] == UInt8(ascii: "\\"), position + 1 < line.endIndex {
                position += 1
                switch line[position] {
                case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
                case UInt8(ascii: "r"): bytes.append(UInt8(ascii: "\r"))
                case let other: bytes.append(other)
                }
            } else {
                bytes.append(line[position])
            }
            position += 1
        }
        guard position < line.endIndex else {
            throw LexerFailure(
                range: start - origin..<line.count, message: "this text never ends",
                remedy: "Close it with a quotation mark before the end of the line.")
        }
        position += 1
        return Token(
            kind: .string, text: String(decoding: bytes, as: UTF8.self),
            range: start - origin..<position - origin)
    }

    static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    /// Letters, digits, underscores, and the parentheses of meminfo's `Active(anon)`.
    private static func isWord(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return isDigit(byte) || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z"))
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "(") || byte == UInt8(ascii: ")")
    }
}

/// Numbers as scenarios write them.
enum Quantity {
    private static let units: [(letter: Character, shift: UInt64)] = [
        ("K", 10), ("M", 20), ("G", 30), ("T", 40), ("P", 50),
    ]

    /// The number that `text` writes: decimal or `0x` hexadecimal, with `_` where it helps, and a
    /// unit of K, M, G, T or P; `nil` if it is none or does not fit into 64 bits.
    static func parse(_ text: String) -> UInt64? {
        var digits = text.filter { $0 != "_" }
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            // `UInt64(_:radix:)` would take a sign.
            let hex = digits.dropFirst(2)
            guard hex.first?.isHexDigit == true else { return nil }
            return UInt64(hex, radix: 16)
        }
        var shift: UInt64 = 0
        if let last = digits.last, let unit = units.first(where: { $0.letter == last }) {
            shift = unit.shift
            digits.removeLast()
        }
        guard digits.first?.isNumber == true, let number = UInt64(digits) else { return nil }
        let scaled = number << shift
        return scaled >> shift == number ? scaled : nil
    }

    /// `bytes` in the largest unit that writes it exactly.
    static func text(_ bytes: UInt64) -> String {
        guard bytes != 0 else { return "0" }
        let unit = units.last { bytes.trailingZeroBitCount >= $0.shift }
        guard let unit else { return "\(bytes)" }
        return "\(bytes >> unit.shift)\(unit.letter)"
    }

    static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
