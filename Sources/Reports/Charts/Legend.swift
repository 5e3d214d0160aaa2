// SPDX-License-Identifier: Apache-2.0

/// What the colours of a chart stand for, as a row of swatches.
struct Legend {
    /// One colour and what it stands for.
    struct Entry {
        /// The class whose colour is shown: `s0`, `o-file`.
        var style: String
        var label: String
        /// A figure that belongs to it.
        var figure = ""
    }

    var entries: [Entry]

    var markup: Markup {
        var list: Markup = "<ul class=\"legend\">"
        for entry in entries {
            list += "<li><i class=\"swatch \(entry.style)\"></i>\(entry.label)"
            if !entry.figure.isEmpty { list += " <b>\(entry.figure)</b>" }
            list += "</li>"
        }
        return list + "</ul>\n"
    }
}
