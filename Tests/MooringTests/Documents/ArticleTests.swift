// SPDX-License-Identifier: Apache-2.0

import Foundation
import Mooring
import Testing

@Suite struct ArticleTests {
    @Test func `the code of the first article is a test, line by line`() throws {
        let blocks = Documents.blocks(of: "swift", in: try Documents.article("FirstMachine"))
        let test = try Documents.lines(of: "Tests/MooringTests/TutorialTests.swift")
        #expect(blocks.count >= 8)
        for block in blocks {
            #expect(occurs(block, in: test), "no test has this code: \(block)")
        }
    }

    @Test func `the README's code is in the first article`() throws {
        let blocks = Documents.blocks(of: "swift", in: try Documents.lines(of: "README.md"))
        let test = try Documents.lines(of: "Tests/MooringTests/TutorialTests.swift")
        #expect(!blocks.isEmpty)
        for block in blocks {
            let code = block.filter { $0 != "import Mooring" && !$0.isEmpty }
            #expect(occurs(code, in: test), "no test has this code: \(code)")
        }
    }

    /// Whether lines stand in a file in a row, all indented alike.
    private func occurs(_ block: [String], in file: [String]) -> Bool {
        guard let first = block.first else { return false }
        return file.indices.contains { start in
            guard file[start].hasSuffix(first), start + block.count <= file.count else {
                return false
            }
            let indent = file[start].dropLast(first.count)
            guard indent.allSatisfy({ $0 == " " }) else { return false }
            return zip(block, file[start...]).allSatisfy { line, found in
                line.isEmpty ? found.isEmpty : found == indent + line
            }
        }
    }

    @Test func `the article on frame flags shows the table of the code`() throws {
        let shown = Documents.table(headed: "Bit", in: try Documents.article("FrameFlags"))
        let expected = FrameFlags.table.map { row in
            [
                "\(row.bit)", row.name, row.meaning, row.setBy, row.clearedBy, row.lock, row.list,
                row.allowedAtFree ? "may be set" : "must be clear",
            ]
        }
        let text = expected.map { "| " + $0.joined(separator: " | ") + " |" }
        #expect(shown == expected, "the table should be:\n\(text.joined(separator: "\n"))")
    }

    @Test func `the article on locks lists every rank in order`() throws {
        let shown = Documents.table(headed: "Rank", in: try Documents.article("Locking"))
        #expect(shown.map { $0[0] } == LockRank.allCases.map { "`\($0)`" })
    }

    @Test func `the table of differences names every file that states one`() throws {
        let table = Documents.table(
            headed: "Where", in: try Documents.article("LinuxCompatibility")
        ).map { $0[0] }
        let engine = Documents.root.appending(path: "Sources/Mooring")
        let files = try #require(FileManager.default.enumerator(atPath: engine.path))
        for case let file as String in files where file.hasSuffix(".swift") {
            let lines = try Documents.lines(of: "Sources/Mooring/" + file)
            let states = lines.contains { $0.contains(/\/\/ LINUX[ :]/) }
            if states { #expect(table.contains("`\(file)`"), "\(file) has a LINUX comment") }
        }
    }
}
