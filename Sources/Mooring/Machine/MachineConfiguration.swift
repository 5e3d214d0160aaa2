// SPDX-License-Identifier: Apache-2.0

/// What a machine is made of and which designs it runs.
public struct MachineConfiguration: Sendable {
    /// Whether frames hold bytes.
    public enum Contents: String, Sendable, CaseIterable {
        /// Descriptors only: huge machines, fast runs.
        case none
        /// What is written is what is read, after copy on write, remapping and exit too.
        case bytes
    }

    /// The most virtual CPUs that a machine can have.
    public static let maximumCPUs = 1024
    /// The most NUMA nodes that a machine can have.
    public static let maximumNodes = MemoryConfiguration.maximumNodes

    /// How much physical memory there is.
    public var memory: ByteCount
    /// How many NUMA nodes share it evenly.
    public var nodes = 1
    /// How many virtual CPUs run on it: as many host threads can work at once.
    public var cpus = 1
    /// Whether frames hold bytes.
    public var contents: Contents = .none
    /// `vm.overcommit_memory`.
    public var overcommit: OvercommitMode = .heuristic
    /// `vm.max_map_count`.
    public var maxMapCount = 65530
    /// How many pages a read fault on a file may map at once: a power of two, 1 for none around.
    public var faultAroundPages = 16
    /// How locked memory is kept from reclaim.
    public var mlockDesign = MlockDesign.count
    /// The size of each swap area, in the order in which they are used; none for a machine without.
    public var swap: [ByteCount] = []
    /// `vm.swappiness`: what swapping costs against reading a file again; 0 to 200, 100 the same.
    public var swappiness = 60
    /// How many translations the machine remembers of each CPU's TLB: a power of two, 0 for none.
    ///
    /// It changes no result. A machine that remembers stops the program where a CPU uses a
    /// translation after the flush that withdrew it, or a frame is freed under one, and
    /// ``Machine/audit()`` finds any that disagrees with its page-table entry. Checked builds
    /// remember 64 unless told otherwise, others none.
    public var tlbEntries = MachineConfiguration.usualTLBEntries

    #if DEBUG || Checks
        private static let usualTLBEntries = 64
    #else
        private static let usualTLBEntries = 0
    #endif

    /// What steps cost in virtual time.
    public var costs = CostTable()

    /// How many bytes of address space the machine reserves for descriptors of its frames; what
    /// is used of them takes memory.
    package var descriptorBytes: UInt64 {
        memory.bytes >> pageShift * UInt64(MemoryLayout<FrameDescriptor>.stride)
    }

    /// A machine with this much memory, and the kernel's defaults for the rest.
    public init(memory: ByteCount) { self.memory = memory }
}

/// Why a machine cannot be made.
public struct ImpossibleMachine: Error, CustomStringConvertible, Sendable {
    /// A part of the configuration.
    public enum Part: Sendable {
        case memory, nodes, cpus, maxMapCount, faultAroundPages, tlbEntries, swap, swappiness
    }

    /// What has to change.
    public let part: Part
    /// What is wrong.
    public let problem: String
    /// What would be possible.
    public let remedy: String
    /// Both in one line.
    public var description: String { "\(problem); \(remedy)" }
}
