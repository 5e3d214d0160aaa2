// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A failure in a file: all that it takes to repeat it.
public struct SavedFailure: Codable, Equatable, Sendable {
    /// The version of the form; others are refused.
    public var version = 1
    /// What was explored.
    public var subject: String
    /// The mistake that was made in it, if any.
    public var mutation: String?
    /// What the program was built with, where that changes its points.
    public var build: String
    /// Who makes which step.
    public var schedule: String
    /// What is found.
    public var finding: Finding
    /// A number for everything that the run does, in hexadecimal digits.
    public var digest: String

    /// What is to be saved of a failure.
    public init(_ failure: Failure, of subject: String, mutation: String?, build: String) {
        self.subject = subject
        self.mutation = mutation
        self.build = build
        schedule = failure.schedule.description
        finding = failure.finding
        digest = String(failure.digest, radix: 16)
    }

    /// The text of the file.
    public var text: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
        }
    }

    /// Reads the text of a file.
    ///
    /// - Throws: ``ExplorerFailure`` with what is wrong with it.
    public init(text: String) throws {
        do {
            self = try JSONDecoder().decode(SavedFailure.self, from: Data(text.utf8))
        } catch DecodingError.keyNotFound(let key, _) {
            throw ExplorerFailure("this is no saved failure: it has no '\(key.stringValue)'")
        } catch DecodingError.typeMismatch(_, let context),
            DecodingError.valueNotFound(_, let context)
        {
            let key = context.codingPath.last.map { "'\($0.stringValue)'" } ?? "the file"
            throw ExplorerFailure("this is no saved failure: \(key) is of another kind")
        } catch {
            throw ExplorerFailure("this is no saved failure")
        }
        guard version == 1 else {
            throw ExplorerFailure("a saved failure of version \(version) cannot be read")
        }
        guard Schedule(schedule) != nil else {
            throw ExplorerFailure("'\(schedule)' is no schedule; one reads like '0x12 1x5 0x3'")
        }
    }

    /// The failure.
    public var failure: Failure {
        Failure(
            finding: finding, schedule: Schedule(schedule) ?? Schedule(),
            digest: UInt64(digest, radix: 16) ?? 0)
    }
}
