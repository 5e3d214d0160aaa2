// SPDX-License-Identifier: Apache-2.0
//
// Where a controlled scheduler can take over. Every lock, every shared atomic and every wait
// passes here; nothing else in the engine knows that schedules exist. A release build without the
// trait `Exploration` has no points: they took 2 to 15 % of the instructions of a page.

import Synchronization

/// The places at which another virtual CPU may run next.
package enum SchedulingPoint {
    /// What the virtual CPU is about to do.
    ///
    /// From ``read`` on no other CPU runs there: the CPU only says what it touches.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case lock
        case unlock
        case atomic
        /// Cannot go on until another CPU acts; comes again and again until then.
        case wait
        case flush
        /// Takes a lock if nobody has it.
        case attempt
        case lockShared
        case unlockShared
        /// A relaxed, an acquiring read of an atomic word, and a relaxed write.
        case load
        case acquire
        case store
        /// Plain memory that a lock is meant to protect.
        case read
        case write
        /// 32 bytes of a record that is freed, or made anew.
        case free
        case make
        /// A number that one CPU changes at a time and any may read, at any time: no point, since it
        /// tells roughly how much there is whenever it is read.
        case sample
        case tally
    }

    /// Called at every point while it is installed, with the kind's raw value and the address of
    /// the object that is about to be touched.
    package typealias Hook = @convention(c) (UInt8, UInt) -> Void

    /// What a controlled scheduler is told and asked; all of it on the thread that runs a CPU.
    package struct Controller {
        package var reach: Hook
        /// Called when a check fails, with what is wrong; returns only on a thread that is not
        /// controlled.
        package var fail: @convention(c) (UnsafePointer<CChar>) -> Void
        /// 0 on a thread that is not controlled and makes no mistake, else 2 more than the raw value
        /// of the active ``Mutation``, or 1.
        package var control: @convention(c) () -> UInt8

        package init(
            reach: @escaping Hook,
            fail: @escaping @convention(c) (UnsafePointer<CChar>) -> Void,
            control: @escaping @convention(c) () -> UInt8
        ) {
            self.reach = reach
            self.fail = fail
            self.control = control
        }
    }

    // Read relaxed on every hot path; a plain static var costs twice a page's instructions
    // because of exclusivity checks.
    @usableFromInline static let active = Atomic<Bool>(false)
    private static let hook = Atomic<UInt>(0)
    /// The address of a ``Controller`` that is never freed.
    private static let controller = Atomic<UInt>(0)
    private static let yielder = Atomic<UInt>(0)

    /// Whether this build tells a scheduler what it reads and writes between points, and can make
    /// the mistakes of ``Mutation``: debug builds, and release builds with the trait `Exploration`.
    @inline(__always)
    package static var isInstrumented: Bool {
        #if DEBUG || Exploration
            true
        #else
            false
        #endif
    }

    /// Hands every scheduling point to `hook`, or to nobody but the controller.
    package static func install(_ hook: Hook?) {
        self.hook.store(
            hook.map { UInt(bitPattern: unsafeBitCast($0, to: UnsafeRawPointer.self)) } ?? 0,
            ordering: .sequentiallyConsistent)
        active.store(hook != nil || installed != nil, ordering: .sequentiallyConsistent)
    }

    /// Hands every scheduling point to a controller from now on.
    ///
    /// It stays: a thread that it does not control says so by ``Controller/control``.
    package static func install(_ controller: Controller) {
        let memory = UnsafeMutableBufferPointer<Controller>.allocate(capacity: 1)
        _ = memory.initialize(from: [controller])
        self.controller.store(
            UInt(bitPattern: memory.baseAddress), ordering: .sequentiallyConsistent)
        active.store(true, ordering: .sequentiallyConsistent)
    }

    private static var installed: UnsafePointer<Controller>? {
        UnsafePointer(bitPattern: controller.load(ordering: .acquiring))
    }

    /// What a waiting thread calls to give the host's CPU away; the engine has no system calls.
    package static func setYield(_ yield: (@convention(c) () -> Void)?) {
        yielder.store(
            yield.map { UInt(bitPattern: unsafeBitCast($0, to: UnsafeRawPointer.self)) } ?? 0,
            ordering: .sequentiallyConsistent)
    }

    /// A point at which the scheduler may run another CPU, or is told what is touched: the kind says
    /// which.
    @inline(__always)
    static func reach(_ kind: Kind, _ object: UnsafeRawPointer) {
        if isInstrumented, active.load(ordering: .relaxed) { reachSlowly(kind, object) }
    }

    /// Says that a record was freed or made; its address and length are multiples of 32.
    @inline(__always)
    static func touchRecord(_ kind: Kind, _ record: UnsafeRawPointer, byteCount: Int) {
        guard isInstrumented, active.load(ordering: .relaxed) else { return }
        for offset in stride(from: 0, to: byteCount, by: 32) { reachSlowly(kind, record + offset) }
    }

    // Ends with the call of the controller, which so returns to where the point is.
    @inline(never)
    private static func reachSlowly(_ kind: Kind, _ object: UnsafeRawPointer) {
        if let pointer = UnsafeRawPointer(bitPattern: hook.load(ordering: .acquiring)) {
            // SAFETY: `install` stored nothing but a `Hook` there.
            unsafeBitCast(pointer, to: Hook.self)(kind.rawValue, UInt(bitPattern: object))
        }
        installed?.pointee.reach(kind.rawValue, UInt(bitPattern: object))
    }

    /// What ``Controller/control`` answers on this thread; 0 in builds that are not instrumented.
    @inline(__always)
    static var control: UInt8 {
        guard isInstrumented, active.load(ordering: .relaxed) else { return 0 }
        return controlSlowly()
    }

    @inline(never)
    private static func controlSlowly() -> UInt8 { installed?.pointee.control() ?? 0 }

    /// A check failed: ends the schedule if a scheduler is in control, else the program.
    @inline(never)
    static func fail(_ message: String) -> Never {
        if let installed { message.withCString { installed.pointee.fail($0) } }
        fatalError(message)
    }

    /// One turn of a wait; `turn` counts from 0 so that only long waits give the host CPU away.
    @inline(never)
    static func wait(_ object: UnsafeRawPointer, turn: Int) {
        reach(.wait, object)
        guard turn > 64,
            let pointer = UnsafeRawPointer(
                bitPattern: yielder.load(ordering: .acquiring))
        else { return }
        // SAFETY: `setYield` stored nothing but such a function there.
        unsafeBitCast(pointer, to: (@convention(c) () -> Void).self)()
    }
}
