// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reports

@Suite struct FiguresTests {
    @Test(
        arguments: [
            (0, "0"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"),
            (4096 * 25, "100 KiB"), (1_047_552, "1023 KiB"), (1_048_064, "1 MiB"),
            (64 << 20, "64 MiB"), (150_000_000, "143 MiB"), (1 << 40, "1 TiB"),
            (UInt64.max, "16.0 EiB"),
        ] as [(UInt64, String)])
    func `a size is short and has a unit`(bytes: UInt64, text: String) {
        #expect(Figures.bytes(bytes) == text)
    }

    @Test func `an exact size loses nothing`() {
        #expect(Figures.exactBytes(0) == "0")
        #expect(Figures.exactBytes(3968 << 20) == "3,968 MiB")
        #expect(Figures.exactBytes(1 << 30) == "1 GiB")
    }

    @Test func `counts have their thousands set apart`() {
        #expect(Figures.count(0) == "0")
        #expect(Figures.count(999) == "999")
        #expect(Figures.count(1_234_567) == "1,234,567")
        #expect(Figures.count(-1000) == "-1,000")
        #expect(Figures.count(1, "process", "processes") == "1 process")
        #expect(Figures.count(2, "process", "processes") == "2 processes")
    }

    @Test func `shares and deviations`() {
        #expect(Figures.percent(0) == "0 %")
        #expect(Figures.percent(0.0001) == "<0.1 %")
        #expect(Figures.percent(0.05) == "5 %")
        #expect(Figures.percent(0.123) == "12 %")
        #expect(Figures.percent(0.9999) == ">99.9 %")
        #expect(Figures.percent(1) == "100 %")
        #expect(Figures.deviation(0.0123) == "+1.2 %")
        #expect(Figures.deviation(-0.0123) == "-1.2 %")
        #expect(Figures.deviation(0.00001) == "0.0 %")
        #expect(Figures.deviation(-0.00001) == "0.0 %")
    }

    @Test func `times`() {
        #expect(Figures.duration(.zero) == "0 s")
        #expect(Figures.duration(.microseconds(45)) == "45.0 µs")
        #expect(Figures.duration(.milliseconds(1240)) == "1.24 s")
        #expect(Figures.duration(.seconds(1200)) == "20.0 min")
    }

    @Test func `control characters are shown, not sent`() {
        #expect(printable("a\tb\u{1B}[m\u{7F}\u{202E}") == "a\u{2409}b\u{241B}[m\u{2421}\u{FFFD}")
        #expect(printable("größe – 大") == "größe – 大")
    }
}
