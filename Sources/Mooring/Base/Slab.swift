// SPDX-License-Identifier: Apache-2.0
//
// Flat objects of one type at addresses that never change.
//
// STATE      Chunks of objects, and a list of the free ones threaded through their first word.
// INVARIANT  A freed object's memory stays mapped and is reused only as the same type, so a stale
//            pointer finds an object of the right shape; checked builds poison it.
// LOCKS      slab (innermost of all).

/// A store of objects of type `Object`, made and freed one by one.
struct Slab<Object: ~Copyable> {
    private struct State {
        var lock: UInt32 = 0
        var free: UnsafeMutableRawPointer?
        var chunks: [UnsafeMutableRawPointer] = []
        var liveCount = 0
    }

    private let state: UnsafeMutablePointer<State>
    private let stride: Int
    private let perChunk: Int

    /// An empty store.
    ///
    /// The first object costs the first chunk.
    init() {
        precondition(MemoryLayout<Object>.size >= 8, "a free object holds a link of 8 bytes")
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        stride = (MemoryLayout<Object>.stride + 63) & ~63
        perChunk = max(8, (64 << 10) / stride)
    }

    /// Gives all memory back, whatever is still live.
    func deallocate() {
        for chunk in state.pointee.chunks { chunk.deallocate() }
        state.deinitialize(count: 1)
        state.deallocate()
    }

    @inline(__always)
    private var lock: SpinLock { SpinLock(at: UnsafeMutableRawPointer(state)) }

    /// How many objects live.
    var liveCount: Int { state.pointee.liveCount }

    /// Memory for one object, to be initialised by the caller.
    @inline(__always)
    func allocate(on cpu: CPU) -> UnsafeMutablePointer<Object> {
        lock.lock(.slab, on: cpu)
        defer { lock.unlock(.slab, on: cpu) }
        if state.pointee.free == nil { grow() }
        state.pointee.liveCount += 1
        // `grow` leaves at least one.
        let object = state.pointee.free.unsafelyUnwrapped
        state.pointee.free = object.load(as: UnsafeMutableRawPointer?.self)
        return object.assumingMemoryBound(to: Object.self)
    }

    /// Takes back the memory of an object that the caller has deinitialised.
    @inline(__always)
    func free(_ object: UnsafeMutablePointer<Object>, on cpu: CPU) {
        let raw = UnsafeMutableRawPointer(object)
        #if DEBUG || Checks
            raw.initializeMemory(as: UInt8.self, repeating: 0xDB, count: stride)
        #endif
        lock.lock(.slab, on: cpu)
        defer { lock.unlock(.slab, on: cpu) }
        raw.storeBytes(of: state.pointee.free, as: UnsafeMutableRawPointer?.self)
        state.pointee.free = raw
        state.pointee.liveCount -= 1
    }

    @inline(never)
    private func grow() {
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: stride * perChunk, alignment: 64)
        state.pointee.chunks.append(chunk)
        // Lowest address first, so that objects made in a row lie in a row.
        for index in stride == 0 ? 0..<0 : 0..<perChunk {
            let object = chunk + (perChunk - 1 - index) * stride
            object.storeBytes(of: state.pointee.free, as: UnsafeMutableRawPointer?.self)
            state.pointee.free = object
        }
    }
}
