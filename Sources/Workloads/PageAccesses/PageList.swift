// SPDX-License-Identifier: Apache-2.0
//
// Accesses to pages and nothing else: what a cache is measured with.

import Foundation
import Mooring

/// Page accesses in order; pages are numbered from 0 by their place among those that are accessed.
package struct PageList: Equatable, Sendable {
    /// The page of each access.
    package let pages: [UInt32]
    /// How many different pages there are.
    package let distinct: Int

    /// Numbers the pages of a list anew.
    init(_ numbers: [UInt64]) {
        let sorted = Set(numbers).sorted()
        let ranks = Dictionary(
            uniqueKeysWithValues: sorted.enumerated().map { ($1, UInt32($0)) })
        pages = numbers.map { ranks[$0].unsafelyUnwrapped }
        distinct = sorted.count
    }

    private init(ranks: [UInt32], distinct: Int) {
        pages = ranks
        self.distinct = distinct
    }

    /// The accesses of a recording by Valgrind's lackey.
    ///
    /// - Throws: ``PageListError`` for a recording of faults: pages that are there are not seen in it.
    package init(_ recording: Recording) throws(PageListError) {
        guard recording.source == LackeyImporter.source else {
            throw PageListError(
                problem: "this recording holds calls and page faults, not accesses",
                remedy: "Record with valgrind --tool=lackey --trace-mem=yes and import that.")
        }
        self.init(
            recording.steps.compactMap { step in
                guard case .access(.absolute(let address, _), _) = step.operation.call else {
                    return nil
                }
                return address >> pageShift
            })
    }

    /// Reads a list: a page's number a line, decimal or hexadecimal with 0x, and comments after `#`.
    ///
    /// - Throws: ``PageListError`` with the line that is no number.
    package init(parsing bytes: [UInt8]) throws(PageListError) {
        var numbers: [UInt64] = []
        for (index, line) in bytes.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() {
            let text = String(decoding: line.prefix { $0 != UInt8(ascii: "#") }, as: UTF8.self)
                .trimmingPrefix { $0.isWhitespace }.prefix { !$0.isWhitespace }
            if text.isEmpty { continue }
            let number =
                text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
            guard let number else {
                throw PageListError(
                    line: index + 1, problem: "\"\(text.prefix(40))\" is no page's number",
                    remedy: "Write one number a line, as in 4711 or 0x1267.")
            }
            numbers.append(number)
        }
        guard !numbers.isEmpty else {
            throw PageListError(
                problem: "there is no access in it", remedy: "Write a page's number a line.")
        }
        self.init(numbers)
    }

    /// Accesses whose pages are as popular as Zipf's law says: the k-th by 1 / k^`exponent`.
    ///
    /// Which page is how popular, and the order, follow from the seed.
    ///
    /// - Parameters:
    ///   - exponent: 0 makes all pages the same; above 0.
    ///   - pages: How many pages there are; not every one need be accessed.
    ///   - accesses: How many accesses.
    ///   - seed: What the random numbers start from.
    /// - Returns: The accesses.
    package static func zipf(
        exponent: Double, pages: Int, accesses: Int, seed: UInt64
    ) -> PageList {
        var random = SeededRandom(seed: seed)
        let places = Array(0..<UInt32(pages)).shuffled(using: &random)
        let table = AliasTable(
            weights: (1...pages).map { 1 / pow(Double($0), exponent) })
        return PageList(
            ranks: (0..<accesses).map { _ in places[table.draw(&random)] }, distinct: pages)
    }

    /// The list as text that ``init(parsing:)`` reads.
    package var text: [UInt8] {
        var text: [UInt8] = []
        for page in pages { text += Array("\(page)\n".utf8) }
        return text
    }
}

/// Why something is no list of page accesses.
package struct PageListError: Error, Equatable, CustomStringConvertible {
    package var line: Int?
    package let problem: String
    package let remedy: String

    package var description: String {
        (line.map { "line \($0): " } ?? "") + problem + ". " + remedy
    }
}

/// Draws numbers with given weights in constant time (Walker 1977, Vose 1991).
private struct AliasTable {
    private let thresholds: [Double]
    private let aliases: [UInt32]

    init(weights: [Double]) {
        let mean = weights.reduce(0, +) / Double(weights.count)
        var rest = weights.map { $0 / mean }
        var aliases = Array(0..<UInt32(weights.count))
        var small = rest.indices.filter { rest[$0] < 1 }
        var large = rest.indices.filter { rest[$0] >= 1 }
        while let less = small.popLast(), let more = large.last {
            aliases[less] = UInt32(more)
            rest[more] -= 1 - rest[less]
            if rest[more] < 1 {
                large.removeLast()
                small.append(more)
            }
        }
        // What rounding has left over is as good as 1.
        for index in small + large where aliases[index] == UInt32(index) { rest[index] = 1 }
        thresholds = rest
        self.aliases = aliases
    }

    func draw(_ random: inout SeededRandom) -> Int {
        let index = Int(random.next(upperBound: UInt64(thresholds.count)))
        let fraction = Double(random.next() >> 11) * 0x1p-53
        return fraction < thresholds[index] ? index : Int(aliases[index])
    }
}
