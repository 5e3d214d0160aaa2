// SPDX-License-Identifier: Apache-2.0

import Glibc
import Mooring

/// The clock that benchmarks of the engine are timed with, the same one that the kernel's timings
/// use: what others take of the processor in between does not count.
package enum ThreadClock {
    /// Nanoseconds of processor time that the calling thread has used.
    package static var nanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Lets waiting threads of the engine give the host's processor away to each other.
    package static func installYield() {
        SchedulingPoint.setYield { sched_yield() }
    }
}
