// SPDX-License-Identifier: Apache-2.0
//
// One line of strace's output, taken apart:
//
//   6511  1795257954.001470 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3</etc/x>, 0) = 0x7f6e07fc8000
//   pid   time              name arguments                                          result
//
// The pid stands there with -f (`[pid 6511]` on a terminal), the time with -t, -tt, -ttt or -r.

import Mooring

/// The parts that stand before the event itself.
struct StraceLine {
    enum Time: Equatable {
        /// Nanoseconds of a clock: of the epoch, or of the day.
        case absolute(UInt64)
        case ofDay(UInt64)
        /// Nanoseconds since the line before (-r).
        case relative(UInt64)
    }

    var thread: Int32?
    var time: Time?
    var event: Substring

    init(_ line: Substring) {
        event = line
        takeThread()
        skipSpaces()
        takeTime()
        skipSpaces()
        // -n, -i: the number of the call, the instruction pointer; -k: who called.
        while takeBrackets() { skipSpaces() }
        if event.hasPrefix("> ") { event = "" }
    }

    static func looksLikeOne(_ line: ArraySlice<UInt8>) -> Bool {
        let event = StraceLine(Substring(decoding: line, as: UTF8.self)).event
        return StraceCall(event) != nil || event.hasPrefix("+++ ") || event.hasPrefix("--- SIG")
    }

    private mutating func skipSpaces() { event = event.drop { $0 == " " } }

    private mutating func takeBrackets() -> Bool {
        guard event.first == "[", let end = event.firstIndex(of: "]"),
            event[..<end].dropFirst().allSatisfy({ $0.isHexDigit || $0 == "?" || $0 == " " })
        else { return false }
        event = event[event.index(after: end)...]
        return true
    }

    private mutating func takeThread() {
        var rest = event
        if rest.hasPrefix("[pid ") { rest = rest.dropFirst(5).drop { $0 == " " } }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int32(digits) else { return }
        rest = rest[digits.endIndex...]
        // -Y: the name of the program.
        if rest.first == "<", let end = rest.firstIndex(of: ">") {
            rest = rest[rest.index(after: end)...]
        }
        guard let after = rest.first, after == " " || after == "]" else { return }
        thread = number
        event = rest.dropFirst()
    }

    private mutating func takeTime() {
        let word = event.prefix { $0 != " " }
        let halves = word.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = halves.first, !whole.isEmpty, word.count <= 30 else { return }
        let fraction = halves.count > 1 ? halves[1] : "0"
        guard fraction.count <= 9, let parts = UInt64(fraction) else { return }
        let nanoseconds = (fraction.count..<9).reduce(parts) { product, _ in product * 10 }
        let clock = whole.split(separator: ":").compactMap { UInt64($0) }
        if clock.count == 3, clock.allSatisfy({ $0 < 100 }) {
            let seconds = (clock[0] * 60 + clock[1]) * 60 + clock[2]
            time = .ofDay(seconds * 1_000_000_000 + nanoseconds)
        } else if halves.count == 2, let seconds = UInt64(whole), seconds < 1 << 33 {
            let total = seconds * 1_000_000_000 + nanoseconds
            // No trace of this century begins before 1973, and none has a gap of three years.
            time = seconds < 100_000_000 ? .relative(total) : .absolute(total)
        } else {
            return
        }
        event = event[word.endIndex...]
    }
}

/// A call as strace prints it.
struct StraceCall {
    enum Result: Equatable {
        case value(UInt64)
        /// The name of the error.
        case failed(Substring)
        /// The call did not return, or strace does not say.
        case unknown
    }

    var name: Substring
    var arguments: [Substring]
    var result: Result
    /// The result as printed, with what `-y` adds.
    var resultText: Substring

    /// Takes a whole call apart; `nil` if the text is none.
    init?(_ event: Substring) {
        let utf8 = event.utf8
        guard let open = utf8.firstIndex(of: UInt8(ascii: "(")),
            Self.isName(event[..<open])
        else { return nil }
        name = event[..<open]
        guard let (arguments, close) = Self.arguments(event, after: utf8.index(after: open)) else {
            return nil
        }
        self.arguments = arguments
        let rest = event[close...].dropFirst().drop { $0 == " " }
        guard rest.first == "=" else { return nil }
        resultText = rest.dropFirst().drop { $0 == " " }
        let words = resultText.split(separator: " ", maxSplits: 2)
        guard let first = words.first else { return nil }
        if first == "?" {
            result = .unknown
        } else if first == "-1", words.count > 1 {
            result = .failed(words[1])
        } else {
            let number = StraceValue.number(first.prefix { $0 != "<" })
            guard let number else { return nil }
            result = .value(number)
        }
    }

    static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, !Lexer.isDigit(first), text.utf8.count < 40 else {
            return false
        }
        return text.utf8.allSatisfy {
            Lexer.isDigit($0) || $0 == UInt8(ascii: "_")
                || ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z"))
        }
    }

    /// The arguments up to the parenthesis that closes the call, and where that is.
    private static func arguments(
        _ text: Substring, after start: Substring.Index
    ) -> (arguments: [Substring], close: Substring.Index)? {
        let utf8 = text.utf8
        var arguments: [Substring] = []
        var depth = 0
        var begin = start
        var position = start
        var before: UInt8 = 0
        func argument(_ end: Substring.Index) -> Substring {
            var argument = text[begin..<end].drop { $0 == " " }
            while argument.last == " " { argument.removeLast() }
            return argument
        }
        while position < utf8.endIndex {
            let byte = utf8[position]
            let next = utf8.index(after: position)
            switch byte {
            case UInt8(ascii: "\""):
                guard let end = endOfString(utf8, from: next) else { return nil }
                position = end
            case UInt8(ascii: "<") where Lexer.isDigit(before) || before == UInt8(ascii: "D"):
                // -y: the path of a descriptor, which may hold anything; but not `21<<SHIFT`.
                if next < utf8.endIndex, utf8[next] != UInt8(ascii: "<"),
                    let end = utf8[next...].firstIndex(of: UInt8(ascii: ">"))
                {
                    position = end
                }
            case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: ")") where depth == 0:
                let last = argument(position)
                if !last.isEmpty || !arguments.isEmpty { arguments.append(last) }
                return (arguments, position)
            case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                arguments.append(argument(position))
                begin = next
            default: break
            }
            before = byte
            position = utf8.index(after: position)
        }
        return nil
    }

    /// The quotation mark that ends a text.
    private static func endOfString(
        _ utf8: Substring.UTF8View, from start: Substring.Index
    ) -> Substring.Index? {
        var position = start
        while position < utf8.endIndex {
            if utf8[position] == UInt8(ascii: "\"") { return position }
            if utf8[position] == UInt8(ascii: "\\") {
                position = utf8.index(after: position)
                if position == utf8.endIndex { return nil }
            }
            position = utf8.index(after: position)
        }
        return nil
    }
}

/// Arguments as strace prints them.
enum StraceValue {
    /// A number: decimal, hexadecimal, octal, negative, `NULL`, or a product such as `8192*1024`;
    /// what a comment says after it is passed over.
    static func number(_ text: Substring) -> UInt64? {
        let text = text.prefix { $0 != " " }
        if text == "NULL" { return 0 }
        if text.contains("*") {
            let factors = text.split(separator: "*").map { number($0) }
            var product: UInt64 = 1
            for factor in factors {
                guard let factor else { return nil }
                product = product &* factor
            }
            return factors.isEmpty ? nil : product
        }
        if text.hasPrefix("0x") {
            let digits = text.dropFirst(2)
            return digits.first?.isHexDigit == true ? UInt64(digits, radix: 16) : nil
        }
        if text.hasPrefix("-") {
            return Int64(text).map { UInt64(bitPattern: $0) }
        }
        guard text.utf8.allSatisfy(Lexer.isDigit) else { return nil }
        if text.count > 1, text.first == "0" { return UInt64(text, radix: 8) }
        return UInt64(text)
    }

    /// Flags joined by `|`: words of a table, and numbers.
    ///
    /// - Returns: The bits, and the words that the table does not have.
    static func flags(_ text: Substring, _ table: [Word]) -> (bits: UInt64, unknown: [Substring]) {
        // A number is followed by its words in a comment.
        if let number = number(text) { return (number, []) }
        var bits: UInt64 = 0
        var unknown: [Substring] = []
        for part in text.split(separator: "|") {
            let part = part.drop { $0 == " " }.prefix { $0 != " " }
            if let word = table.first(where: { $0.linux == part }) {
                bits |= word.value
            } else if let number = number(part) {
                bits |= number
            } else if let shifted = shifted(part) {
                bits |= shifted
            } else {
                unknown.append(part)
            }
        }
        return (bits, unknown)
    }

    /// The size of huge pages in the flags of mmap: `21<<MAP_HUGE_SHIFT`.
    private static func shifted(_ text: Substring) -> UInt64? {
        guard text.hasSuffix("<<MAP_HUGE_SHIFT"),
            let size = number(text.prefix { $0 != "<" }), size < 64
        else { return nil }
        return size << 26
    }

    /// The text between quotation marks; strace's escapes stay as they are.
    static func string(_ text: Substring) -> Substring? {
        guard text.first == "\"", let end = text.dropFirst().lastIndex(of: "\"") else {
            return nil
        }
        return text[text.index(after: text.startIndex)..<end]
    }

    /// The number of a descriptor and, with -y, what it is open on.
    static func descriptor(_ text: Substring) -> (number: Int32, path: Substring?)? {
        let digits = text.prefix { $0 != "<" && $0 != " " }
        guard let number = Int32(digits) else { return nil }
        guard let open = text.firstIndex(of: "<"), let close = text.lastIndex(of: ">"),
            open < close
        else { return (number, nil) }
        return (number, text[text.index(after: open)..<close])
    }

    /// The value of `name=…` in a structure.
    static func field(_ name: String, in structure: Substring) -> Substring? {
        guard let range = structure.firstRange(of: "\(name)=") else { return nil }
        return structure[range.upperBound...].prefix { $0 != "," && $0 != "}" }
    }
}
