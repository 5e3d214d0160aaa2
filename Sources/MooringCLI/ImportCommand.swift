// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Mooring
import Reports
import Workloads

/// Makes a recording of other tools' text.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a recording from the text of perf script, strace or Valgrind lackey.",
        usage: "mooring import <text> -o <file> [<options>]",
        discussion: """
            The tool is recognised by the text. strace shows calls but no page faults; lackey \
            shows every access but no calls; perf script with the events that mooring record \
            asks for shows both.

              strace -f -o app.strace COMMAND
              valgrind --tool=lackey --trace-mem=yes --log-file=app.lackey COMMAND
            """)

    @Argument(help: "The text; - is standard input.", completion: .file())
    var text: String

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The recording to write.", valueName: "file"),
        completion: .file())
    var output: String

    @Option(
        help: "Which tool wrote the text, if it is not recognised: perf-script, strace or lackey.",
        transform: {
            guard let format = ImportFormat(rawValue: $0) else {
                throw ValidationError("The formats are perf-script, strace and lackey.")
            }
            return format
        })
    var format: ImportFormat?

    @Flag(help: "Import a perf text although the kernel lost events.")
    var allowLost = false

    func run() throws {
        do {
            try WorkFile.requireWritable(output)
            let bytes =
                text == "-"
                ? [UInt8](FileHandle.standardInput.readDataToEndOfFile())
                : try WorkFile.bytes(of: text)
            guard let format = format ?? ImportFormat.detect(bytes.prefix(64 << 10)) else {
                throw CommandFailure(
                    "\(text): no text of perf script, strace -f or Valgrind lackey, as far as its "
                        + "first lines tell. Name the tool with --format.")
            }
            let imported = try recording(of: bytes, format)
            for note in imported.notes { Terminal.note("\(text): \(note)") }
            let trace = imported.recording.traceBytes()
            try WorkFile.write(trace, to: output)
            print(
                "\(output): \(Figures.count(imported.recording.steps.count, "step")), "
                    + Figures.count(trace.count, "byte"))
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(error is FileFailure ? "\(error)" : "\(text): \(error)")
        }
    }

    /// Reads a text a piece at a time, so that how far it has come can be shown.
    private func recording(of bytes: [UInt8], _ format: ImportFormat) throws -> Imported {
        defer { Terminal.clearLine() }
        var stream = ImportStream(importer(of: format))
        let piece = 1 << 20
        for start in stride(from: 0, to: bytes.count, by: piece) {
            let end = min(start + piece, bytes.count)
            try stream.feed(Array(bytes[start..<end]))
            Terminal.progress(text, end, bytes.count)
        }
        return try stream.finish()
    }

    private func importer(of format: ImportFormat) -> any TextImporter {
        guard format == .perfScript, allowLost else { return format.makeImporter() }
        var options = PerfScriptImporter.Options()
        options.allowsLostEvents = true
        return PerfScriptImporter(options: options)
    }
}
