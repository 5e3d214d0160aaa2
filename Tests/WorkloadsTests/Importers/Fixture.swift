// SPDX-License-Identifier: Apache-2.0

import Workloads

/// Texts that lie beside the tests.
enum Fixture {
    static func path(_ name: String, from file: String = #filePath) -> String {
        let folder = file.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(folder)/Fixtures/\(name)"
    }

    static func bytes(_ name: String) throws -> [UInt8] { try WorkFile.bytes(of: path(name)) }
}

extension Imported {
    /// Imports a text that stands in a test.
    init(_ text: String, as format: ImportFormat) throws(ImportError) {
        var stream = ImportStream(format.makeImporter())
        try stream.feed(Array(text.utf8))
        self = try stream.finish()
    }

    /// What was done, as a scenario would write it.
    var lines: [String] {
        let printer = ScenarioPrinter()
        return recording.steps.map { printer.text($0.operation) }
    }

    /// What was done, with what the kernel made of it.
    var linesWithOutcomes: [String] {
        let printer = ScenarioPrinter()
        return recording.steps.map {
            "\(printer.text($0.operation)) => \($0.recorded?.description ?? "?")"
        }
    }
}
