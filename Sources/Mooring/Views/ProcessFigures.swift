// SPDX-License-Identifier: Apache-2.0
//
// The numbers behind status and statm, cheap enough to sample often: no walk over VMAs or tables.

/// What a process has, in pages, and how often it faulted.
package struct ProcessFigures: Equatable, Sendable {
    /// Pages of all VMAs now, and at most so far.
    package var virtual: Int
    package var peakVirtual: Int
    /// Resident pages by kind.
    package var residentAnonymous: Int
    package var residentFile: Int
    package var residentSharedMemory: Int
    /// Resident pages at most so far.
    package var peakResident: Int
    /// Pages in swap slots.
    package var swapped: Int
    /// Pages of locked VMAs, present or not.
    package var locked: Int
    /// Pages of private writable VMAs, of stacks, of executable VMAs that nobody may write.
    package var data: Int
    package var stack: Int
    package var executable: Int
    /// Those of the executable pages that are the program's own.
    package var code: Int
    /// Page-table pages, the root not counted: what VmPTE shows.
    package var tables: Int
    package var minorFaults: Int
    package var majorFaults: Int

    /// Resident pages of all kinds.
    package var resident: Int { residentAnonymous + residentFile + residentSharedMemory }
}

extension ProcessFigures {
    /// The figures of an address space, the lock of which is held.
    init(of space: AddressSpace) {
        let state = space.pointer
        let faults = space.faultCounts
        virtual = state.pointee.totalPages
        peakVirtual = max(state.pointee.peakTotal, state.pointee.totalPages)
        residentAnonymous = space.resident(.anonymous)
        residentFile = space.resident(.file)
        residentSharedMemory = space.resident(.sharedMemory)
        peakResident = 0
        swapped = space.swappedPages
        locked = state.pointee.lockedPages
        data = state.pointee.dataPages
        stack = state.pointee.stackPages
        executable = state.pointee.executablePages
        code = min(state.pointee.codePages, executable)
        tables = Int(space.tableCount.load())
        minorFaults = faults.all - faults.major
        majorFaults = faults.major
        peakResident = max(Int(space.peakResident.load()), resident)
    }
}

extension Machine.Task {
    /// What the process has now.
    package func figures() -> ProcessFigures {
        inspect { space, _ in ProcessFigures(of: space) }
    }
}
