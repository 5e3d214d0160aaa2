// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The documents of the repository, for tests that hold them against the code.
enum Documents {
    /// The root of the repository.
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// All Markdown files that are ours, as paths from the root.
    static let all: [String] = {
        let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        let folders = ["docs", "Sources/Mooring/Mooring.docc", "Sources/Explorer/Explorer.docc"]
        return pages
            + folders.flatMap { folder in
                (try? FileManager.default.contentsOfDirectory(
                    atPath: root.appending(path: folder).path))?
                    .filter { $0.hasSuffix(".md") }.sorted().map { folder + "/" + $0 } ?? []
            }
    }()

    static func lines(of path: String) throws -> [String] {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
            .components(separatedBy: "\n")
    }

    static func article(_ name: String) throws -> [String] {
        try lines(of: "Sources/Mooring/Mooring.docc/\(name).md")
    }

    /// The code blocks of a language, each as its lines.
    static func blocks(of language: String, in lines: [String]) -> [[String]] {
        var blocks: [[String]] = []
        var block: [String]?
        for line in lines {
            if line == "```", let finished = block {
                blocks.append(finished)
                block = nil
            } else if line == "```" + language {
                block = []
            } else {
                block?.append(line)
            }
        }
        return blocks
    }

    /// The rows of the first table whose head begins with a word, without head and rule.
    static func table(headed word: String, in lines: [String]) -> [[String]] {
        guard let head = lines.firstIndex(where: { $0.hasPrefix("| \(word) |") }) else { return [] }
        return lines[(head + 2)...].prefix { $0.hasPrefix("|") }.map { line in
            line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }
}
