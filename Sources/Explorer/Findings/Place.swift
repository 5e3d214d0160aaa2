// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A line of source code, and the function that it is in.
public struct Place: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The file's name without its folders.
    public var file: String
    /// Its number, from 1.
    public var line: Int
    /// The function's name without its types; empty where it is not known.
    public var function: String

    /// `File.swift:12 name`.
    public var description: String {
        function.isEmpty ? "\(file):\(line)" : "\(file):\(line) \(function)"
    }

    /// The innermost line of a stack that lies in a file that `isPlace` accepts.
    ///
    /// Takes milliseconds: it reads the program's debugging information.
    init?(of backtrace: Backtrace, where isPlace: (String) -> Bool) {
        guard let symbols = backtrace.symbolicated() else { return nil }
        var inner: Set<Substring> = []
        for frame in symbols.frames {
            guard let symbol = frame.symbol else { continue }
            let name = Place.shortName(symbol.name)
            let type = name.prefix { $0 != "." }
            guard let source = symbol.sourceLocation, source.line > 0, isPlace(source.path) else {
                inner.insert(type)
                continue
            }
            file = source.path.split(separator: "/").last.map(String.init) ?? source.path
            line = source.line
            // In optimised code the runtime gives the outermost of several inlined functions the
            // name of the innermost.
            function = inner.contains(type) ? "" : name
            return
        }
        return nil
    }

    /// `Type.name` of a demangled symbol.
    static func shortName(_ symbol: String) -> String {
        var name = symbol
        for prefix in ["closure #1 in ", "specialized ", "static ", "merged "] {
            while let range = name.firstRange(of: prefix) { name.removeSubrange(range) }
        }
        if let parenthesis = name.firstIndex(of: "(") { name = String(name[..<parenthesis]) }
        return name.split(separator: ".").suffix(2).joined(separator: ".")
    }
}
