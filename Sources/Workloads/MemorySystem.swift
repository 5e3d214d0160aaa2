// SPDX-License-Identifier: Apache-2.0

import Mooring

/// A text that a kernel shows about one process, in the kernel's own format.
package enum ProcessView: String, Hashable, Sendable, CaseIterable {
    case maps
    case smaps
    case smapsRollup = "smaps_rollup"
    case status
    case statm
}

/// A text that a kernel shows about the machine, in the kernel's own format.
package enum MachineView: String, Hashable, Sendable, CaseIterable {
    case meminfo
    case vmstat
    case zoneinfo
    case buddyinfo
    case pagetypeinfo
    /// debugfs `extfrag/unusable_index`.
    case unusableIndex = "unusable_index"
    /// debugfs `extfrag/extfrag_index`.
    case fragmentationIndex = "extfrag_index"
}

/// What a process holds at one moment, in bytes; the figures of `/proc/PID/status`.
package struct ProcessSample: Hashable, Sendable {
    /// VmSize.
    package var virtual: UInt64 = 0
    /// RssAnon, RssFile and RssShmem; VmRSS is their sum.
    package var anonymous: UInt64 = 0
    package var file: UInt64 = 0
    package var sharedMemory: UInt64 = 0
    /// VmHWM: the most that VmRSS ever was.
    package var peakResident: UInt64 = 0
    /// VmLck.
    package var locked: UInt64 = 0
    /// VmPTE.
    package var pageTables: UInt64 = 0
    /// Page faults of the process so far, without and with a wait for a device; those before an
    /// execve(2) included.
    package var minorFaults: UInt64 = 0
    package var majorFaults: UInt64 = 0
    /// What the machine had free when the process was killed for want of memory; the resident sizes
    /// are those of that moment then.
    package var freeWhenKilled: UInt64?

    /// VmRSS.
    package var resident: UInt64 { anonymous + file + sharedMemory }

    package init() {}
}

/// Something that carries out operations: the engine, or the host's kernel.
///
/// A system is driven by one thread. Addresses in the operations it is given are absolute:
/// ``Runner`` resolves regions first.
package protocol MemorySystem: AnyObject {
    /// What reports call it: `mooring`, or `Linux 6.18.44`.
    var name: String { get }

    /// Whether nothing but the work runs on its machine, so that machine-wide figures are the
    /// work's own. What a scenario claims of the machine is not checked where this is `false`.
    var ownsMachine: Bool { get }

    /// How many virtual CPUs operations can name; 1 where the system places processes itself.
    var cpuCount: Int { get }

    /// Carries out one operation.
    ///
    /// - Returns: What a program would see. A failed call or a signal is an outcome, not an error.
    ///   After `SIGKILL` for want of memory the process does nothing more, and its figures may be
    ///   asked, where the system still has them, until ``kill(_:)``.
    /// - Throws: ``HostRefusal`` where this operation cannot be carried out here, and the work can go
    ///   on without it; ``SystemFailure`` where the system itself cannot go on: an unknown process
    ///   or file, a helper that died.
    func perform(_ operation: Operation) throws -> Outcome

    /// What was done otherwise than the work says, so far: sentences that go on after a colon.
    var remarks: [String] { get }

    /// Ends a process from outside, as SIGKILL does; one that is gone is passed over.
    func kill(_ process: ProcessID)

    /// A process's view as text.
    func text(_ view: ProcessView, of process: ProcessID) throws -> String

    /// The 64-bit entries of pagemap for the pages of a span of addresses.
    func pagemap(of process: ProcessID, address: UInt64, pages: Int) throws -> [UInt64]

    /// What the machine keeps of frames, by the numbers that ``pagemap(of:address:pages:)`` shows;
    /// `nil` where a host does not tell.
    func frames(_ numbers: [UInt64]) throws -> [FrameWords]?

    /// The figures of a process that a run follows over time; cheap enough to ask often.
    func sample(of process: ProcessID) throws -> ProcessSample

    /// A machine-wide view as text.
    func text(_ view: MachineView) throws -> String

    /// How many faults of each kind there have been, where the system tells more kinds apart than
    /// ``ProcessSample`` does; empty where it does not.
    func faultCounts() throws -> [FaultCount]
}

extension MemorySystem {
    package var ownsMachine: Bool { true }
    package var cpuCount: Int { 1 }
    package var remarks: [String] { [] }
    package func faultCounts() throws -> [FaultCount] { [] }
    package func frames(_ numbers: [UInt64]) throws -> [FrameWords]? { nil }
}

/// What a machine keeps of a frame.
package struct FrameWords: Hashable, Sendable {
    /// The word of kpageflags.
    package var flags: KernelPageFlags
    /// The word of kpagecount: how many entries map it.
    package var mapCount: UInt64

    package init(flags: KernelPageFlags, mapCount: UInt64) {
        self.flags = flags
        self.mapCount = mapCount
    }
}

/// How many faults of one kind there were.
package struct FaultCount: Hashable, Sendable {
    /// What reports call the kind: `zero page`, `copy on write`.
    package var kind: String
    package var count: UInt64

    package init(kind: String, count: UInt64) {
        self.kind = kind
        self.count = count
    }
}

/// Why a system leaves an operation out: its host forbids what the work's machine allowed.
package struct HostRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is forbidden and what to do about it: a sentence that goes on after a colon.
    ///
    /// Operations that are left out for one reason have the same.
    package let reason: String
    package init(_ reason: String) { self.reason = reason }

    package var description: String { "left out on this host: \(reason)" }
}

/// Why a system could not carry out an operation at all.
package struct SystemFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong and what to do about it, in one sentence or two.
    package let description: String
    package init(_ description: String) { self.description = description }

    /// A machine has no CPU of this number.
    static func noCPU(_ cpu: Int, of count: Int) -> SystemFailure {
        SystemFailure(
            "there is no CPU \(cpu) on a machine of \(count), which are numbered from 0; give it more "
                + "with \"machine cpus\" or --cpus")
    }
}
