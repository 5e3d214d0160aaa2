// SPDX-License-Identifier: Apache-2.0
//
// Timings of memory in one process: faults, populating, locking, files. And the dispatch.

#define _GNU_SOURCE 1
#include "helper_timings.h"

#if defined(__x86_64__)

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

// MARK: Anonymous memory

/// The first access to each page: writes, or reads of the shared zero page.
static HELPER_CODE int64_t time_touch(struct timing *timing, int writes) {
    int64_t result = timing_warm(timing->pages);
    if (timing_failed(result)) return result;
    int64_t area = timing_map(timing->pages, timing_read_write, timing_private_anonymous, -1);
    if (timing_failed(area)) return area;
    int64_t start = timing_now();
    if (writes) {
        timing_touch(area, timing->pages);
    } else {
        timing_look(area, timing->pages);
    }
    return timing_now() - start;
}

static HELPER_CODE int64_t time_unmap(struct timing *timing) {
    int64_t area = timing_touched(timing->pages);
    if (timing_failed(area)) return area;
    int64_t start = timing_now();
    timing_unmap(area, timing->pages);
    return timing_now() - start;
}

static HELPER_CODE int64_t time_populate(struct timing *timing) {
    int64_t result = timing_warm(timing->pages);
    if (timing_failed(result)) return result;
    int64_t start = timing_now();
    result = timing_map(timing->pages, timing_read_write,
                        timing_private_anonymous | timing_populate, -1);
    int64_t end = timing_now();
    return timing_failed(result) ? result : end - start;
}

// MARK: Locking

/// mlock(2) of memory that is there, or is not.
static HELPER_CODE int64_t time_mlock(struct timing *timing, int populated) {
    int64_t result = timing_warm(timing->pages);
    if (timing_failed(result)) return result;
    int64_t area = populated ? timing_touched(timing->pages)
                             : timing_map(timing->pages, timing_read_write,
                                          timing_private_anonymous, -1);
    if (timing_failed(area)) return area;
    int64_t start = timing_now();
    result = helper_syscall(__NR_mlock, (uint64_t)area, timing->pages * 4096, 0, 0, 0, 0);
    int64_t end = timing_now();
    return timing_failed(result) ? result : end - start;
}

static HELPER_CODE int64_t time_munlock(struct timing *timing) {
    int64_t area = timing_map(timing->pages, timing_read_write, timing_private_anonymous, -1);
    if (timing_failed(area)) return area;
    uint64_t length = timing->pages * 4096;
    int64_t result = helper_syscall(__NR_mlock, (uint64_t)area, length, 0, 0, 0, 0);
    if (timing_failed(result)) return result;
    int64_t start = timing_now();
    result = helper_syscall(__NR_munlock, (uint64_t)area, length, 0, 0, 0, 0);
    int64_t end = timing_now();
    return timing_failed(result) ? result : end - start;
}

static HELPER_CODE int64_t time_mlock_on_fault(struct timing *timing) {
    int64_t result = timing_warm(timing->pages);
    if (timing_failed(result)) return result;
    int64_t area = timing_map(timing->pages, timing_read_write, timing_private_anonymous, -1);
    if (timing_failed(area)) return area;
    result = helper_syscall(__NR_mlock2, (uint64_t)area, timing->pages * 4096, 1, 0, 0, 0);
    if (timing_failed(result)) return result;
    int64_t start = timing_now();
    timing_touch(area, timing->pages);
    return timing_now() - start;
}

// MARK: Files

HELPER_CODE int64_t timing_cached_file(uint64_t pages) {
    char name[2];
    name[0] = 't';
    name[1] = 0;
    int64_t file = helper_syscall(__NR_memfd_create, (uint64_t)name, 0, 0, 0, 0, 0);
    if (timing_failed(file)) return file;
    int64_t result = helper_syscall(__NR_ftruncate, (uint64_t)file, pages * 4096, 0, 0, 0, 0);
    if (timing_failed(result)) return result;
    int64_t area = timing_map(pages, timing_read_write, timing_shared, file);
    if (timing_failed(area)) return area;
    timing_touch(area, pages);
    timing_unmap(area, pages);
    return file;
}

/// Makes the kernel map one page a fault in a file's area, as it does in areas whose write
/// protection somebody watches; else it maps up to 16 around a read fault.
static HELPER_CODE int64_t switch_off_fault_around(int64_t area, uint64_t pages) {
    int64_t watcher =
        helper_syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY, 0, 0, 0, 0, 0);
    if (timing_failed(watcher)) return watcher;
    struct uffdio_api api;
    api.api = UFFD_API;
    api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
    api.ioctls = 0;
    int64_t result =
        helper_syscall(__NR_ioctl, (uint64_t)watcher, UFFDIO_API, (uint64_t)&api, 0, 0, 0);
    if (timing_failed(result)) return result;
    struct uffdio_register registration;
    registration.range.start = (uint64_t)area;
    registration.range.len = pages * 4096;
    registration.mode = UFFDIO_REGISTER_MODE_WP;
    registration.ioctls = 0;
    return helper_syscall(__NR_ioctl, (uint64_t)watcher, UFFDIO_REGISTER,
                          (uint64_t)&registration, 0, 0, 0);
}

/// The first read of each page of a file that is in the page cache.
static HELPER_CODE int64_t time_file_touch(struct timing *timing) {
    int64_t file = timing_cached_file(timing->pages);
    if (timing_failed(file)) return file;
    int64_t area = timing_map(timing->pages, timing_read_write, timing_shared, file);
    if (timing_failed(area)) return area;
    timing_look(area, timing->pages);  // warm
    timing_unmap(area, timing->pages);
    area = timing_map(timing->pages, timing_read_write, timing_shared, file);
    if (timing_failed(area)) return area;
    int64_t result = switch_off_fault_around(area, timing->pages);
    if (timing_failed(result)) return result;
    int64_t start = timing_now();
    timing_look(area, timing->pages);
    return timing_now() - start;
}

static HELPER_CODE int64_t time_file_populate(struct timing *timing) {
    int64_t file = timing_cached_file(timing->pages);
    if (timing_failed(file)) return file;
    uint64_t flags = timing_shared | timing_populate;
    int64_t area = timing_map(timing->pages, timing_read, flags, file);
    if (timing_failed(area)) return area;
    timing_unmap(area, timing->pages);  // warm
    int64_t start = timing_now();
    area = timing_map(timing->pages, timing_read, flags, file);
    int64_t end = timing_now();
    return timing_failed(area) ? area : end - start;
}

// MARK: Dispatch

static HELPER_CODE int64_t time_memory(uint64_t number, struct timing *timing) {
    if (number == TIME_ANON_TOUCH) return time_touch(timing, 1);
    if (number == TIME_ANON_READ) return time_touch(timing, 0);
    if (number == TIME_ANON_UNMAP) return time_unmap(timing);
    if (number == TIME_POPULATE) return time_populate(timing);
    if (number == TIME_MLOCK_POPULATED) return time_mlock(timing, 1);
    if (number == TIME_MUNLOCK) return time_munlock(timing);
    if (number == TIME_MLOCK_UNPOPULATED) return time_mlock(timing, 0);
    if (number == TIME_MLOCK_ONFAULT_TOUCH) return time_mlock_on_fault(timing);
    if (number == TIME_FILE_TOUCH) return time_file_touch(timing);
    return time_file_populate(timing);
}

HELPER_CODE void helper_time(void *unused) {
    const struct helper_request *request = HELPER_REQUEST;
    struct helper_reply *reply = HELPER_REPLY;
    (void)unused;

    // Huge pages would turn timings per page into something else.
    helper_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0, 0);

    struct timing timing;
    uint64_t number = request->arguments[0];
    timing.pages = request->arguments[1];
    timing.count = request->arguments[2];
    timing.units = timing.pages;
    if (number <= TIME_FILE_POPULATE) {
        reply->value = time_memory(number, &timing);
    } else if (number <= TIME_COW_WRITE || number == TIME_LOCKED_EXIT) {
        reply->value = timing_processes(number, &timing);
    } else {
        reply->value = timing_areas(number, &timing);
    }
    reply->address = timing.units;
}

#endif
