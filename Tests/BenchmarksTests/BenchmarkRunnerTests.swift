// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import Workloads

@testable import Benchmarks

@Suite(.serialized) struct `Running benchmarks` {
    @Test func `takes samples of both in turn`() throws {
        var options = BenchmarkOptions()
        options.filter = "anon-touch"
        options.samples = 3
        options.pages = 512
        let rounds = Mutex<[Int]>([])
        let runner = try BenchmarkRunner(options) { _, round, _ in
            rounds.withLock { $0.append(round) }
        }
        let results = try runner.run()
        #expect(results.map(\.name) == ["anon-touch"])
        #expect(rounds.withLock { $0 } == [1, 2, 3])
        let row = try #require(results.first)
        #expect((row.mooring?.median ?? 0) > 0)
        if row.kernelUnavailable == nil { #expect((row.speedup ?? 0) > 0) }
    }

    @Test func `leaves a side out`() throws {
        var options = BenchmarkOptions()
        options.filter = "munlock"
        options.samples = 1
        options.pages = 64
        options.systems = .mooring
        let row = try #require(try BenchmarkRunner(options).run().first)
        #expect(row.mooring != nil && row.kernel == nil && row.speedup == nil)
    }

    @Test func `measures how two virtual CPUs scale`() throws {
        var options = BenchmarkOptions()
        options.filter = "scale-one-process"
        options.samples = 1
        options.pages = 512
        let row = try #require(try BenchmarkRunner(options).run().first)
        #expect((row.mooring?.median ?? 0) > 0)
    }

    @Test func `selects by a part of the name`() {
        var options = BenchmarkOptions()
        #expect(options.selected.allSatisfy { !$0.isSupplementary })
        options.filter = "churn"
        #expect(
            options.selected.map(\.name) == ["vma-churn-1", "vma-churn-1000", "vma-churn-60000"])
        options.filter = "anon-touch-each"
        #expect(options.selected.map(\.name) == ["anon-touch-each"])
        options.filter = "scale"
        options.systems = .kernel
        #expect(options.selected.isEmpty)
    }

    @Test func `takes no sample count of 0`() throws {
        var options = BenchmarkOptions()
        options.samples = 0
        #expect(throws: SystemFailure.self) { try BenchmarkRunner(options) }
    }
}
