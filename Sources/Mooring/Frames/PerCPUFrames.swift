// SPDX-License-Identifier: Apache-2.0
//
// A CPU's own free frames of one zone, in front of the buddy allocator: three stacks, one for
// each ordinary migrate type. They save the zone's lock, and hand out what was used last.
//
// STATE      Flat: counts, marks, stacks of PFNs. Frames here are not free in the zone's sense:
//            they carry no flag and are in no free block.
//            A refill takes a batch, and twice as many each time that none was given back since:
//            each costs a dozen transfers of cache lines between CPUs that take frames in turn.
// LOCKS      None of their own: whoever has entered the CPU owns its lists, as LockRank says of
//            everything that is per CPU. A lock (Linux has one) would be two exchanges in an
//            allocate and free pair that takes less time than they do, and two more
//            scheduling points for the explorer in places where nothing can race.
// LAZY       Draining the lists of all CPUs (`FrameAllocator.drainAll`) enters each idle CPU and
//            drains it there and then. A CPU that somebody runs on cannot be entered; its mark
//            `high` is set to 0, so that it drains itself at its next free or refill. Until
//            then at most `high` frames a zone and CPU are missing, and an allocation may fail
//            for want of them, as if the machine were that much smaller.

/// The lists of one CPU and zone.
struct PerCPUFrames {
    let raw: UnsafeMutableRawPointer

    private static let stackOffset = 64
    private static let batchesUntilHigh = 4...32

    /// What a zone's size makes of the lists of one CPU.
    struct Limits {
        /// Frames that move between the lists and the zone at a time, at first.
        let batch: Int
        /// More frames than this and the lists give some back.
        let high: Int

        /// Limits for lists that move `batch` frames, in a zone that wants `low` frames free and
        /// is used by `cpuCount` CPUs; a `batch` of 0 makes lists that keep nothing.
        ///
        /// LINUX: a CPU's lists keep its share of the zone's low watermark (`high_min` of
        /// /proc/zoneinfo), and more when that serves.
        init(batch: Int, low: Int, cpuCount: Int) {
            self.batch = batch
            high = min(
                max(batchesUntilHigh.lowerBound * batch, low / cpuCount),
                batchesUntilHigh.upperBound * batch)
        }

        /// A refill may come on top of a full set of lists, and a frame is pushed before it is
        /// seen that the mark is passed.
        fileprivate var capacity: Int { high + batch + 1 }

        /// How many bytes a record takes.
        var size: Int {
            let bytes = stackOffset + MigrateType.ordinaryCount * capacity * 4
            return (bytes + 127) & ~127
        }
    }

    /// The kernel's usual 63, less in zones below 1 GiB: a power of two less one, so that
    /// allocations of powers of two do not fall into step with refills.
    static func defaultBatch(managed: Int) -> Int {
        let share = max(1, min(64, managed >> (maximumOrder + 2)))
        return max(1, (1 << (63 - UInt64(share).leadingZeroBitCount)) - 1)
    }

    /// Makes empty lists.
    func initialise(_ limits: Limits, zone: ZoneRef) {
        raw.initializeMemory(as: UInt8.self, repeating: 0, count: PerCPUFrames.stackOffset)
        let words = raw.assumingMemoryBound(to: UInt32.self)
        words[5] = UInt32(limits.batch)
        words[6] = UInt32(limits.high)
        words[7] = UInt32(limits.capacity)
        (raw + 32).storeBytes(of: zone.raw, as: UnsafeMutableRawPointer.self)
        (raw + 40).storeBytes(of: zone.allocationEvent, as: Event.self)
        restoreHigh()
    }

    /// Frames on the three lists.
    @inline(__always)
    var total: AtomicField32 { AtomicField32(at: raw) }

    /// More frames than this and the lists give some back; 0 asks them to give all back.
    @inline(__always)
    var high: AtomicField32 { AtomicField32(at: raw + 4) }

    /// Frames on one list.
    @inline(__always)
    func count(_ type: MigrateType) -> AtomicField32 {
        AtomicField32(at: raw + (8 &+ type.index &* 4))
    }

    /// Frames that move between the lists and the zone at a time.
    @inline(__always)
    var batch: Int { Int((raw + 20).load(as: UInt32.self)) }

    /// What `high` is when nobody asks for the frames.
    @inline(__always)
    var usualHigh: Int { Int((raw + 24).load(as: UInt32.self)) }

    @inline(__always)
    private var capacity: Int { Int((raw + 28).load(as: UInt32.self)) }

    /// How many refills have followed one another.
    private var refillsInARow: Int {
        get { Int((raw + 48).load(as: UInt32.self)) }
        nonmutating set { (raw + 48).storeBytes(of: UInt32(newValue), as: UInt32.self) }
    }

    @inline(__always)
    var zone: ZoneRef { ZoneRef(raw: (raw + 32).load(as: UnsafeMutableRawPointer.self)) }

    @inline(__always)
    var allocationEvent: Event { (raw + 40).load(as: Event.self) }

    /// The frames of one list, the one freed last at the end.
    @inline(__always)
    func stack(_ type: MigrateType) -> UnsafeMutablePointer<PFN> {
        (raw + (PerCPUFrames.stackOffset &+ type.index &* capacity &* 4))
            .assumingMemoryBound(to: PFN.self)
    }

    /// Ends a request to give all frames back.
    func restoreHigh() { high.store(UInt32(usualHigh)) }

    /// The frame that was freed last, or ``PFN/none``.
    @inline(__always)
    func pop(_ type: MigrateType) -> PFN {
        let count = count(type)
        let held = count.load()
        guard held > 0 else { return .none }
        count.store(held &- 1)
        total.store(total.load() &- 1)
        return stack(type)[Int(held &- 1)]
    }

    /// Adds a frame; returns whether some must be given back now.
    @inline(__always)
    func push(_ pfn: PFN, _ type: MigrateType) -> Bool {
        let count = count(type)
        let held = count.load()
        stack(type)[Int(held)] = pfn
        count.store(held &+ 1)
        let sum = total.load() &+ 1
        total.store(sum)
        return sum > high.load()
    }

    /// How many frames an empty list is to be filled with: twice as many as the last time, as far
    /// as the mark leaves room, but a batch at least.
    private func nextRefill() -> Int {
        let room = max(batch, usualHigh - Int(total.load()))
        let wanted = batch << refillsInARow
        guard wanted < room else { return max(1, room) }
        refillsInARow += 1
        return wanted
    }

    /// Fills an empty list from the zone, as far as the watermark allows.
    ///
    /// - Returns: Whether the list has a frame now.
    @inline(never)
    func refill(_ type: MigrateType, keeping mark: Watermark, best: ZoneType, on cpu: CPU) -> Bool {
        // Somebody wants the frames on the other two lists.
        if high.load() == 0 { drain(on: cpu) }
        let zone = zone
        let wanted = nextRefill()
        let stack = stack(type)
        zone.lock.lock(.zone, on: cpu)
        let room = zone.available(above: mark, best: best)
        var taken = 0
        if room > 0 {
            taken = BuddyAllocator(zone: zone).allocateSingles(
                into: stack, count: min(wanted, room), type: type, on: cpu)
        }
        zone.lock.unlock(.zone, on: cpu)
        // Popped from the end: the lowest frame shall come first.
        var low = 0
        var high = taken - 1
        while low < high {
            (stack[low], stack[high]) = (stack[high], stack[low])
            low &+= 1
            high &-= 1
        }
        count(type).store(UInt32(taken))
        total.store(total.load() &+ UInt32(taken))
        return taken > 0
    }

    /// Gives a quarter of what may be kept back, from the fullest list, until the mark is kept; or
    /// everything if somebody asked for it.
    @inline(never)
    func giveBack(on cpu: CPU) {
        guard high.load() > 0 else {
            drain(on: cpu)
            return
        }
        refillsInARow = 0
        while total.load() > high.load() {
            var fullest = MigrateType.unmovable
            if count(.movable).load() > count(fullest).load() { fullest = .movable }
            if count(.reclaimable).load() > count(fullest).load() { fullest = .reclaimable }
            free(min(usualHigh / 4, Int(count(fullest).load())), fullest, on: cpu)
        }
    }

    /// Gives every frame back.
    ///
    /// The caller has entered the CPU that the lists belong to.
    func drain(on cpu: CPU) {
        // RACE: whoever asks again from now on either sees the frames gone, or asks for those
        // that come after.
        restoreHigh()
        refillsInARow = 0
        giveAll(.unmovable, on: cpu)
        giveAll(.movable, on: cpu)
        giveAll(.reclaimable, on: cpu)
    }

    private func giveAll(_ type: MigrateType, on cpu: CPU) {
        free(Int(count(type).load()), type, on: cpu)
    }

    /// Gives the `number` frames back that have been on a list the longest.
    private func free(_ number: Int, _ type: MigrateType, on cpu: CPU) {
        guard number > 0 else { return }
        let zone = zone
        let buddy = BuddyAllocator(zone: zone)
        let stack = stack(type)
        zone.lock.lock(.zone, on: cpu)
        for index in 0..<number {
            SchedulingPoint.touchRecord(
                .make, zone.frames[stack[index]].pointer, byteCount: 32)
            buddy.free(stack[index], order: 0)
        }
        zone.lock.unlock(.zone, on: cpu)
        let left = Int(count(type).load()) - number
        stack.update(from: stack + number, count: left)
        count(type).store(UInt32(left))
        total.store(total.load() &- UInt32(number))
    }
}
