// SPDX-License-Identifier: Apache-2.0

import Testing
import TestSupport

@testable import Mooring

/// What the tests with threads start from: a small machine with several CPUs.
enum ConcurrencyBench {
    static func machine(
        cpus: Int, memory: ByteCount = .mebibytes(32),
        contents: MachineConfiguration.Contents = .none
    ) throws -> Machine {
        var configuration = MachineConfiguration(memory: memory)
        configuration.cpus = cpus
        configuration.contents = contents
        return try Machine(configuration)
    }

    static let readWrite: Protection = [.read, .write]
    static let privateAnonymous: MapFlags = [.private, .anonymous]
}

extension Machine.Task {
    /// Maps private anonymous memory that may be read and written.
    func mapPrivate(pages: Int, at address: UInt64 = 0) throws -> Region {
        try mmap(
            address: address, length: .pages(UInt64(pages)),
            protection: ConcurrencyBench.readWrite,
            flags: address == 0 ? [.private, .anonymous] : [.private, .anonymous, .fixed])
    }

    /// Maps the first pages of a file.
    func map(_ file: Machine.File, pages: Int, _ flags: MapFlags = .shared) throws -> Region {
        try mmap(
            length: .pages(UInt64(pages)), protection: ConcurrencyBench.readWrite, flags: flags,
            file: file)
    }
}

extension Region {
    /// One page of it.
    func page(_ index: Int) -> Region { self[index..<index + 1] }
}

extension SeededRandom {
    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    /// A non-empty range of pages below `bound`.
    mutating func pages(below bound: Int, atMost count: Int = .max) -> Range<Int> {
        let first = below(bound)
        return first..<first + 1 + below(min(count, bound - first))
    }
}
