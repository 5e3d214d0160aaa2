// SPDX-License-Identifier: Apache-2.0

import Explorer
import Foundation
import Testing

/// The example of the explorer's article.
@Suite struct LockFreeQueueTests {
    @Test func `the mistake in the queue is found`() throws {
        let explorer = try Explorer(queueSubject(isMended: false))
        let report = try explorer.search(.exhaustive(bound: 2))
        let failure = try #require(report.failure)
        #expect(failure.finding.kind == .dataRace)
        let shrunk = try explorer.shrink(failure)
        #expect(shrunk.schedule.changes <= 2)
    }

    @Test func `the mended queue passes under every schedule within the bound`() throws {
        let explorer = try Explorer(queueSubject(isMended: true))
        let report = try explorer.search(.exhaustive(bound: 3))
        #expect(report.failure == nil)
        #expect(report.isComplete)
    }

    @Test func `the article shows the queue as it is here`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appendingPathComponent("LockFreeQueue.swift"), encoding: .utf8)
        let article = try String(
            contentsOf: root.appendingPathComponent(
                "../../Sources/Explorer/Explorer.docc/FindingARace.md"), encoding: .utf8)
        let blocks = article.components(separatedBy: "```swift\n").dropFirst().compactMap {
            $0.components(separatedBy: "```").first
        }
        #expect(!blocks.isEmpty)
        for block in blocks where block.contains("func ") {
            #expect(source.contains(block.trimmingCharacters(in: .newlines)))
        }
    }
}
