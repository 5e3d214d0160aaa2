// SPDX-License-Identifier: Apache-2.0
//
// What a process looks like from outside, in a form in which two systems can be compared.
//
// What is not looked at is a row of `KnownDifferences`; there is no other tolerance.

import Mooring
import Workloads

/// What a process looks like at one moment.
package struct ProcessState: Sendable {
    /// How closely to look.
    package enum Depth: Sendable {
        /// Its areas with their flags and figures, and its own figures: smaps and status.
        case areas
        /// Each page besides: pagemap, mincore.
        case pages
        /// What the machine keeps of each page's frame besides.
        case frames
    }

    package var areas: [AreaState]
    var status: StatusState
    /// The pages that pagemap says something of.
    var pages: [PageState] = []
    /// What mincore says of each area.
    var residency: [Outcome] = []

    /// What pagemap says of a page.
    struct PageState: Equatable, Sendable {
        var address: UInt64
        var entry: UInt64
        /// What the machine keeps of its frame, as far as it is compared; `nil` without one that
        /// is known.
        var frame: FrameWords?
    }

    /// Looks at a process.
    ///
    package init(of process: ProcessID, on system: any MemorySystem, _ depth: Depth) throws {
        areas = [AreaState](smaps: try system.text(.smaps, of: process))
        status = StatusState(try system.text(.status, of: process))
        guard depth != .areas else { return }
        for area in areas {
            let count = min(Int((area.end - area.start) >> pageShift), Self.pageLimit)
            let entries = try system.pagemap(of: process, address: area.start, pages: count)
            for (index, entry) in entries.enumerated() where entry & Self.bits != 0 {
                pages.append(
                    PageState(
                        address: area.start + UInt64(index) << pageShift,
                        entry: entry & (Self.bits | PagemapBits.frameMask)))
            }
            let span = Span.absolute(address: area.start, length: UInt64(count) << pageShift)
            residency.append(try system.perform(Operation(process, .mincore(span))))
        }
        if depth == .frames { try lookAtFrames(of: system) }
        for index in pages.indices { pages[index].entry &= Self.bits }
    }

    /// Fills in what the machine keeps of the frames of present pages.
    private mutating func lookAtFrames(of system: any MemorySystem) throws {
        let present = pages.indices.filter { pages[$0].entry >> 63 == 1 }
        let numbers = present.map { pages[$0].entry & PagemapBits.frameMask }
        guard let words = try system.frames(numbers) else { return }
        for (index, word) in zip(present, words) where !word.flags.contains(.zeroPage) {
            pages[index].frame = FrameWords(
                flags: word.flags.intersection(Self.frameFlags), mapCount: word.mapCount)
        }
    }

    /// What is compared of a frame, besides how often it is mapped.
    ///
    /// Their sums are what the process has of the machine's AnonPages, Mapped and Shmem. Marks and
    /// lists follow in batches of a CPU.
    private static let frameFlags: KernelPageFlags = [.anonymous, .mapped]

    /// The pages of an area that are looked at one by one.
    private static let pageLimit = 512

    /// Present, swapped, of a file or shared, guard, and mapped once.
    private static let bits: UInt64 = 1 << 63 | 1 << 62 | 1 << 61 | 1 << 58 | 1 << 56

    /// The runs of pages that are present and that the process may read.
    package var readablePages: [Span] {
        var runs: [Span] = []
        var run = (start: UInt64(0), end: UInt64(0))
        for page in pages where page.entry >> 63 == 1 {
            guard areas.overlapping(page.address, page.address + 1).first?.has("rd") == true
            else { continue }
            if page.address == run.end {
                run.end += pageSize
            } else {
                if run.end > 0 {
                    runs.append(.absolute(address: run.start, length: run.end - run.start))
                }
                run = (page.address, page.address + pageSize)
            }
        }
        if run.end > 0 { runs.append(.absolute(address: run.start, length: run.end - run.start)) }
        return runs
    }
}

/// Something that a process shows on one system and not on the other.
package struct StateMismatch: Sendable {
    /// What it is about: an area, a page, the whole process.
    package var subject: String
    /// The name of the field; `area`, `page` or `mincore` for what has none.
    package var field: String
    /// What each system says.
    package var values: [String]
    /// What is true on the second system and not on the first, as a scenario claims it.
    package var claim: Expectation?
}

extension ProcessState {
    /// The first thing that differs; `nil` if nothing does.
    ///
    /// The second system is the one that is right.
    package func firstMismatch(with truth: ProcessState, of process: ProcessID) -> StateMismatch? {
        areaMismatch(with: truth, of: process) ?? statusMismatch(with: truth, of: process)
            ?? pageMismatch(with: truth, of: process) ?? residencyMismatch(with: truth)
    }

    private func areaMismatch(
        with truth: ProcessState, of process: ProcessID
    ) -> StateMismatch? {
        guard areas != truth.areas else { return nil }
        let common = min(areas.count, truth.areas.count)
        let shapes = (0..<common).first { areas[$0].shape != truth.areas[$0].shape }
        if let index = shapes ?? (areas.count == truth.areas.count ? nil : common) {
            return shapeMismatch(at: index, with: truth, of: process)
        }
        for (mine, right) in zip(areas, truth.areas) where mine != right {
            if mine.flags != right.flags {
                let extra = AreaState.codes.enumerated().first {
                    (right.flags & ~mine.flags) >> $0.offset & 1 == 1
                }
                let missing = AreaState.codes.enumerated().first {
                    (mine.flags & ~right.flags) >> $0.offset & 1 == 1
                }
                return StateMismatch(
                    subject: "area \(mine.line)", field: "VmFlags",
                    values: [mine.flagsText, right.flagsText],
                    claim: (extra ?? missing).map {
                        Expectation(
                            .flags(process, mine.span), extra == nil ? .lacks : .has,
                            .text($0.element))
                    })
            }
            for (index, name) in AreaState.figureNames.enumerated()
            where mine.figures[index] != right.figures[index] {
                // All are sizes but one, which is a yes or no.
                let (unit, shift) = name == "THPeligible" ? ("", 0) : (" kB", 10)
                return StateMismatch(
                    subject: "area \(mine.line)", field: name,
                    values: [mine, right].map { "\($0.figures[index])\(unit)" },
                    claim: Expectation(
                        .smaps(process, mine.span, field: name), .equal,
                        .number(UInt64(right.figures[index]) << shift)))
            }
        }
        return nil
    }

    private func shapeMismatch(
        at index: Int, with truth: ProcessState, of process: ProcessID
    ) -> StateMismatch {
        let both = [areas, truth.areas].map { $0.indices.contains(index) ? $0[index] : nil }
        let start = both.compactMap { $0?.start }.min() ?? 0
        let end = both.compactMap { $0?.end }.max() ?? 0
        let span = Span.absolute(address: start, length: end - start)
        let counts = [areas, truth.areas].map { $0.overlapping(start, end).count }
        let claim: Expectation? =
            if counts[0] != counts[1] {
                Expectation(.areaCount(process, span), .equal, .number(UInt64(counts[1])))
            } else {
                truth.areas.overlapping(start, end).first.map {
                    Expectation(.permissions(process, $0.span), .equal, .text($0.rightsText))
                }
            }
        return StateMismatch(
            subject: "area", field: "area", values: both.map { $0?.line ?? "nothing" },
            claim: claim)
    }

    private func statusMismatch(
        with truth: ProcessState, of process: ProcessID
    ) -> StateMismatch? {
        for (index, name) in StatusState.names.enumerated()
        where status.figures[index] != truth.status.figures[index] {
            return StateMismatch(
                subject: "status", field: name,
                values: [status, truth.status].map { "\($0.figures[index]) kB" },
                claim: Expectation(
                    .status(process, field: name), .equal,
                    .number(UInt64(truth.status.figures[index]) << 10)))
        }
        return nil
    }

    private func pageMismatch(
        with truth: ProcessState, of process: ProcessID
    ) -> StateMismatch? {
        guard pages != truth.pages else { return nil }
        let known = zip(pages, truth.pages).first { $0 != $1 }.map { [$0, $1] }
        let past = [pages, truth.pages].compactMap {
            $0.count > min(pages.count, truth.pages.count)
                ? $0[min(pages.count, truth.pages.count)] : nil
        }
        guard let address = (known ?? past).map(\.address).min() else { return nil }
        let entries = [pages, truth.pages].map { list in
            list.first { $0.address == address }?.entry ?? 0
        }
        if entries[0] == entries[1] {
            return StateMismatch(
                subject: "page 0x" + String(address, radix: 16), field: "frame",
                values: [pages, truth.pages].map { list in
                    Self.text(list.first { $0.address == address }?.frame)
                })
        }
        let span = Span.absolute(address: address, length: pageSize)
        return StateMismatch(
            subject: "page 0x" + String(address, radix: 16), field: "page",
            values: entries.map(Self.text),
            claim: entries[0] >> 63 == entries[1] >> 63
                ? nil
                : Expectation(.pages(process, span, .present), .equal, .number(entries[1] >> 63)))
    }

    private static func text(_ entry: UInt64) -> String {
        let names: [(UInt64, String)] = [
            (63, "present"), (62, "swapped"), (61, "file"), (58, "guard"), (56, "exclusive"),
        ]
        let set = names.filter { entry >> $0.0 & 1 == 1 }.map(\.1)
        return set.isEmpty ? "absent" : set.joined(separator: " ")
    }

    private static func text(_ frame: FrameWords?) -> String {
        guard let frame else { return "no frame" }
        return (frame.flags.contains(.anonymous) ? "anonymous" : "of a file")
            + ", mapped \(frame.mapCount) times"
    }

    private func residencyMismatch(with truth: ProcessState) -> StateMismatch? {
        guard
            let index = zip(residency, truth.residency).enumerated()
                .first(where: { $0.element.0 != $0.element.1 })?.offset
        else { return nil }
        return StateMismatch(
            subject: "area \(areas[index].line)", field: "mincore",
            values: [residency[index].description, truth.residency[index].description])
    }
}
