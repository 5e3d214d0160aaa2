// SPDX-License-Identifier: Apache-2.0

/// One VMA, for reports.
package struct VMASummary: Equatable, Sendable {
    /// The first address, and the one past the last.
    package var start: UInt64
    package var end: UInt64
    /// Rights as maps has them: `rw-p`.
    package var rights: String
    /// What maps calls it; empty for ordinary anonymous memory.
    package var name: String
    /// The codes that smaps has for its flags.
    package var flags: String
    /// Pages present, the zero page not counted.
    package var resident: Int
    /// Pages that count as locked: all of a locked VMA, present or not.
    package var locked: Int

    /// Its length in pages.
    package var pages: Int { Int((end - start) >> pageShift) }
}

extension Machine.Task {
    /// The VMAs in order of their addresses, with what each has.
    package func vmaSummaries() -> [VMASummary] {
        inspect { space, cpu in
            var summaries: [VMASummary] = []
            space.forEachVMA { vma in
                var usage = MemoryUsage()
                machine.spaces.measure(vma, in: space, into: &usage, on: cpu)
                summaries.append(
                    VMASummary(
                        start: vma.start, end: vma.end, rights: vma.rightsText,
                        name: vma.displayName(in: space), flags: vma.flags.codesText,
                        resident: usage.resident,
                        locked: vma.flags.contains(.locked) ? vma.pageCount : 0))
            }
            return summaries
        }
    }
}
