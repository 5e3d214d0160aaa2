// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import Workloads

@testable import Conformance

@Suite struct `Deliberate differences` {
    @Test func `are the rows of the article's table`() throws {
        let article = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/Mooring/Mooring.docc/LinuxCompatibility.md")
            .standardized
        let text = try String(contentsOf: article, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## Known differences").last)
        let rows = section.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2)
        let expected = KnownDifferences.all.map {
            "| \($0.place) | \($0.kernel) | \($0.engine) | \($0.reason) |"
        }
        #expect(rows.map(String.init) == expected)
    }

    @Test func `are few, and none is about locking, moving, placement or errors`() {
        #expect(KnownDifferences.all.count <= 12)
        for row in KnownDifferences.all {
            for word in ["mlock", "munlock", "mremap", "mmap"] {
                #expect(!row.place.contains(word), "\(row.place)")
            }
        }
    }

    @Test func `name figures that smaps and status have`() {
        #expect(KnownDifferences.figures.isSubset(of: ["Referenced", "LazyFree"]))
    }
}
