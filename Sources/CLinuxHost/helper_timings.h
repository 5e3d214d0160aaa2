// SPDX-License-Identifier: Apache-2.0
//
// What the timings share. Each is a function that sets its scene, reads the clock before and
// after the operations alone, and returns the nanoseconds between, or -errno.

#ifndef MOORING_HELPER_TIMINGS_H
#define MOORING_HELPER_TIMINGS_H

#include <asm/unistd.h>

#include "helper_internal.h"
#include "helper_timing_names.h"

/// One timing under way.
struct timing {
    /// What it is asked to work on.
    uint64_t pages;
    /// How many areas or processes there are around it.
    uint64_t count;
    /// How many units of work the time was for; the timing sets it if it is not `pages`.
    uint64_t units;
};

enum {
    timing_none = 0,
    timing_read = 1,
    timing_read_write = 3,
    timing_shared = 0x01,
    timing_private_anonymous = 0x22,
    timing_populate = 0x8000,
    timing_fixed = 0x10,
};

/// Nanoseconds that this process has used of a processor (CLOCK_THREAD_CPUTIME_ID): what others
/// take of it in between does not count.
static HELPER_CODE int64_t timing_now(void) {
    int64_t time[2];
    helper_syscall(__NR_clock_gettime, 3, (uint64_t)time, 0, 0, 0, 0);
    return time[0] * 1000000000 + time[1];
}

/// mmap(2) of `pages` where the kernel likes.
static HELPER_CODE int64_t timing_map(uint64_t pages, uint64_t protection, uint64_t flags,
                                      int64_t file) {
    return helper_syscall(__NR_mmap, 0, pages * 4096, protection, flags, (uint64_t)file, 0);
}

static HELPER_CODE int64_t timing_unmap(int64_t address, uint64_t pages) {
    return helper_syscall(__NR_munmap, (uint64_t)address, pages * 4096, 0, 0, 0, 0);
}

static HELPER_CODE void timing_touch(int64_t address, uint64_t pages) {
    for (uint64_t page = 0; page < pages; page++) {
        *(volatile uint8_t *)(address + (int64_t)(page * 4096)) = 1;
    }
}

static HELPER_CODE void timing_look(int64_t address, uint64_t pages) {
    for (uint64_t page = 0; page < pages; page++) {
        (void)*(volatile uint8_t *)(address + (int64_t)(page * 4096));
    }
}

/// Whether a system call's result is an error.
static HELPER_CODE int timing_failed(int64_t result) { return result < 0 && result >= -4095; }

/// Anonymous memory, all of it written to.
static HELPER_CODE int64_t timing_touched(uint64_t pages) {
    int64_t address = timing_map(pages, timing_read_write, timing_private_anonymous, -1);
    if (!timing_failed(address)) timing_touch(address, pages);
    return address;
}

/// Uses as much memory as the timing will and frees it: in a virtual machine, memory that has
/// been idle costs the first user several times as much.
static HELPER_CODE int64_t timing_warm(uint64_t pages) {
    int64_t address = timing_touched(pages);
    if (timing_failed(address)) return address;
    return timing_unmap(address, pages);
}

#pragma GCC visibility push(hidden)

int64_t timing_areas(uint64_t number, struct timing *timing);
int64_t timing_processes(uint64_t number, struct timing *timing);
/// A memfd of `pages`, all of them in the page cache.
int64_t timing_cached_file(uint64_t pages);

#pragma GCC visibility pop

#endif
