// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Benchmarks

@Suite struct `Results of benchmarks` {
    private func result(
        named name: String = "row", mooring: [Double] = [], kernel: [Double] = [],
        _ target: BenchmarkTarget = BenchmarkTarget()
    ) -> BenchmarkResult {
        BenchmarkResult(
            name: name, unit: "ns/page", mooring: Figures(mooring), kernel: Figures(kernel),
            target: target, samples: 3, pages: 1)
    }

    @Test func `know the middle and the ends of samples`() {
        #expect(Figures([]) == nil)
        let odd = Figures([3, 1, 2])
        #expect(odd?.median == 2 && odd?.min == 1 && odd?.max == 3)
        #expect(Figures([4, 1, 2, 3])?.median == 2.5)
    }

    @Test func `compare medians`() {
        var row = result(mooring: [9, 10, 50], kernel: [10, 200, 900])
        row.judge(beside: [])
        #expect(row.speedup == 20)
        #expect(row.missed.isEmpty)
    }

    @Test func `say which targets were missed and by how much`() {
        var row = result(
            mooring: [100], kernel: [200],
            BenchmarkTarget(atMost: 99, speedupAtLeast: 2.5))
        row.judge(beside: [])
        #expect(
            row.missed == ["100 ns/page, more than 99", "speedup 2, less than 2.5"])

        var scale = result(mooring: [0.5], BenchmarkTarget(scaleAtLeast: 0.85))
        scale.judge(beside: [])
        #expect(scale.missed == ["scale 0.5, less than 0.85"])
    }

    @Test func `compare a row that must be flat with its base`() {
        let base = result(named: "locked-exit-1", mooring: [10])
        let target = BenchmarkTarget(flatWithin: 1.2, flatAgainst: "locked-exit-1")
        var flat = result(mooring: [11.9], target)
        flat.judge(beside: [base])
        #expect(flat.missed.isEmpty)
        var steep = result(mooring: [13], target)
        steep.judge(beside: [base])
        #expect(steep.missed == ["1.3 times locked-exit-1, more than 1.2"])
    }

    @Test func `are JSON rows with the agreed names`() throws {
        var row = result(mooring: [1, 2, 3], kernel: [4, 5, 6])
        row.judge(beside: [])
        let text = try [row].json()
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
        #expect(rows.count == 1)
        #expect(rows.first?["name"] as? String == "row")
        #expect(rows.first?["unit"] as? String == "ns/page")
        let mooring = rows.first?["mooring"] as? [String: Double]
        #expect(mooring == ["median": 2, "min": 1, "max": 3])
        #expect(rows.first?["speedup"] as? Double == 2.5)
        #expect(try JSONDecoder().decode([BenchmarkResult].self, from: Data(text.utf8)) == [row])
    }

    @Test func `are a table that says why the kernel has no figure`() {
        var row = result(mooring: [1, 2, 3])
        row.kernelUnavailable = "not permitted."
        let text = BenchmarkTable.text([row])
        #expect(text.hasPrefix("benchmark"))
        #expect(text.contains("row"))
        #expect(text.hasSuffix("row: no figure of the kernel: not permitted.\n"))
        #expect(!text.contains(" \n"))
    }

    @Test(arguments: [
        (0.123, "0.12"), (1.0, "1"), (9.996, "10"), (12.34, "12.3"), (123.4, "123"),
        (100_000.0, "100000"),
    ])
    func `have numbers with three digits that matter`(number: Double, text: String) {
        #expect(shortText(number) == text)
    }
}
