// SPDX-License-Identifier: Apache-2.0
//
// Counting instructions: the timed part of a benchmark runs inside one function, at which
// callgrind switches its counting on and off (Benchmarks/instructions.sh knows its name).

import Mooring
import Workloads

/// What ``measuredPart(_:)`` is to run, and how it ended.
private struct MeasuredWork {
    let body: () throws -> Void
    var failure: (any Error)?
}

/// Runs the measured part; callgrind is told this name.
@inline(never)
package func measuredPart(_ work: UnsafeMutableRawPointer) {
    let work = work.assumingMemoryBound(to: MeasuredWork.self)
    do {
        try work.pointee.body()
    } catch {
        work.pointee.failure = error
    }
}

/// Runs work inside ``measuredPart(_:)``.
@inline(never)
func runMeasuredPart(_ body: () throws -> Void) throws {
    try withoutActuallyEscaping(body) { body in
        var work = MeasuredWork(body: body)
        withUnsafeMutablePointer(to: &work) { measuredPart(UnsafeMutableRawPointer($0)) }
        if let failure = work.failure { throw failure }
    }
}

/// Does a benchmark's work on the engine once, warmed, its measured part inside
/// ``measuredPart(_:)``.
///
/// - Throws: `SystemFailure` for an unknown name or one that is not a single operation.
package func runOnceForInstructionCount(name: String, pages: Int) throws {
    guard let benchmark = Benchmark.all.first(where: { $0.name == name }) else {
        throw SystemFailure("There is no benchmark called \(name).")
    }
    guard case .operation(let work) = benchmark.work else {
        throw SystemFailure("\(name) is not an operation whose instructions can be counted.")
    }
    let machine = try EngineScene.makeMachine(
        pages: pages, faultAroundPages: benchmark.faultAroundPages)
    // What the first run allocates for good is not the operation's.
    try work(EngineScene(machine, pages: pages))
    try work(EngineScene(machine, pages: pages, meter: .instructions))
}
