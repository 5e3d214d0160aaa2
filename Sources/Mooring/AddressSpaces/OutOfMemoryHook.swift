// SPDX-License-Identifier: Apache-2.0

/// Whom those ask who cannot get a frame: a function that the machine sets, because the killer stands
/// on a floor above them.
struct OutOfMemoryHook {
    private let makeRoom: UnsafeMutablePointer<((AddressSpace, CPU) -> Bool)?>

    init() {
        makeRoom = .allocate(capacity: 1)
        makeRoom.initialize(to: nil)
    }

    /// Gives the memory back.
    func deallocate() {
        makeRoom.deinitialize(count: 1)
        makeRoom.deallocate()
    }

    /// Says who makes room.
    func set(_ body: @escaping (AddressSpace, CPU) -> Bool) { makeRoom.pointee = body }

    /// Asks for room; the caller holds no lock but CPUs.
    ///
    /// - Returns: Whether it is worth trying again; otherwise the one that asks has been killed.
    @inline(never)
    func makeRoom(for space: AddressSpace, on cpu: CPU) -> Bool {
        makeRoom.pointee.map { $0(space, cpu) } ?? false
    }
}
