// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring

/// The clocks that benchmarks of the engine are timed with.
package enum ThreadClock {
    /// Nanoseconds of processor time that the calling thread has used.
    ///
    /// The kernel's own timings use it too: what others take of the processor in between does not
    /// count.
    package static var nanoseconds: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }

    /// Nanoseconds by the wall clock, which never goes back.
    package static var wallNanoseconds: Int64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Gives the calling thread's processor away, if somebody wants it.
    package static func yield() { sched_yield() }

    /// Makes threads that wait inside the engine give their processor away in the end.
    package static func installYield() {
        SchedulingPoint.setYield { sched_yield() }
    }
}
