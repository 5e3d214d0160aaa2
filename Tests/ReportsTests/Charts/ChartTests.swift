// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing

@testable import Reports
@testable import Workloads

@Suite struct AxisTests {
    @Test(arguments: [0, 1, 5000, 84 << 20, 137 << 20, 1 << 40, (1 << 40) + 1] as [UInt64])
    func `sizes have few ticks, at powers of two, up to the largest`(largest: UInt64) throws {
        let axis = Axis.bytes(upTo: largest)
        #expect((2...6).contains(axis.ticks.count))
        #expect(axis.highest >= Double(largest))
        #expect(try #require(axis.ticks.last).value == axis.highest)
        #expect(axis.ticks[0].label == "0")
    }

    @Test(arguments: [1, 3, 10, 48_213, 7_000_000] as [Double])
    func `counts have a handful of round ticks`(last: Double) {
        let axis = Axis.count(0, last)
        #expect((2...11).contains(axis.ticks.count), "\(axis.ticks)")
        #expect(axis.ticks.allSatisfy { $0.value <= last * 1.001 })
        #expect(Set(axis.ticks.map(\.label)).count == axis.ticks.count)
    }

    @Test func `times have the unit that suits their end`() {
        #expect(Axis.time(0, 4.4e9).ticks.map(\.label).prefix(3) == ["0 s", "0.5 s", "1.0 s"])
        #expect(Axis.time(0, 1.2e6).ticks.last?.label == "1,200 µs")
    }
}

@Suite struct TimelineSeriesTests {
    @Test func `small processes share a band, and no byte is lost`() {
        let summary = RunReport.sample(.init(processes: 30)).summary
        let series = TimelineSeries(summary)
        #expect(series.bands.count == TimelineSeries.bandLimit + 1)
        #expect(series.bands.last?.label == "23 other processes")
        for (sample, point) in summary.timeline.enumerated() {
            #expect(series.bands.reduce(0) { $0 + $1.values[sample] } == point.total.resident)
        }
    }

    @Test func `one too many gets a band of its own`() {
        let series = TimelineSeries(RunReport.sample(.init(processes: 8)).summary)
        #expect(series.bands.count == 8)
        #expect(!series.bands.contains { $0.label.contains("other") })
    }

    @Test func `a scenario is drawn over its steps`() {
        let series = TimelineSeries(RunReport.sample(.init(isRecording: false)).summary)
        #expect(!series.isTimed)
        #expect(series.places.last == 48_212)
    }
}

@Suite struct AddressSpaceRowTests {
    @Test(arguments: [0, 1, 24, 120, 2000])
    func `many areas become a few dozen rows, and no byte is lost`(count: Int) throws {
        let areas = try #require(
            RunReport.sample(.init(areas: count)).picture?.addressSpaces.first?.areas)
        let rows = AddressSpaceRow.rows(areas)
        #expect(rows.count <= 49)
        #expect(rows.reduce(0) { $0 + $1.areas } == areas.count)
        #expect(rows.reduce(0) { $0 + $1.resident } == areas.reduce(0) { $0 + $1.resident })
        #expect(rows.reduce(0) { $0 + $1.mapped } == areas.reduce(0) { $0 + $1.length })
        #expect(zip(rows, rows.dropFirst()).allSatisfy { $0.end <= $1.start })
    }

    @Test func `names tell what an area is`() {
        func kind(_ name: String, _ rights: String = "rw-p") -> AddressSpaceRow.Kind {
            .init(.init(start: 0, end: 4096, rights: rights, name: name))
        }
        #expect(kind("") == .anonymous)
        #expect(kind("", "rw-s") == .sharedMemory)
        #expect(kind("[heap]") == .heap)
        #expect(kind("[stack]") == .stack)
        #expect(kind("[vdso]") == .kernel)
        #expect(kind("/memfd:ring (deleted)", "rw-s") == .sharedMemory)
        #expect(kind("/usr/lib/libc.so.6", "r-xp") == .file)
    }
}

@Suite struct PhysicalMapTests {
    @Test func `counts are taken from the pageblocks`() {
        let map = PhysicalMap(pageblocks: [
            PageblockCell(.anonymous, fullness: 0.5), PageblockCell(.anonymous, fullness: 1),
            PageblockCell(.free, fullness: 0),
        ])
        #expect(
            map.tallies == [
                .init(.free, pageblocks: 1, bytes: 3 << 20),
                .init(.anonymous, pageblocks: 2, bytes: 3 << 20),
            ])
    }

    @Test func `a folded cell has the owner of most of what is used in it`() {
        let map = PhysicalMap(pageblocks: [
            PageblockCell(.file, fullness: 0.25), PageblockCell(.anonymous, fullness: 0.5),
            PageblockCell(.free, fullness: 0), PageblockCell(.free, fullness: 0),
            PageblockCell(.locked, fullness: 1),
        ])
        let folded = map.folded(to: 3)
        #expect(
            folded.cells == [
                PageblockCell(.anonymous, fullness: 0.375), PageblockCell(.free, fullness: 0),
                PageblockCell(.locked, fullness: 1),
            ])
        #expect(folded.pageblocksPerCell == 2)
        #expect(folded.bytes == map.bytes)
        #expect(folded.tallies == map.tallies)
        #expect(map.folded(to: 5) == map)
    }

    @Test(arguments: [1, 2, 4, 31, 512, 2048, 4096, 524_288])
    func `a grid has a bearable number of rows whatever the machine`(count: Int) {
        for every in [1, 7, 100_000] {
            let cells = (0..<count).map {
                $0.isMultiple(of: every)
                    ? PageblockCell(.anonymous, fullness: 0.5) : PageblockCell(.free, fullness: 0)
            }
            let markup = PageblockGrid(PhysicalMap(pageblocks: cells)).markup.text
            #expect(markup.utf8.count < 150_000)
            #expect(markup.contains("data-cells=\"A"))
        }
    }
}
