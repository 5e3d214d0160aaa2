// SPDX-License-Identifier: Apache-2.0
//
// A simulated device: writes take virtual time, one after another; reads make their reader wait.
//
// STATE   Bytes move at once, when a transfer is asked for; only its end lies in the future. A
//         queue of the writes that are under way, in order of their ends. A frame in it has
//         `writeback` and a reference.
// LAZY    A write has ended when some CPU's clock has passed its end and somebody looks:
//         `endDue`, called by whoever works under pressure, or `waitForOldest`.
// LOCKS   device: the queue. Frames are worked on after it is given back.

/// The flat state behind ``Device``.
private struct DeviceState {
    struct Transfer {
        let pfn: PFN
        let end: UInt64
    }

    /// When the last write that was asked for ends.
    var busyUntil: UInt64 = 0
    // Not first: the thread sanitizer logs a change of any field at the record's address.
    var lock: UInt32 = 0
    var failures: DeviceFailures = []
    var queue: UnsafeMutablePointer<Transfer>
    /// Writes that have begun and not ended; an atomic word.
    var pending: UInt64 = 0
    var first = 0
    var count = 0
}

/// What a device is told to fail at, to see what becomes of those who rely on it.
public struct DeviceFailures: OptionSet, Sendable {
    /// One bit for each kind of failure.
    public let rawValue: UInt8
    /// Takes the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Every read ends in an error.
    public static let reads = DeviceFailures(rawValue: 1)
    /// Every write ends in an error.
    public static let writes = DeviceFailures(rawValue: 2)
}

/// A device that pages are read from and written to.
struct Device {
    /// As many writes are under way at most; who wants one more waits for the oldest.
    static let depth = 1024

    /// What it works with; constant.
    struct Parts {
        let frames: FrameTable
        let batches: LRUBatches
        let costs: CostTable
    }

    private let parts: UnsafeMutablePointer<Parts>
    private let state: UnsafeMutablePointer<DeviceState>

    init(_ parts: Parts) {
        self.parts = .init(holding: parts)
        state = .init(holding: DeviceState(queue: .allocate(capacity: Device.depth)))
    }

    private var frames: FrameTable { parts.pointee.frames }
    private var batches: LRUBatches { parts.pointee.batches }
    var costs: CostTable { parts.pointee.costs }

    /// Gives the memory back.
    func deallocate() {
        parts.deallocate()
        state.pointee.queue.deallocate()
        state.deallocate()
    }

    private var lock: SpinLock {
        SpinLock(
            at: UnsafeMutableRawPointer(state)
                + MemoryLayout<DeviceState>.offset(of: \.lock).unsafelyUnwrapped)
    }

    private var pending: AtomicField64 {
        AtomicField64(
            at: UnsafeMutableRawPointer(state)
                + MemoryLayout<DeviceState>.offset(of: \.pending).unsafelyUnwrapped)
    }

    /// What it is told to fail at.
    var failures: DeviceFailures {
        get { state.pointee.failures }
        nonmutating set { state.pointee.failures = newValue }
    }

    // MARK: Reading

    /// Waits for neighbouring pages to be read.
    ///
    /// - Returns: `false` after an error.
    func waitForRead(pages: Int = 1, on cpu: CPU) -> Bool {
        cpu.state.pointee.clock += costs.deviceRead + UInt64(pages - 1) * costs.devicePage
        return !failures.contains(.reads)
    }

    // MARK: Writing

    /// Begins to write a frame, which the caller has marked `writeback` and counted a reference for;
    /// waits while the device has as much to do as it takes.
    ///
    /// The caller has looked at ``failures``.
    ///
    /// - Returns: When the write will have ended.
    func write(_ pfn: PFN, on cpu: CPU) -> UInt64 {
        while true {
            lock.lock(.device, on: cpu)
            if state.pointee.count < Device.depth {
                let start = max(state.pointee.busyUntil, cpu.state.pointee.clock)
                state.pointee.busyUntil = start + costs.devicePage
                let end = state.pointee.busyUntil + costs.deviceWrite
                let slot = (state.pointee.first + state.pointee.count) % Device.depth
                (state.pointee.queue + slot).initialize(to: .init(pfn: pfn, end: end))
                state.pointee.count += 1
                pending.store(UInt64(state.pointee.count))
                lock.unlock(.device, on: cpu)
                return end
            }
            lock.unlock(.device, on: cpu)
            waitForOldest(on: cpu)
        }
    }

    /// Ends the writes whose time has come.
    @inline(__always)
    func endDue(on cpu: CPU) {
        // RACE: one that begins now is not due.
        if pending.load() > 0 { endAll(until: cpu.state.pointee.clock, on: cpu) }
    }

    /// Lets the CPU's clock go on to a moment, and ends what has ended by then.
    func wait(until moment: UInt64, on cpu: CPU) {
        cpu.state.pointee.clock = max(cpu.state.pointee.clock, moment)
        endAll(until: cpu.state.pointee.clock, on: cpu)
    }

    /// Waits for the write that ends first; `false` if none is under way.
    @discardableResult
    func waitForOldest(on cpu: CPU) -> Bool {
        lock.lock(.device, on: cpu)
        let isBusy = state.pointee.count > 0
        let end = isBusy ? state.pointee.queue[state.pointee.first].end : 0
        lock.unlock(.device, on: cpu)
        guard isBusy else { return false }
        wait(until: end, on: cpu)
        return true
    }

    /// Waits for all writes that are under way.
    func waitForAll(on cpu: CPU) {
        lock.lock(.device, on: cpu)
        let last = (state.pointee.first + state.pointee.count + Device.depth - 1) % Device.depth
        let end = state.pointee.count > 0 ? state.pointee.queue[last].end : 0
        lock.unlock(.device, on: cpu)
        wait(until: end, on: cpu)
    }

    private func endAll(until moment: UInt64, on cpu: CPU) {
        let most = 32
        withUnsafeTemporaryAllocation(of: PFN.self, capacity: most) { ended in
            var count: Int
            repeat {
                count = 0
                lock.lock(.device, on: cpu)
                while count < most, state.pointee.count > 0,
                    state.pointee.queue[state.pointee.first].end <= moment
                {
                    ended.initializeElement(
                        at: count, to: state.pointee.queue[state.pointee.first].pfn)
                    state.pointee.first = (state.pointee.first + 1) % Device.depth
                    state.pointee.count -= 1
                    count += 1
                }
                pending.store(UInt64(state.pointee.count))
                lock.unlock(.device, on: cpu)
                end(UnsafeMutableBufferPointer(rebasing: ended[..<count]), on: cpu)
            } while count == most
        }
    }

    private func end(_ ended: UnsafeMutableBufferPointer<PFN>, on cpu: CPU) {
        // Those that reclaim waits for come first in the buffer.
        var wanted = 0
        for index in ended.indices {
            let frame = frames[ended[index]]
            let zone = frame.zoneIndex
            cpu.add(-1, to: .writeback, zone: zone)
            cpu.add(1, to: .written, zone: zone)
            if frame.take([.writeback, .reclaim]).contains(.reclaim) {
                ended.swapAt(wanted, index)
                wanted += 1
            }
        }
        batches.rotate(UnsafeMutableBufferPointer(rebasing: ended[..<wanted]), on: cpu)
        if Mutation.writesWithoutReference.isActive { return }
        for pfn in ended { batches.release(pfn, on: cpu) }
    }

    /// Visits the frames that are being written; the machine must be at rest.
    func forEachPending(_ body: (PFN) -> Void) {
        for index in 0..<state.pointee.count {
            body(state.pointee.queue[(state.pointee.first + index) % Device.depth].pfn)
        }
    }
}
