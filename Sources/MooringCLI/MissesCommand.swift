// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LinuxHost
import Mooring
import Reports
import Workloads

/// Counts hits and misses of page accesses in memories of given sizes.
struct MissesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "misses",
        abstract: "Access pages in a memory of a given size, and count hits and misses.",
        usage: "mooring misses [<source>] [<options>]",
        discussion: """
            SOURCE is a list of page numbers, one a line, or what valgrind --tool=lackey \
            --trace-mem=yes printed. Without it pages are as popular as Zipf's law says.

              mooring misses --zipf 0.8 --pages 2000000 --accesses 10000000 --memory 2G,4G
              mooring misses accesses.txt --memory 64M --lru

            The pages are those of a mapped file; a miss waits for the file. The machine has the \
            memory and no more: page tables and watermarks take their part. With --lru the pages \
            have all of it, and the one that was accessed least recently always makes room.
            """)

    @Argument(help: "A list of page numbers, or a text of lackey.", completion: .file())
    var source: String?

    @Option(help: ArgumentHelp("Sizes of memory: 1G,2G.", valueName: "sizes"))
    var memory = "4G"

    @Flag(help: "Also show exact LRU.")
    var lru = false

    @Option(help: ArgumentHelp("Without a source: the exponent of Zipf's law.", valueName: "s"))
    var zipf = 0.8

    @Option(help: ArgumentHelp("Without a source: how many pages there are.", valueName: "n"))
    var pages = 2_000_000

    @Option(help: ArgumentHelp("Without a source: how many accesses.", valueName: "n"))
    var accesses = 10_000_000

    @Option(help: ArgumentHelp("Without a source: the seed.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp("Write the accesses as a list.", valueName: "file"),
        completion: .file())
    var saveList: String?

    @Flag(help: "Print JSON.")
    var json = false

    private func sizes() throws -> [ByteCount] {
        try memory.split(separator: ",", omittingEmptySubsequences: false).map {
            .bytes(try byteCount(String($0)))
        }
    }

    func validate() throws {
        _ = try sizes()
        guard zipf.isFinite, zipf >= 0 else {
            throw ValidationError("--zipf is a number from 0, not \(zipf).")
        }
        for (name, value) in [("--pages", pages), ("--accesses", accesses)]
        where !(1...1_000_000_000).contains(value) {
            throw ValidationError("\(name) is a number from 1 to 1000000000, not \(value).")
        }
    }

    func run() throws {
        let list = try list()
        if let saveList {
            do { try WorkFile.write(list.text, to: saveList) } catch {
                throw CommandFailure("\(error)")
            }
        }
        var counts: [MissCount] = []
        for size in try sizes() {
            for replacement in lru ? Replacement.allCases : [.reclaim] {
                do {
                    counts.append(
                        try list.misses(in: size, replacement, clock: { ThreadClock.nanoseconds }) {
                            Terminal.progress(
                                "\(Figures.exactBytes(size.bytes)), \(replacement.rawValue)", $0, $1
                            )
                        })
                } catch {
                    Terminal.clearLine()
                    throw CommandFailure("a memory of \(Figures.exactBytes(size.bytes)): \(error)")
                }
            }
        }
        Terminal.clearLine()
        print(
            json
                ? try MissReport(counts, of: list).encoded()
                : MissReport(counts, of: list).text, terminator: "")
    }

    private func list() throws -> PageList {
        guard let source else {
            Terminal.status("drawing \(accesses) accesses")
            defer { Terminal.clearLine() }
            return .zipf(exponent: zipf, pages: pages, accesses: accesses, seed: seed)
        }
        do {
            switch try WorkFile.kind(of: source) {
            case .trace: return try PageList(Recording(traceBytes: WorkFile.bytes(of: source)))
            case .text(let format):
                return try PageList(WorkFile.importText(source, as: format).recording)
            case .scenario: return try PageList(parsing: WorkFile.bytes(of: source))
            }
        } catch {
            throw CommandFailure(error is FileFailure ? "\(error)" : "\(source): \(error)")
        }
    }
}
