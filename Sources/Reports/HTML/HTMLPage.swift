// SPDX-License-Identifier: Apache-2.0

/// The frame of every page: one file, which needs no network.
enum HTMLPage {
    /// A page around its sections.
    static func text(title: String, version: String, _ body: Markup) -> String {
        let page: Markup = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <meta name="generator" content="Mooring \(version)"/>
            <title>\(title) · Mooring</title>
            <style>\(HTMLStyle.sheet)</style>
            </head>
            <body>
            \(patterns)
            <main>
            \(body)</main>
            <script>\(HTMLStyle.script)</script>
            </body>
            </html>

            """
        return page.text
    }

    /// What charts fill shapes with.
    private static let patterns: Markup = """
        <svg class="defs" aria-hidden="true"><defs><pattern id="hatch" width="6" height="6" \
        patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6"/></pattern>\
        </defs></svg>
        """
}
