// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// A value as JSON, in a fixed order of keys, ending with a line feed.
package func indentedJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}
