// SPDX-License-Identifier: Apache-2.0

import Mooring
import Testing

@testable import Reports
@testable import Workloads

@Suite struct VerdictTests {
    /// A process that ran two programs with these peaks, of which 1000 KiB each were recorded.
    private func report(peaks: [UInt64]) -> RunReport {
        var process = ProcessSummary(
            process: ProcessID(rawValue: 7), name: "second", parent: nil, firstStep: 0)
        process.images = zip(["first", "second"], peaks).enumerated().map { image, program in
            ImageSummary(
                image: image + 1, name: program.0, peakResident: program.1 << 10,
                recordedPeakResident: 1000 << 10,
                lastResident: ResidentFigures(anonymous: program.1 << 10, file: 8 << 10),
                recordedLastResident: ResidentFigures(anonymous: 1000 << 10, file: 12 << 10))
        }
        var summary = RunSummary(system: "mooring")
        summary.compared = 10
        summary.processes = [process]
        return RunReport(
            source: .init(.recording, name: "two"), summary: summary,
            production: .init(command: "mooring run two", version: "0"))
    }

    @Test(arguments: [([1049, 951], 2), ([1049, 940], 1), ([1060, 1000], 1), ([800, 2000], 0)])
    func `peaks that are off by more than 5 % are a failure, of earlier programs too`(
        peaks: [UInt64], near: Int
    ) {
        let report = report(peaks: peaks)
        #expect(report.hasFailed == (near < 2))
        let sentence =
            "Peak resident memory is within 5 % of the recorded one in \(near) of 2 address spaces."
        let verdict = Verdict(report)
        #expect(near == 2 ? verdict.remarks == [sentence] : verdict.headline == sentence)
    }

    @Test func `peaks of another machine than the recorded one are a remark`() {
        var report = report(peaks: [800, 2000])
        report.isWhatIf = true
        #expect(!report.hasFailed)
        #expect(Verdict(report).remarks.count == 1)
        #expect(TextReport(report).description.contains("-20.0 %"))
    }

    @Test func `what is said of a missed peak is which program's, and where the rest is`() {
        let report = report(peaks: [800, 1000])
        let lines = TextReport(report).description.split(separator: "\n")
        let row = lines.first { $0.hasPrefix("first") }?.split(separator: " ")
        #expect(
            row == [
                "first", "7", "800", "KiB", "1000", "KiB", "-20.0", "%", "-200", "KiB", "-4", "KiB",
                "0",
            ])
        #expect(HTMLReport(report).html.contains("id=\"peaks\""))
    }

    @Test func `a peak of a process that was lost is not held against the recording`() {
        var report = report(peaks: [1000, 300])
        report.summary.processes[0].images[1].isCutShort = true
        #expect(!report.hasFailed)
        #expect(Verdict(report).remarks[0].contains("1 of 1 address space"))
    }

    @Test func `a claim that fails on the other system alone is a failure`() {
        var report = report(peaks: [1000, 1000])
        var kernel = RunSummary(system: "Linux")
        kernel.checked = 3
        kernel.failureCount = 1
        report.comparison = ComparisonReport(
            summaries: [report.summary, kernel], differences: [], findingCount: 0,
            differenceCount: 0)
        #expect(report.hasFailed)
        #expect(Verdict(report).headline == "1 of 3 claims does not hold on Linux.")
    }

    // MARK: Lost processes

    @Test func `lost processes are the first thing that is said`() {
        let report = RunReport.sample(.init(processes: 5, differences: 1, lost: 2))
        #expect(report.hasFailed)
        #expect(
            Verdict(report).headline
                == "2 processes killed for want of memory; 207 of 48,420 steps skipped. "
                + "Give the machine more memory.")
        #expect(Verdict(report).remarks.contains { $0.hasPrefix("1 difference") })
    }

    @Test func `each way of being lost is counted`() {
        var report = RunReport.sample(.init(processes: 5, lost: 4))
        report.summary.lost[0].cause = .killed(.segmentationUnmapped)
        report.summary.lost[1].cause = .failed(.fork, .ENOMEM)
        report.summary.lost[2].cause = .failed(.exec, .ENOMEM)
        report.summary.lost.removeLast()
        #expect(
            Verdict(report).headline.hasPrefix(
                "1 process ended by SEGV_MAPERR, 1 process never made: fork failed with ENOMEM, "
                    + "1 process ended: its execve failed with ENOMEM; "))
        #expect(!Verdict(report).headline.contains("Give"))
    }

    @Test func `a kill that a scenario claims is shown and agrees`() {
        var report = RunReport.sample(.init(lost: 1, isRecording: false))
        report.summary.lost[0].wasExpected = true
        #expect(!report.hasFailed)
        #expect(TextReport(report).description.contains("killed for want of memory, as claimed"))
    }

    @Test func `pictures show where processes were killed`() {
        let report = RunReport.sample(.init(processes: 5, lost: 2))
        let html = HTMLReport(report).html
        #expect(html.components(separatedBy: "<path class=\"kill\"").count == 3)
        #expect(html.contains("2 lost"))
        #expect(html.contains(", killed</span>") || html.contains(", killed<"))
        #expect(html.contains("id=\"lost\""))
    }

    // MARK: CPUs

    @Test func `how the work was spread is said in a line`() {
        var report = RunReport.sample()
        #expect(report.spreadText == nil)
        report.summary.operationsByCPU = [5000, 0, 12]
        #expect(report.spreadText == "2 of 3 worked; operations: 5,000 on CPU 0, 12 on CPU 2")
        report.summary.operationsByCPU = Array(repeating: 7, count: 64) + [9000]
        #expect(report.spreadText == "65 of 65 worked, with 7 to 9,000 operations")
    }
}
