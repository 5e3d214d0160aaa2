// SPDX-License-Identifier: Apache-2.0

import Testing
import Workloads

@testable import LinuxHost

/// One after the other: timings that run beside each other say nothing.
@Suite(.serialized) struct `Timings of the host's kernel` {
    @Test(arguments: KernelTimings.Name.allCases)
    func `give a plausible figure`(name: KernelTimings.Name) throws {
        // Large enough that the difference between exits is seen above their noise.
        let figures = try (0..<3).map { _ in try KernelTimings.run(name, pages: 2048) }.sorted()
        #expect(figures[1] > 0.05 && figures[1] < 1_000_000, "\(figures)")
    }

    @Test func `know their names`() {
        #expect(throws: SystemFailure.self) { try KernelTimings.run(name: "no-such", pages: 1) }
    }
}
