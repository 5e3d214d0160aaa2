// SPDX-License-Identifier: Apache-2.0
//
// Timings of several processes: forking, copying on write, and leaving locked memory behind.

#define _GNU_SOURCE 1
#include "helper_timings.h"

#if defined(__x86_64__)

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/// A child of the helper's own, which it can wait for and which does not outlive it.
static HELPER_CODE int64_t fork_child(void) {
    int64_t child = helper_syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (child == 0) helper_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    return child;
}

static HELPER_CODE void leave(void) { helper_syscall(__NR_exit_group, 0, 0, 0, 0, 0, 0); }

/// Waits for a child to end; the nanoseconds of processor time that it used in its life.
///
/// LINUX: user and system time are estimates, their sum is exact to a microsecond, and it
/// includes the exit up to where the parent can notice it: the memory is gone by then.
static HELPER_CODE int64_t wait_for(int64_t child) {
    struct rusage usage;
    helper_syscall(__NR_wait4, (uint64_t)child, 0, 0, (uint64_t)&usage, 0, 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/// Waits for eight bytes; children do so until they are let go.
static HELPER_CODE int64_t take(int descriptor) {
    int64_t value = 0;
    helper_syscall(__NR_read, (uint64_t)descriptor, (uint64_t)&value, 8, 0, 0, 0);
    return value;
}

static HELPER_CODE void give(int descriptor, int64_t value) {
    helper_syscall(__NR_write, (uint64_t)descriptor, (uint64_t)&value, 8, 0, 0, 0);
}

/// fork(2) in a parent with populated memory, alone or with the life and death of its child.
static HELPER_CODE int64_t time_fork(struct timing *timing, int until_exit) {
    int64_t area = timing_touched(timing->pages);
    if (timing_failed(area)) return area;
    int64_t time = 0;
    for (int round = 0; round < 2; round++) {  // the first one warms
        int hold[2];
        helper_syscall(__NR_pipe2, (uint64_t)hold, 0, 0, 0, 0, 0);
        int64_t start = timing_now();
        int64_t child = fork_child();
        if (child == 0) {
            take(hold[0]);
            leave();
        }
        if (timing_failed(child)) return child;
        time = timing_now() - start;
        give(hold[1], 1);
        int64_t life = wait_for(child);
        if (until_exit) time += life;
        helper_syscall(__NR_close, (uint64_t)hold[0], 0, 0, 0, 0, 0);
        helper_syscall(__NR_close, (uint64_t)hold[1], 0, 0, 0, 0, 0);
    }
    return time;
}

/// The first write of a child to each page that its parent has too.
static HELPER_CODE int64_t time_copy_on_write(struct timing *timing) {
    int64_t area = timing_touched(timing->pages);
    if (timing_failed(area)) return area;
    int64_t result = timing_warm(timing->pages);
    if (timing_failed(result)) return result;
    int answer[2];
    helper_syscall(__NR_pipe2, (uint64_t)answer, 0, 0, 0, 0, 0);
    int64_t child = fork_child();
    if (child == 0) {
        int64_t start = timing_now();
        timing_touch(area, timing->pages);
        give(answer[1], timing_now() - start);
        leave();
    }
    if (timing_failed(child)) return child;
    helper_syscall(__NR_close, (uint64_t)answer[1], 0, 0, 0, 0, 0);
    int64_t time = take(answer[0]);
    wait_for(child);
    return time == 0 ? -12 : time;
}

enum { most_processes = 64 };

/// The exits, one after the other, of `count` processes that each have `pages` of `file` locked,
/// or of as many that have nothing.
static HELPER_CODE int64_t time_exits(int64_t file, uint64_t pages, uint64_t count) {
    int64_t children[most_processes];
    int holds[most_processes];
    int ready[2];
    helper_syscall(__NR_pipe2, (uint64_t)ready, 0, 0, 0, 0, 0);
    int64_t failure = 0;
    for (uint64_t index = 0; index < count; index++) {
        int hold[2];
        helper_syscall(__NR_pipe2, (uint64_t)hold, 0, 0, 0, 0, 0);
        int64_t child = fork_child();
        if (child == 0) {
            int64_t result = 0;
            if (pages != 0) {
                int64_t area = timing_map(pages, timing_read, timing_shared, file);
                result = timing_failed(area) ? area
                                             : helper_syscall(__NR_mlock, (uint64_t)area,
                                                              pages * 4096, 0, 0, 0, 0);
            }
            give(ready[1], result == 0 ? 1 : result);
            take(hold[0]);
            give(ready[1], timing_now());
            leave();
        }
        if (timing_failed(child)) return child;
        children[index] = child;
        holds[index] = hold[1];
        helper_syscall(__NR_close, (uint64_t)hold[0], 0, 0, 0, 0, 0);
        int64_t answer = take(ready[0]);
        if (answer != 1) failure = answer;
    }
    int64_t time = 0;
    for (uint64_t index = 0; index < count; index++) {
        give(holds[index], 1);
        int64_t before = take(ready[0]);
        time += wait_for(children[index]) - before;
        helper_syscall(__NR_close, (uint64_t)holds[index], 0, 0, 0, 0, 0);
    }
    helper_syscall(__NR_close, (uint64_t)ready[0], 0, 0, 0, 0, 0);
    helper_syscall(__NR_close, (uint64_t)ready[1], 0, 0, 0, 0, 0);
    return failure != 0 ? failure : time;
}

/// What locked memory adds to the exit of a process.
static HELPER_CODE int64_t time_locked_exit(struct timing *timing) {
    if (timing->count > most_processes) return -22;
    int64_t file = timing_cached_file(timing->pages);
    if (timing_failed(file)) return file;
    int64_t bare = time_exits(file, 0, timing->count);
    if (timing_failed(bare)) return bare;
    int64_t locked = time_exits(file, timing->pages, timing->count);
    if (timing_failed(locked)) return locked;
    timing->units = timing->pages * timing->count;
    return locked > bare ? locked - bare : 0;
}

HELPER_CODE int64_t timing_processes(uint64_t number, struct timing *timing) {
    if (number == TIME_FORK) return time_fork(timing, 0);
    if (number == TIME_FORK_EXIT) return time_fork(timing, 1);
    if (number == TIME_COW_WRITE) return time_copy_on_write(timing);
    return time_locked_exit(timing);
}

#endif
