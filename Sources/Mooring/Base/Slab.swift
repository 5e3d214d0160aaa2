// SPDX-License-Identifier: Apache-2.0
//
// Flat objects of one type at addresses that never change, each with a number that fits where a
// pointer does not (a frame's owner has 28 bits).
//
// STATE      Chunks of objects, found by number through a directory, and a list of the free ones
//            threaded through their first word.
// INVARIANT  A freed object's memory stays mapped and is reused only as the same type, so a stale
//            pointer finds an object of the right shape; checked builds poison it.
// LOCKS      slab (innermost of all).

/// A store of objects of type `Object`, made and freed one by one.
struct Slab<Object: ~Copyable> {
    /// Ends the list of free objects.
    private static var end: UInt32 { .max }

    private struct State {
        var free: UInt32
        // Not first: the thread sanitizer logs a change of any field at the record's address.
        var lock: UInt32
        var chunkCount: Int
        var liveCount: Int
        /// Begins the list of objects that were freed while a scheduler was in control: they are
        /// not used again, so that whoever still touches one is found out.
        var retired: UInt32
        /// Addresses of chunks; room for all that numbers can reach, backed as it is used.
        var directory: UnsafeMutablePointer<UnsafeMutableRawPointer>
    }

    private let state: UnsafeMutablePointer<State>
    private let stride: Int
    private let shift: Int
    private let capacity: Int

    /// An empty store for at most `capacity` objects.
    ///
    /// The first object costs the first chunk, of about 64 KiB.
    init(capacity: Int = 1 << 28) {
        precondition(MemoryLayout<Object>.size >= 8, "a free object holds a link")
        stride = (MemoryLayout<Object>.stride + 63) & ~63
        var shift = 3
        while stride << (shift + 1) <= 64 << 10 { shift += 1 }
        self.shift = shift
        self.capacity = capacity
        state = .allocate(capacity: 1)
        state.initialize(
            to: State(
                free: Slab.end, lock: 0, chunkCount: 0, liveCount: 0, retired: Slab.end,
                directory: .allocate(capacity: (capacity >> shift) + 1)))
    }

    /// Gives all memory back, whatever is still live.
    func deallocate() {
        for index in 0..<state.pointee.chunkCount { state.pointee.directory[index].deallocate() }
        state.pointee.directory.deallocate()
        state.deallocate()
    }

    @inline(__always)
    private var lock: SpinLock { SpinLock(at: UnsafeMutableRawPointer(state) + 4) }

    /// How many objects live.
    var liveCount: Int { state.pointee.liveCount }

    /// The object with a number that ``allocate(on:)`` gave out.
    @inline(__always)
    subscript(number: UInt32) -> UnsafeMutablePointer<Object> {
        // SAFETY: numbers come from `allocate`, so the chunk exists.
        (state.pointee.directory[Int(number) >> shift]
            + (Int(number) & (1 << shift - 1)) &* stride)
            .assumingMemoryBound(to: Object.self)
    }

    /// Memory for one object, to be initialised by the caller, and its number.
    @inline(__always)
    func allocate(on cpu: CPU) -> (number: UInt32, object: UnsafeMutablePointer<Object>) {
        lock.lock(.slab, on: cpu)
        defer { lock.unlock(.slab, on: cpu) }
        if state.pointee.free == Slab.end { grow() }
        state.pointee.liveCount += 1
        let number = state.pointee.free
        let object = self[number]
        state.pointee.free = UnsafeMutableRawPointer(object).load(as: UInt32.self)
        return (number, object)
    }

    /// Takes back the memory of an object that the caller has deinitialised.
    @inline(__always)
    func free(_ number: UInt32, on cpu: CPU) {
        let raw = UnsafeMutableRawPointer(self[number])
        lock.lock(.slab, on: cpu)
        defer { lock.unlock(.slab, on: cpu) }
        #if DEBUG || Checks
            raw.initializeMemory(as: UInt8.self, repeating: 0xDB, count: stride)
        #endif
        state.pointee.liveCount -= 1
        if SchedulingPoint.control != 0 {
            raw.storeBytes(of: state.pointee.retired, as: UInt32.self)
            state.pointee.retired = number
            SchedulingPoint.touchRecord(.free, raw, byteCount: stride)
            return
        }
        raw.storeBytes(of: state.pointee.free, as: UInt32.self)
        state.pointee.free = number
    }

    /// The object that an address lies in, and which byte of it.
    func locate(_ address: UInt) -> (number: UInt32, byte: Int)? {
        for chunk in 0..<state.pointee.chunkCount {
            let offset = address &- UInt(bitPattern: state.pointee.directory[chunk])
            if offset < UInt(stride << shift) {
                return (UInt32(chunk << shift + Int(offset) / stride), Int(offset) % stride)
            }
        }
        return nil
    }

    /// Whether its own lock and counts are at an address.
    func hasState(at address: UInt) -> Bool { state.contains(address) }

    /// Runs `body` while no object can be freed: for who has an object's number and must find out
    /// whether it still lives.
    @inline(__always)
    func whileNoneIsFreed<Result>(on cpu: CPU, _ body: () -> Result) -> Result {
        lock.lock(.slab, on: cpu)
        defer { lock.unlock(.slab, on: cpu) }
        return body()
    }

    /// Visits every live object in order of number; nobody may allocate or free meanwhile.
    ///
    /// For audits and teardown: it costs a walk of the list of free objects.
    func forEachLive(_ body: (UInt32, UnsafeMutablePointer<Object>) throws -> Void) rethrows {
        var isFree = [Bool](repeating: false, count: state.pointee.chunkCount << shift)
        for first in [state.pointee.free, state.pointee.retired] {
            var number = first
            while number != Slab.end {
                isFree[Int(number)] = true
                number = UnsafeMutableRawPointer(self[number]).load(as: UInt32.self)
            }
        }
        for (number, isFree) in isFree.enumerated() where !isFree {
            try body(UInt32(number), self[UInt32(number)])
        }
    }

    @inline(never)
    private func grow() {
        let chunk = state.pointee.chunkCount
        precondition(chunk << shift < capacity, "more objects than their numbers can tell apart")
        state.pointee.directory[chunk] = .allocate(byteCount: stride << shift, alignment: 64)
        state.pointee.chunkCount += 1
        // Lowest first, so that objects made in a row lie in a row.
        for index in (0..<(1 << shift)).reversed() {
            let number = UInt32(chunk << shift + index)
            UnsafeMutableRawPointer(self[number]).storeBytes(
                of: state.pointee.free, as: UInt32.self)
            state.pointee.free = number
        }
    }
}
