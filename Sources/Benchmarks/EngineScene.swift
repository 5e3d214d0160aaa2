// SPDX-License-Identifier: Apache-2.0
//
// Where the engine's side of a benchmark happens, and how its timed part is measured.
//
// A machine is kept from sample to sample, and all its memory used once before the first: the
// host backs a descriptor when it is first written, and that would be measured instead.

import LinuxHost
import Mooring

/// A machine to work on, and the measure of the work.
package final class EngineScene {
    /// How the timed part is measured.
    enum Meter {
        /// By the thread's processor time.
        case clock
        /// From outside, by a tool that counts instructions inside ``measuredPart(_:)``.
        case instructions
    }

    /// The machine; one virtual CPU, descriptors only.
    package let machine: Machine
    /// How many pages, pairs, operations or faults to time.
    package let pages: Int
    /// How many units of work the time was for; the work sets it if it is not `pages`.
    var units: Int
    private(set) var nanoseconds: Int64 = 0
    private let meter: Meter

    init(_ machine: Machine, pages: Int, meter: Meter = .clock) {
        self.machine = machine
        self.pages = pages
        self.units = pages
        self.meter = meter
    }

    /// `pages` pages in bytes.
    var length: ByteCount { .pages(UInt64(pages)) }

    /// What the machine's setup was told to measure, per unit.
    package var result: Double { Double(nanoseconds) / Double(units) }

    /// Does the work that is measured.
    @inline(__always)
    func measure(_ body: () throws -> Void) throws {
        nanoseconds += try elapsed(body)
    }

    /// Does work whose time is taken off again.
    @inline(__always)
    func measureBaseline(_ body: () throws -> Void) throws {
        nanoseconds -= try elapsed(body)
    }

    @inline(__always)
    private func elapsed(_ body: () throws -> Void) throws -> Int64 {
        if case .instructions = meter {
            try runMeasuredPart(body)
            return 0
        }
        let start = ThreadClock.nanoseconds
        try body()
        return ThreadClock.nanoseconds - start
    }

    // MARK: Setting the scene

    /// A machine with room for this benchmark.
    ///
    /// It has 4 GiB at least, because in small zones a CPU keeps few frames of its own, as Linux
    /// does it, and goes to the zone often.
    static func makeMachine(pages: Int, faultAroundPages: Int, cpus: Int = 1) throws -> Machine {
        // The pages twice (copy on write), the tables of 64 processes that map them all, and
        // what the machine keeps back.
        let frames = 2 * pages + 64 * (pages / 512 + 8) + 16_384
        var configuration = MachineConfiguration(
            memory: max(.gibibytes(4), .pages(UInt64(frames))))
        configuration.cpus = cpus
        configuration.faultAroundPages = faultAroundPages
        configuration.swap = [.pages(UInt64(pages + 64))]
        return try Machine(configuration)
    }

    /// Uses nearly all of a machine's memory once.
    static func warm(_ machine: Machine) throws {
        let kept = UInt64(32) << 20
        let free = machine.freeMemory.bytes
        guard free > kept else { return }
        let task = machine.spawn()
        let region = try task.mmap(
            length: .bytes(free - kept), protection: [.read, .write],
            flags: [.private, .anonymous])
        try task.access(region, .write)
        task.exit()
    }

    /// A region of `pages` pages that nobody has touched.
    func map(
        _ task: Machine.Task, protection: Protection = [.read, .write],
        flags: MapFlags = [.private, .anonymous], file: Machine.File? = nil
    ) throws -> Region {
        try task.mmap(length: length, protection: protection, flags: flags, file: file)
    }

    /// A region of `pages` pages that have all been written.
    func touched(_ task: Machine.Task) throws -> Region {
        let region = try map(task)
        try task.access(region, .write)
        return region
    }

    /// Uses as much memory as the work will and frees it, as the kernel's timing does.
    func warm(_ task: Machine.Task) throws {
        try task.munmap(touched(task))
    }

    /// A file of `pages` pages, all of them in the page cache.
    func cachedFile(_ task: Machine.Task) throws -> Machine.File {
        let file = machine.makeFile(named: "t", kind: .memory, length: length)
        let region = try map(task, flags: .shared, file: file)
        try task.access(region, .write)
        try task.munmap(region)
        return file
    }
}
