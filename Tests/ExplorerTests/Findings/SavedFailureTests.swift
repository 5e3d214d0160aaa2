// SPDX-License-Identifier: Apache-2.0

import Explorer
import Testing

@Suite struct SavedFailureTests {
    @Test func `what is saved is read back`() throws {
        let schedule = try #require(Schedule("0x12 1x5 0x3"))
        let failure = Failure(
            finding: Finding(.deadlock, "a \"b\" waits for c"), schedule: schedule,
            digest: 0xFEDC_BA98_7654_3210)
        let saved = SavedFailure(failure, of: "toy", mutation: "late", build: "plain")
        let read = try SavedFailure(text: try saved.text)
        #expect(read == saved)
        #expect(read.failure.schedule == schedule)
        #expect(read.failure.digest == failure.digest)
        #expect(read.failure.finding == failure.finding)
    }

    @Test func `what is wrong with a file is said in a line`() throws {
        let missing = #expect(throws: ExplorerFailure.self) {
            try SavedFailure(text: #"{"version":1}"#)
        }
        #expect(missing?.description == "this is no saved failure: it has no 'subject'")
        let other = #expect(throws: ExplorerFailure.self) {
            try SavedFailure(text: #"{"version":"one"}"#)
        }
        #expect(other?.description == "this is no saved failure: 'version' is of another kind")
    }

    @Test(arguments: [
        "", "{}", "no JSON",
        #"{"version":2,"subject":"a","build":"","schedule":"0x1","digest":"1","#
            + #""finding":{"kind":"trap","message":""}}"#,
        #"{"version":1,"subject":"a","build":"","schedule":"0y1","digest":"1","#
            + #""finding":{"kind":"trap","message":""}}"#,
    ])
    func `anything else is refused`(_ text: String) {
        #expect(throws: ExplorerFailure.self) { try SavedFailure(text: text) }
    }
}
