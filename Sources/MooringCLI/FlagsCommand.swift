// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Mooring

/// Prints the table of frame flags.
struct FlagsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flags",
        abstract: "Show every flag of a frame: bit, meaning, who sets and clears it, which lock.")

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        if json {
            return try printJSON(
                FlagTable(
                    flags: FrameFlags.table.map(FlagTable.Flag.init),
                    bitsLeft: FrameFlags.bitsLeft))
        }
        for row in FrameFlags.table {
            print(
                """
                bit \(row.bit)  \(row.name): \(row.meaning)
                    set by      \(row.setBy)
                    cleared by  \(row.clearedBy)
                    lock        \(row.lock)
                    LRU list    \(row.list)
                    at free     \(row.allowedAtFree ? "may be set" : "must be clear")
                """)
        }
        print("\(FrameFlags.bitsLeft) of 32 bits are left; 6 hold the number of the zone.")
    }
}

/// The table of flags as JSON.
private struct FlagTable: Encodable {
    struct Flag: Encodable {
        var bit: Int
        var name: String
        var meaning: String
        var setBy: String
        var clearedBy: String
        var lock: String
        var list: String
        var allowedAtFree: Bool

        init(_ row: FrameFlags.Row) {
            bit = row.bit
            name = row.name
            meaning = row.meaning
            setBy = row.setBy
            clearedBy = row.clearedBy
            lock = row.lock
            list = row.list
            allowedAtFree = row.allowedAtFree
        }
    }

    var flags: [Flag]
    var bitsLeft: Int
}
