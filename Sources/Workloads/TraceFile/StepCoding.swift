// SPDX-License-Identifier: Apache-2.0
//
// One step as bytes. A fault, of which a recording holds most, takes six or so: everything about
// it is told as a difference to what came before.
//
//   first byte   bits 0-4   0-11: an access; bits 0-1 say to which of four addresses it is told
//                           as a distance, bits 2-3 its `AccessKind`. Others: `StepCode`.
//                bit 5      a second byte follows, of `StepDetails`
//                bits 6-7   `OutcomeCode`
//   details      process, thread, region bound, CPU, as the second byte says
//   time         signed distance to the step before
//   arguments    of the call, as `StepWriter.arguments(of:)` writes them
//   outcome      as the first byte says
//
// INVARIANT  Writer and reader change `StepContext` in the same way after the same fields. What
//            only the writer decides (which of the four addresses) is written down.

import Mooring

/// Which call a step is; the raw value is part of the file format.
enum StepCode: UInt8 {
    case mmap = 12
    case munmap, mprotect, mremap, madvise, brk, mincore, msync, mlock, mlock2, munlock
    case access, load, store, fork, exec, exit, createFile, spawn
    /// A second byte says which of `RareStepCode` it is.
    case rare
}

/// The calls that are seldom recorded.
enum RareStepCode: UInt8 {
    case mlockall = 0
    case munlockall, remapFilePages, movePages, migratePages, mbind
    case ftruncate, punchHole, readFile, writeFile, shmat, shmdt, shmLock
    case setLimit, setLockPrivilege
    case seal, setAdministrator
}

/// What the second byte of a step announces.
struct StepDetails: OptionSet {
    let rawValue: UInt8
    static let process = StepDetails(rawValue: 1)
    /// The thread is not the one that the process was last seen with.
    static let thread = StepDetails(rawValue: 2)
    static let binds = StepDetails(rawValue: 4)
    static let cpu = StepDetails(rawValue: 8)
}

/// What is known of a step's outcome.
enum OutcomeCode: UInt8 {
    case unknown = 0
    case zero, value, other
}

/// What steps are told as differences to.
struct StepContext {
    /// What is remembered of each process.
    struct Process {
        var thread: Int32
        /// Addresses that accesses are near to: a program walks several areas in turn.
        var near: [4 of UInt64] = .init(repeating: 0)
        /// When each was used last; only the writer looks.
        var used: [4 of UInt64] = .init(repeating: 0)
    }

    var time: UInt64 = 0
    var process: Int32 = 0
    var current = Process(thread: 0)
    /// The address that a call named or returned last.
    var mapped: UInt64 = 0
    /// The length of the last access.
    var length: UInt64 = 1
    private var others: [Int32: Process] = [:]

    /// Makes another process the current one.
    mutating func change(to process: Int32) {
        others[self.process] = current
        self.process = process
        current = others[process] ?? Process(thread: process)
    }
}
