// SPDX-License-Identifier: Apache-2.0

import Mooring
import TestSupport
import Testing

@testable import Reports
@testable import Workloads

@Suite struct TextReportTests {
    @Test(arguments: [1, 3, 12, 40])
    func `a run takes at most sixty lines of a hundred columns`(processes: Int) {
        let report = RunReport.sample(.init(processes: processes, differences: 40, lost: 40))
        let lines = TextReport(report).description.split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 60)
        for line in lines {
            #expect(line.count <= 100, "\(line)")
            #expect(line.last != " ", "\(line)")
        }
    }

    @Test func `colours change nothing but colours`() {
        let report = RunReport.sample(.init(differences: 3, failures: 1, isCompared: true))
        let plain = TextReport(report).description
        let coloured = TextReport(report, colouring: .ansi).description
        #expect(!plain.contains("\u{1B}"))
        #expect(coloured.contains("\u{1B}[31m"))
        #expect(coloured.replacing(/\u{1B}\[\d+m/, with: "") == plain)
    }

    @Test func `names cannot steer the terminal`() {
        let text = TextReport(.sample(.init(differences: 2, lost: 1, mark: "\u{1B}[2J\r\n")))
            .description
        #expect(!text.contains("\u{1B}"))
        #expect(!text.contains("\r"))
        #expect(text.contains("\u{241B}[2J"))
    }

    @Test func `a small run looks like this`() {
        var summary = RunSummary(system: "mooring")
        summary.operations = 12
        summary.elapsed = .microseconds(80)
        summary.compared = 6
        summary.calls = [
            CallTally(kind: .mmap, count: 3),
            CallTally(kind: .mlock, count: 2, errors: [.ENOMEM: 1]),
        ]
        summary.faults = [
            FaultCount(kind: "anonymous", count: 30), FaultCount(kind: "zero page", count: 10),
        ]
        var process = ProcessSummary(
            process: ProcessID(rawValue: 7), name: "db", parent: nil, firstStep: 0, lastStep: 11)
        process.peak.resident = 160 << 10
        process.peak.locked = 64 << 10
        process.peak.pageTables = 12 << 10
        process.images = [
            ImageSummary(
                image: 1, name: "db", peakResident: 160 << 10, recordedPeakResident: 164 << 10,
                lastResident: ResidentFigures())
        ]
        process.minorFaults = 40
        summary.processes = [process]
        summary.peak = process.peak
        let report = RunReport(
            source: .init(
                .recording, name: "db.trace", command: "db --small", recordedOn: "Linux 6.18"),
            summary: summary,
            picture: MachinePicture(
                configuration: "64 MiB, 1 CPU",
                zones: [
                    ZoneFragmentation(
                        name: "Normal", freeBlocks: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15])
                ]),
            production: .init(command: "mooring run db.trace", version: "0"))
        #expect(
            TextReport(report).description == """
                source    db.trace (recording)
                command   db --small
                recorded  on Linux 6.18
                run on    mooring, 64 MiB, 1 CPU
                work      12 operations in 80.0 µs (150,000 a second)

                process  pid  parent  lifetime  resident  locked  tables  minor  major  recorded  off by
                db         7       –  0–11       160 KiB  64 KiB  12 KiB     40      0   164 KiB  -2.4 %

                system call  count  failed  errors       fault      count  share
                mmap             3       –               anonymous     30   75 %
                mlock            2       1  ENOMEM ×1    zero page     10   25 %

                at peak   160 KiB resident, 64 KiB locked, 12 KiB of page tables
                free      Normal: 60.0 MiB free, 0 % of it unusable for 2 MiB; largest block 4 MiB

                Peak resident memory is within 5 % of the recorded one in 1 of 1 address space.
                Agrees: all 6 recorded outcomes are reproduced.

                """)
    }

    @Test func `a run on two systems is reported as it comes from the runner`() throws {
        let scenario = try Scenario(
            parsing: """
                process db
                db: heap = mmap 64K rw private anonymous
                db: touch heap write
                db: munmap heap
                """)
        let comparison = try SystemComparison.run(
            .scenario(scenario), on: [FakeSystem(), FakeSystem(name: "other")])
        let report = RunReport(
            source: .init(.scenario, name: "small"), summary: comparison.summaries[0],
            comparison: ComparisonReport(comparison),
            production: .init(command: "mooring run small --on both", version: "0"))
        let text = TextReport(report).description
        #expect(text.hasSuffix("fake and other do the same.\n"))
        #expect(text.contains("db"))
        #expect(HTMLReport(report).html.contains("fake and other side by side"))
    }

    @Test func `a recording on two systems shows both beside what was recorded`() {
        let text = TextReport(.sample(.init(processes: 1, isCompared: true)), width: 100)
            .description
        let lines = text.split(separator: "\n").map { $0.split { $0 == " " } }
        #expect(
            lines.contains(
                ["process", "pid", "recorded", "mooring", "off", "by", "Linux", "6.18.44"]
                    + ["off", "by"]))
        #expect(lines.contains(["step", "operation", "recorded", "mooring", "Linux", "6.18.44"]))
        #expect(text.contains("\nDifferences from the recording\n"))
        #expect(text.contains("Peak resident memory on Linux 6.18.44 is within"))
    }

    @Test func `what a host did not allow is said in a line each`() {
        var leftOut = LeftOut(reason: "a process may lock 64 KiB there.")
        leftOut.operations = 1
        leftOut.claims = 2
        var report = RunReport.sample(
            .init(
                isRecording: false, isCompared: true, leftOut: [leftOut],
                remarks: ["the heap does not begin where it was recorded."]))
        let text = TextReport(report).description
        #expect(
            text.contains(
                "\n1 operation left out and 2 claims passed over on Linux 6.18.44: a process may "
                    + "lock 64 KiB there.\n"))
        #expect(text.contains("\nLinux 6.18.44: the heap does not begin where it was recorded.\n"))
        report.comparison?.differenceCount = 0
        let last = TextReport(report).description.split(separator: "\n").last
        #expect(last?.hasSuffix("do the same but for what was left out.") == true)
        #expect(HTMLReport(report).html.contains("a process may lock 64 KiB there."))
    }

    @Test func `claims that fail on the second system are failures too`() {
        var report = RunReport.sample(.init(isRecording: false, isCompared: true))
        report.comparison?.differenceCount = 0
        report.comparison?.summaries[1].failureCount = 1
        report.comparison?.summaries[1].failures = [
            ExpectationFailure(line: 7, text: "expect db VmLck == 4K", got: "0")
        ]
        let text = TextReport(report).description
        #expect(report.hasFailed)
        #expect(text.contains("1 of 34 claims does not hold on Linux 6.18.44."))
        #expect(text.contains("expect db VmLck == 4K"))
    }

    @Test func `the last line is the verdict`() {
        func last(_ report: RunReport) -> Substring? {
            TextReport(report).description.split(separator: "\n").last
        }
        #expect(last(.sample()) == "Agrees: all 8,412 recorded outcomes are reproduced.")
        #expect(
            last(.sample(.init(differences: 12)))
                == "12 differences from the recording, in 8,412 outcomes compared.")
        #expect(
            last(.sample(.init(failures: 1, isRecording: false)))
                == "1 of 34 claims does not hold.")
        #expect(
            last(.sample(.init(isRecording: false, isCompared: true)))
                == "3 differences between mooring and Linux 6.18.44.")
        var report = RunReport.sample()
        report.stopped = "the run stopped at step 3"
        #expect(last(report) == "Stopped early: the run stopped at step 3")
    }
}
