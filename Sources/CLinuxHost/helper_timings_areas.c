// SPDX-License-Identifier: Apache-2.0
//
// Timings of areas: moving, protecting, making and splitting them, and finding one among many.

#define _GNU_SOURCE 1
#include "helper_timings.h"

#if defined(__x86_64__)

/// Two places to move between, each alone in its part of the address space.
#define HERE 0x100000000000u
#define THERE 0x200000000000u

/// Moves populated memory to and fro. Places at the same offset in 2 MiB let the kernel move
/// page tables; at different offsets it must move entries.
static HELPER_CODE int64_t time_move(struct timing *timing, int aligned) {
    uint64_t here = aligned ? HERE : HERE + 0x1000;
    uint64_t there = aligned ? THERE : THERE + 0x2000;
    uint64_t length = timing->pages * 4096;
    uint64_t moves = aligned ? 32 : 4;
    int64_t area = helper_syscall(__NR_mmap, here, length, timing_read_write,
                                  timing_private_anonymous | timing_fixed, ~0ull, 0);
    if (timing_failed(area)) return area;
    timing_touch(area, timing->pages);

    int64_t start = 0;
    int64_t result = 0;
    for (uint64_t move = 0; move < moves + 2; move++) {
        if (move == 2) start = timing_now();  // once to and fro for warmth
        uint64_t from = move % 2 == 0 ? here : there;
        uint64_t to = move % 2 == 0 ? there : here;
        result = helper_syscall(__NR_mremap, from, length, length, 3, to, 0);
        if (timing_failed(result)) return result;
    }
    timing->units = timing->pages * moves;
    return timing_now() - start;
}

static HELPER_CODE int64_t protect(int64_t address, uint64_t pages, uint64_t protection) {
    return helper_syscall(__NR_mprotect, (uint64_t)address, pages * 4096, protection, 0, 0, 0);
}

/// Populated memory made read-only and writable again.
static HELPER_CODE int64_t time_protect(struct timing *timing) {
    int64_t area = timing_touched(timing->pages);
    if (timing_failed(area)) return area;
    protect(area, timing->pages, timing_read);
    protect(area, timing->pages, timing_read_write);
    int64_t start = timing_now();
    protect(area, timing->pages, timing_read);
    protect(area, timing->pages, timing_read_write);
    timing->units = timing->pages * 2;
    return timing_now() - start;
}

/// `count` areas of one page each, neighbours differing in protection so that they stay apart.
static HELPER_CODE int64_t many_areas(uint64_t count, uint64_t protection, uint64_t other) {
    int64_t first = timing_map(count, protection, timing_private_anonymous, -1);
    if (timing_failed(first)) return first;
    for (uint64_t page = 1; page < count; page += 2) {
        int64_t result = protect(first + (int64_t)(page * 4096), 1, other);
        if (timing_failed(result)) return result;
    }
    return first;
}

/// mmap and munmap of a page beside `count` areas.
static HELPER_CODE int64_t time_churn(struct timing *timing) {
    int64_t first = many_areas(timing->count, timing_none, timing_read);
    if (timing_failed(first)) return first;
    int64_t start = 0;
    uint64_t warm = timing->pages / 8;
    for (uint64_t pair = 0; pair < warm + timing->pages; pair++) {
        if (pair == warm) start = timing_now();
        int64_t area = timing_map(1, timing_read_write, timing_private_anonymous, -1);
        if (timing_failed(area)) return area;
        timing_unmap(area, 1);
    }
    return timing_now() - start;
}

/// A page in the middle of an empty area gets another protection, and the old one again.
static HELPER_CODE int64_t time_split(struct timing *timing) {
    int64_t area = timing_map(16, timing_read_write, timing_private_anonymous, -1);
    if (timing_failed(area)) return area;
    int64_t middle = area + 8 * 4096;
    int64_t start = 0;
    uint64_t warm = timing->pages / 8;
    for (uint64_t pair = 0; pair < warm + timing->pages; pair++) {
        if (pair == warm) start = timing_now();
        int64_t result = protect(middle, 1, timing_read);
        if (timing_failed(result)) return result;
        protect(middle, 1, timing_read_write);
    }
    timing->units = timing->pages * 2;
    return timing_now() - start;
}

/// Read faults, each in another of `count` areas, in an order without neighbours.
static HELPER_CODE int64_t time_random_faults(struct timing *timing) {
    int64_t first = many_areas(timing->count, timing_read, timing_read_write);
    if (timing_failed(first)) return first;
    uint64_t faults = timing->pages < timing->count ? timing->pages : timing->count;
    uint64_t mask = 1;
    while (mask < timing->count) mask = mask * 2 + 1;

    // A linear congruential generator that visits every number once, its bits mixed.
    uint64_t state = 1;
    uint64_t done = 0;
    int64_t start = timing_now();
    while (done < faults) {
        state = (state * 0x5851f42d4c957f2du + 0x14057b7ef767814fu) & mask;
        uint64_t page = state ^ (state >> 7);
        if (page >= timing->count) continue;
        (void)*(volatile uint8_t *)(first + (int64_t)(page * 4096));
        done++;
    }
    timing->units = faults;
    return timing_now() - start;
}

HELPER_CODE int64_t timing_areas(uint64_t number, struct timing *timing) {
    if (number == TIME_MREMAP_MOVE) return time_move(timing, 0);
    if (number == TIME_MREMAP_MOVE_ALIGNED) return time_move(timing, 1);
    if (number == TIME_MPROTECT_TOGGLE) return time_protect(timing);
    if (number == TIME_VMA_CHURN) return time_churn(timing);
    if (number == TIME_VMA_SPLIT_MERGE) return time_split(timing);
    if (number == TIME_FAULT_RANDOM) return time_random_faults(timing);
    return -38;
}

#endif
