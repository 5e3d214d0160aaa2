// SPDX-License-Identifier: Apache-2.0
//
// The few shapes that charts are made of.

extension Markup {
    /// A line of text; `style` holds classes: `end`, `mid`, `mono`, `quiet`.
    static func label(_ text: String, x: Double, y: Double, _ style: String = "") -> Markup {
        let classes: Markup = style.isEmpty ? "" : " class=\"\(style)\""
        return "<text x=\"\(x)\" y=\"\(y)\"\(classes)>\(text)</text>"
    }

    /// A rectangle in the colours of these classes.
    static func rectangle(
        _ style: String, x: Double, y: Double, width: Double, height: Double
    ) -> Markup {
        "<rect class=\"\(style)\" x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\"/>"
    }
}
