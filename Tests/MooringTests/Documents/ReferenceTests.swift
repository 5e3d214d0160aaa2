// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct ReferenceTests {
    @Test(arguments: Documents.all)
    func `what a document links to exists`(path: String) throws {
        let folder = Documents.root.appending(path: path).deletingLastPathComponent()
        for line in try Documents.lines(of: path) {
            for link in line.matches(of: /\]\(([^)#:]+)(#[^)]*)?\)/) {
                let target = folder.appending(path: String(link.1))
                #expect(exists(target), "\(path) links to \(link.1)")
            }
        }
    }

    /// A file is named by its path from the root, or from the engine's folder.
    @Test(arguments: Documents.all)
    func `every source file that a document names exists`(path: String) throws {
        for line in try Documents.lines(of: path) {
            for name in line.matches(of: /`([A-Za-z0-9_+.\/-]+\.(?:swift|sh|json|c))`/) {
                let file = String(name.1)
                let places = [file, "Sources/Mooring/" + file, "Sources/" + file]
                #expect(
                    places.contains { exists(Documents.root.appending(path: $0)) },
                    "\(path) names \(file)")
            }
        }
    }

    private func exists(_ url: URL) -> Bool {
        FileManager.default.fileExists(atPath: url.path)
    }
}
