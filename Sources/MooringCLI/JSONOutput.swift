// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Prints a value as JSON, in a fixed order of keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try Terminal.output(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
}
