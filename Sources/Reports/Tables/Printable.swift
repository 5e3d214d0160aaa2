// SPDX-License-Identifier: Apache-2.0

/// Text that cannot steer a terminal or break a page.
///
/// Control characters are shown as pictures of themselves (`\u{2409}` for a tab), and what would
/// turn the direction of writing, or may not stand in XML, as `\u{FFFD}`. Names of processes and
/// files are whatever a program chose.
func printable(_ text: String) -> String {
    guard !text.unicodeScalars.allSatisfy(isPlain) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0..<0x20: result.append(Unicode.Scalar(scalar.value + 0x2400) ?? "\u{FFFD}")
        case 0x7F: result.append("\u{2421}")
        default: result.append(isPlain(scalar) ? scalar : "\u{FFFD}")
        }
    }
    return String(result)
}

private func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069, 0xFFFE, 0xFFFF: false
    default: true
    }
}
