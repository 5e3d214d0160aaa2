// SPDX-License-Identifier: Apache-2.0
//
// Numbers and texts as bytes. Each `write` of `ByteWriter` has the `read` of the same name in
// `ByteReader`.

/// Appends numbers and texts to bytes.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []
    /// Where a text that has been written stands in the table of texts, from 1.
    private var texts: [String: UInt64] = [:]

    /// Drops the bytes, but not the table of texts.
    mutating func takeBytes() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    mutating func write(byte: UInt8) { bytes.append(byte) }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    mutating func write(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Small magnitudes are short, whatever their sign.
    mutating func write(signed value: Int64) {
        write(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    /// The distance from `base`, which wraps, so that any two numbers have one.
    mutating func write(_ value: UInt64, from base: UInt64) {
        write(signed: Int64(bitPattern: value &- base))
    }

    /// A text seen before is the number of its place in the table.
    mutating func write(_ text: String) {
        if let place = texts[text] {
            write(place)
            return
        }
        texts[text] = UInt64(texts.count + 1)
        let utf8 = Array(text.utf8)
        write(0)
        write(UInt64(utf8.count))
        bytes += utf8
    }

    mutating func write(raw: some Sequence<UInt8>) { bytes += raw }
}

/// Takes numbers and texts from bytes that may be anything.
struct ByteReader {
    /// Why the bytes cannot be what they should be.
    struct Failure: Error {
        var reason: String
    }

    private let bytes: ArraySlice<UInt8>
    private(set) var position: Int
    /// The texts that have been read, across blocks.
    private(set) var texts: [String]

    init(_ bytes: ArraySlice<UInt8>, texts: [String]) {
        self.bytes = bytes
        self.texts = texts
        position = bytes.startIndex
    }

    var remaining: Int { bytes.endIndex - position }

    mutating func byte() throws(Failure) -> UInt8 {
        guard position < bytes.endIndex else { throw Failure(reason: "it ends in a number") }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func number() throws(Failure) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try byte()
            guard shift < 63 || byte <= 1 else {
                throw Failure(reason: "a number has more than 64 bits")
            }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
    }

    mutating func signed() throws(Failure) -> Int64 {
        let value = try number()
        return Int64(bitPattern: (value >> 1) ^ (0 &- (value & 1)))
    }

    mutating func number(from base: UInt64) throws(Failure) -> UInt64 {
        base &+ UInt64(bitPattern: try signed())
    }

    /// A number that must fit into a smaller type.
    mutating func number<Small: FixedWidthInteger>(
        as type: Small.Type
    ) throws(Failure) -> Small {
        guard let small = Small(exactly: try number()) else {
            throw Failure(reason: "a number does not fit into \(Small.bitWidth) bits")
        }
        return small
    }

    mutating func signed32() throws(Failure) -> Int32 {
        guard let small = Int32(exactly: try signed()) else {
            throw Failure(reason: "a number does not fit into 32 bits")
        }
        return small
    }

    /// A number of things that take at least a byte each, so that there cannot be more than bytes.
    mutating func count() throws(Failure) -> Int {
        let value = try number()
        guard value <= UInt64(remaining) else {
            throw Failure(reason: "it announces more than it holds")
        }
        return Int(value)
    }

    mutating func text() throws(Failure) -> String {
        let place = try number()
        guard place == 0 else {
            guard place <= UInt64(texts.count) else {
                throw Failure(reason: "it refers to a text that does not exist")
            }
            return texts[Int(place) - 1]
        }
        let text = String(decoding: try raw(try count()), as: UTF8.self)
        texts.append(text)
        return text
    }

    mutating func raw(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
        guard count <= remaining else { throw Failure(reason: "it announces more than it holds") }
        defer { position += count }
        return bytes[position..<position + count]
    }
}
