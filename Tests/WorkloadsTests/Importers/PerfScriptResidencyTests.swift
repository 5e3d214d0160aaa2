// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Workloads

@Suite struct PerfScriptResidencyTests {
    private let base: UInt64 = 0x7f00_0000_0000

    private func area(pages: UInt64, offset: UInt64 = 0, at start: UInt64? = nil) -> FileAreas {
        var areas = FileAreas()
        areas.map(
            start ?? base, length: pages * 4096, file: 0, offset: offset * 4096, isShared: false)
        return areas
    }

    @Test func `a window is 16 pages aligned by address, cut to the area and the file`() {
        let areas = area(pages: 40, at: base + 5 * 4096)
        let start = base + 5 * 4096
        #expect(areas.window(of: start, in: 0, filePages: nil) == 0..<16)
        #expect(areas.window(of: start + 11 * 4096, in: 0, filePages: nil) == 11..<27)
        #expect(areas.window(of: start + 30 * 4096, in: 0, filePages: nil) == 27..<40)
        #expect(areas.window(of: start + 30 * 4096, in: 0, filePages: 32) == 27..<32)
    }

    @Test func `a growth beyond the window is explained by the smallest folio that fits`() {
        let areas = area(pages: 1024)
        let window = areas.window(of: base + 300 * 4096, in: 0, filePages: nil)
        #expect(
            areas.explain(growth: 256, faultAt: base + 300 * 4096, in: 0, window: window)
                == [256..<512])
        #expect(
            areas.explain(growth: 32, faultAt: base + 300 * 4096, in: 0, window: window)
                == [288..<320])
    }

    @Test func `folios at both ends of a window explain an odd growth`() {
        // The window's file pages are 3 to 18: a folio of four begins below it, one of two ends
        // above it.
        let areas = area(pages: 64, offset: 3, at: base)
        let window = areas.window(of: base + 20 * 4096, in: 0, filePages: nil)
        #expect(window == 16..<32)
        let found = areas.explain(growth: 19, faultAt: base + 20 * 4096, in: 0, window: window)
        #expect(found == [16..<20])
    }

    @Test func `a folio that reaches out of the area does not count whole`() {
        let areas = area(pages: 100)
        let window = areas.window(of: base + 90 * 4096, in: 0, filePages: nil)
        #expect(
            areas.explain(growth: 128, faultAt: base + 90 * 4096, in: 0, window: window) == nil)
    }

    @Test func `fork empties the page tables of areas without private pages`() {
        var areas = area(pages: 32)
        areas.map(base + (1 << 20), length: 32 * 4096, file: 1, offset: 0, isShared: false)
        areas.fill([0..<16], in: 0)
        areas.write(at: base + (1 << 20))
        let child = areas.forked()
        #expect(child.missing([0..<32], in: 0) == 32)
        #expect(child.missing([0..<32], in: 1) == 31)
    }

    @Test func `unmapping the middle of an area leaves both ends as they were`() {
        var areas = area(pages: 32)
        areas.fill([0..<16], in: 0)
        areas.unmap(base + 8 * 4096, length: 4 * 4096)
        #expect(areas.areas.map(\.pageOffset) == [0, 12])
        #expect(areas.areas.map(\.isPresent.count) == [8, 20])
        #expect(areas.missing([0..<20], in: 1) == 16)
        #expect(areas.index(at: base + 9 * 4096) == nil)
    }
}
