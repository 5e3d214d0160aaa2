// SPDX-License-Identifier: Apache-2.0

import Foundation
import Mooring
import TestSupport
import Testing
import Workloads

@Suite struct PageListTests {
    @Test func `a list numbers its pages by their place among those accessed`() throws {
        let list = try PageList(parsing: Array("0x10 # first\n\n7\n 4096\n7\n".utf8))
        #expect(list.pages == [1, 0, 2, 0])
        #expect(list.distinct == 3)
        #expect(try PageList(parsing: list.text) == list)
    }

    @Test(arguments: [
        ("1\ntwo\n", "line 2: \"two\" is no page's number"), ("1\n-3\n", "line 2"),
        ("# nothing\n", "there is no access"), ("0xzz", "line 1"),
    ]) func `what is no list is refused with its line and a remedy`(text: String, says: String) {
        let error = #expect(throws: PageListError.self) {
            try PageList(parsing: Array(text.utf8))
        }
        #expect(error?.description.contains(says) == true)
        #expect(error?.remedy.isEmpty == false)
    }

    @Test func `accesses that lackey saw are a list, and a recording of faults is none`() throws {
        let text = " L 1000,8\n S 2000,4\nI  5000,3\n L 1008,8\n L 2000,1\n"
        var importer = ImportStream(ImportFormat.lackey.makeImporter())
        try importer.feed(Array(text.utf8))
        let list = try PageList(try importer.finish().recording)
        // The load of the page that was loaded last is folded.
        #expect(list.pages == [0, 1, 2, 1])
        let error = #expect(throws: PageListError.self) {
            try PageList(Recording(command: "x", source: "perf"))
        }
        #expect(error?.description.contains("valgrind") == true)
    }

    @Test func `Zipf's law decides how popular pages are, and the seed which`() {
        let list = PageList.zipf(exponent: 1, pages: 100, accesses: 200_000, seed: 4)
        #expect(list == PageList.zipf(exponent: 1, pages: 100, accesses: 200_000, seed: 4))
        #expect(list != PageList.zipf(exponent: 1, pages: 100, accesses: 200_000, seed: 5))
        var popularity = [Int](repeating: 0, count: 100)
        for page in list.pages { popularity[Int(page)] += 1 }
        popularity.sort(by: >)
        let harmonic = (1...100).reduce(0.0) { $0 + 1 / Double($1) }
        for rank in [1, 2, 10] {
            let expected = 200_000 / harmonic / Double(rank)
            #expect(abs(Double(popularity[rank - 1]) - expected) < expected * 0.05)
        }
    }
}

@Suite struct MissCountTests {
    /// Misses of a cache that always gives up what was used least recently, the plain way.
    private func plainLRU(_ pages: [UInt32], room: Int) -> Int {
        var cached: [UInt32] = []
        var misses = 0
        for page in pages {
            if let index = cached.firstIndex(of: page) {
                cached.remove(at: index)
            } else {
                misses += 1
                if cached.count == room { cached.removeFirst() }
            }
            cached.append(page)
        }
        return misses
    }

    @Test func `exact LRU misses as often as the plain way does`() throws {
        for room in [1, 7, 64, 200] {
            let list = PageList.zipf(exponent: 0.7, pages: 300, accesses: 6000, seed: UInt64(room))
            let count = try list.misses(in: .pages(UInt64(room)), .lru)
            #expect(count.misses == plainLRU(list.pages, room: room), "room for \(room)")
        }
    }

    @Test func `every page misses once where all have room`() throws {
        let list = PageList.zipf(exponent: 0.5, pages: 500, accesses: 20_000, seed: 1)
        let different = Set(list.pages).count
        for replacement in Replacement.allCases {
            #expect(try list.misses(in: .mebibytes(64), replacement).misses == different)
        }
    }

    @Test func `a second chance keeps popular pages in a memory that is too small`() throws {
        let list = PageList.zipf(exponent: 1, pages: 8192, accesses: 200_000, seed: 2)
        let large = try list.misses(in: .mebibytes(24), .reclaim)
        let small = try list.misses(in: .mebibytes(16), .reclaim)
        #expect(large.misses < small.misses)
        #expect(small.reclaimed > 0 && small.refaults > 0)
        // Chance alone would miss with every page that is not there.
        #expect(small.missRatio < 0.3)
        #expect(small.accesses == 200_000)
    }
}
