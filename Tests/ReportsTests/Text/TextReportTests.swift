// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reports
@testable import Workloads

@Suite struct TextReportTests {
    @Test func `a typical run takes at most sixty lines of a hundred columns`() {
        for processes in [1, 3, 12, 40] {
            let text = TextReport(.sample(.init(processes: processes, differences: 40))).description
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count <= 60)
            for line in lines {
                #expect(line.count <= 110, "\(line)")
                #expect(line.last != " ", "\(line)")
            }
        }
    }

    @Test func `print it`() {
        print(TextReport(.sample(.init())).description)
        print(TextReport(.sample(.init(processes: 14, differences: 40, isCompared: true)), colouring: .ansi).description)
        print(TextReport(.sample(.init(processes: 1, failures: 3, isRecording: false))).description)
    }
}
