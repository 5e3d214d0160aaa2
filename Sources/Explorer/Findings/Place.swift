// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A line of source code.
public struct Place: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The file's name without its folders.
    public var file: String
    /// Its number, from 1.
    public var line: Int

    /// `File.swift:12`.
    public var description: String { "\(file):\(line)" }
}

/// The frames of a stack, innermost first, each as a backtrace of its own.
struct Stack {
    // One more than a place is ever from the point, in builds that inline nothing.
    private static let depth = 24
    private static let images = ImageMap.capture()

    let frames: [Backtrace]

    /// The stack of whoever calls.
    @inline(never)
    static func capture() -> Stack {
        Stack(
            frames: (0..<depth).compactMap {
                // The second frame is the mark that there are more.
                try? Backtrace.capture(limit: 2, offset: $0, top: 0, images: images)
            })
    }
}

/// Finds the lines of stacks: a frame takes milliseconds, and so is looked up once.
final class PlaceFinder {
    private let isPlace: (String) -> Bool
    private var known: [Backtrace.Address: [(place: Place, explains: Bool)]] = [:]

    init(_ isPlace: @escaping (String) -> Bool) { self.isPlace = isPlace }

    /// The innermost line of a stack that lies in a file that is a place; else, where the compiler
    /// has left none of those, the innermost of all.
    func place(of stack: Stack) -> Place? {
        var inner: Place?
        for frame in stack.frames {
            for line in lines(of: frame) {
                if line.explains { return line.place }
                inner = inner ?? line.place
            }
        }
        return inner
    }

    private func lines(of frame: Backtrace) -> [(place: Place, explains: Bool)] {
        guard let address = frame.frames.first(where: { _ in true })?.originalProgramCounter
        else { return [] }
        if let known = known[address] { return known }
        // More than one where functions were inlined.
        let lines = (frame.symbolicated()?.frames ?? []).compactMap {
            frame -> (place: Place, explains: Bool)? in
            guard let source = frame.symbol?.sourceLocation, source.line > 0,
                !source.path.contains("/Sources/Explorer/")
            else { return nil }
            let file = source.path.split(separator: "/").last.map(String.init) ?? source.path
            return (Place(file: file, line: source.line), isPlace(source.path))
        }
        known[address] = lines
        return lines
    }
}
