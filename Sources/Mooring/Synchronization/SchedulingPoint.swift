// SPDX-License-Identifier: Apache-2.0
//
// Where a controlled scheduler can take over. Every lock, every shared atomic and every wait
// passes here; nothing else in the engine knows that schedules exist.

import Synchronization

/// The places at which another virtual CPU may run next.
package enum SchedulingPoint {
    /// What the virtual CPU is about to do.
    package enum Kind: UInt8, Sendable {
        case lock
        case unlock
        case atomic
        /// Cannot go on until another CPU acts; comes again and again until then.
        case wait
        case flush
    }

    /// Called at every point while a scheduler is installed, with the kind's raw value and the
    /// address of the object that is about to be touched.
    package typealias Hook = @convention(c) (UInt8, UInt) -> Void

    // Read relaxed on every hot path; a plain static var costs twice a page's instructions
    // because of exclusivity checks.
    @usableFromInline static let active = Atomic<Bool>(false)
    private static let hook = Atomic<UInt>(0)
    private static let yielder = Atomic<UInt>(0)

    /// Hands every scheduling point to `hook`, or to nobody.
    package static func install(_ hook: Hook?) {
        self.hook.store(
            hook.map { UInt(bitPattern: unsafeBitCast($0, to: UnsafeRawPointer.self)) } ?? 0,
            ordering: .sequentiallyConsistent)
        active.store(hook != nil, ordering: .sequentiallyConsistent)
    }

    /// What a waiting thread calls to give the host's CPU away; the engine has no system calls.
    package static func setYield(_ yield: (@convention(c) () -> Void)?) {
        yielder.store(
            yield.map { UInt(bitPattern: unsafeBitCast($0, to: UnsafeRawPointer.self)) } ?? 0,
            ordering: .sequentiallyConsistent)
    }

    /// A point at which the scheduler may run another CPU.
    @inline(__always)
    static func reach(_ kind: Kind, _ object: UnsafeRawPointer) {
        if active.load(ordering: .relaxed) {
            reachSlowly(kind, object)
        }
    }

    @inline(never)
    private static func reachSlowly(_ kind: Kind, _ object: UnsafeRawPointer) {
        let bits = hook.load(ordering: .acquiring)
        guard let pointer = UnsafeRawPointer(bitPattern: bits) else { return }
        // SAFETY: `install` stored nothing but a `Hook` there.
        unsafeBitCast(pointer, to: Hook.self)(kind.rawValue, UInt(bitPattern: object))
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
