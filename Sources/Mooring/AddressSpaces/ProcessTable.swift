// SPDX-License-Identifier: Apache-2.0
//
// The processes of a machine, by number.
//
// LOCKS   processes: one, over the table. A process's own fields belong to whoever runs it.

/// The flat state behind ``ProcessTable``.
struct ProcessTableState {
    var nextNumber: Int32 = 1
    // Not first: the thread sanitizer logs a change of any field at the record's address.
    var lock: UInt32 = 0
    var byNumber: [Int32: ProcessRef] = [:]
    var names: [Int32: String] = [:]
}

/// The processes that run on a machine.
struct ProcessTable {
    private let state: UnsafeMutablePointer<ProcessTableState>

    init() {
        // The buffer's own function: what holds references cannot be in memory that an explorer
        // puts back; see `contents`.
        let buffer = UnsafeMutableBufferPointer<ProcessTableState>.allocate(capacity: 1)
        state = buffer.baseAddress.unsafelyUnwrapped
        state.initialize(to: ProcessTableState())
    }

    /// All of it: for an explorer that puts a machine back to what it was.
    var contents: ProcessTableState {
        get { state.pointee }
        nonmutating set { state.pointee = newValue }
    }

    /// Gives the memory back, that of live processes included.
    func deallocate() {
        for process in state.pointee.byNumber.values { process.pointer.deallocate() }
        state.deinitialize(count: 1)
        UnsafeMutableBufferPointer(start: state, count: 1).deallocate()
    }

    private func withLock<Result>(on cpu: CPU, _ body: (inout ProcessTableState) -> Result)
        -> Result
    {
        let lock = SpinLock(at: UnsafeMutableRawPointer(state) + 4)
        lock.lock(.processes, on: cpu)
        defer { lock.unlock(.processes, on: cpu) }
        return body(&state.pointee)
    }

    /// A new process in an address space, with the limits of its parent if it has one.
    func add(_ space: AddressSpace, parent: ProcessRef?, on cpu: CPU) -> ProcessRef {
        let process = ProcessRef(pointer: .allocate(capacity: 1))
        withLock(on: cpu) { state in
            let number = state.nextNumber
            state.nextNumber += 1
            var fresh = parent?.pointer.pointee ?? ProcessState(number: number, space: space)
            fresh.number = number
            fresh.space = space
            process.pointer.initialize(to: fresh)
            state.byNumber[number] = process
            state.names[number] = parent.flatMap { state.names[$0.pointer.pointee.number] } ?? ""
        }
        return process
    }

    /// Takes a process that has exited out of the table.
    func remove(_ process: ProcessRef, on cpu: CPU) {
        withLock(on: cpu) { state in
            state.byNumber[process.pointer.pointee.number] = nil
            state.names[process.pointer.pointee.number] = nil
        }
        process.pointer.deallocate()
    }

    /// Whether its lock is at an address.
    func hasLock(at address: UInt) -> Bool { UInt(bitPattern: state) &+ 4 == address }

    /// All live processes in order of their numbers.
    func all(on cpu: CPU) -> [ProcessRef] {
        withLock(on: cpu) { state in
            state.byNumber.keys.sorted().compactMap { state.byNumber[$0] }
        }
    }

    /// Looks at all live processes, in order of their numbers, while none can end.
    func whileNoneChanges<Result>(on cpu: CPU, _ body: ([ProcessRef]) -> Result) -> Result {
        withLock(on: cpu) { state in
            body(state.byNumber.keys.sorted().compactMap { state.byNumber[$0] })
        }
    }

    /// Gives a process another address space.
    ///
    /// - Returns: The one that it had, with the process's reference.
    func setSpace(_ space: AddressSpace, of process: ProcessRef, on cpu: CPU) -> AddressSpace {
        withLock(on: cpu) { _ in
            let old = process.space
            process.space = space
            return old
        }
    }

    /// A process's name: what exec set, its parent's until then.
    func name(of process: ProcessRef, on cpu: CPU) -> String {
        withLock(on: cpu) { $0.names[process.pointer.pointee.number] ?? "" }
    }

    func setName(_ name: String, of process: ProcessRef, on cpu: CPU) {
        withLock(on: cpu) { $0.names[process.pointer.pointee.number] = name }
    }
}
