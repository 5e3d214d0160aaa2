// SPDX-License-Identifier: Apache-2.0
//
// Memory that is put back to what it was, at the cost of the pages that were written.
//
// STATE   Twice the capacity is reserved: the memory itself, and as far again above it what the
//         written pages held when the arena was frozen. A frozen page is read-only until its first
//         write, which traps, copies the page to its shadow and makes it writable for good. After a
//         few runs all pages that a subject writes are known, and no run traps any more.

#define _GNU_SOURCE
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { page_bytes = 4096, line_bytes = 64 };

// Each fiber draws from a lane of its own, so that where its memory lies does not depend on what
// the others draw meanwhile; what runs outside of fibers has the first lane, half of all.
enum { lane_count = 17 };

struct explorer_arena {
    char *memory;
    size_t capacity;
    size_t used[lane_count];
    size_t frozen_used[lane_count];
    bool is_frozen;
    /// Numbers of the pages that were written since the arena was frozen, in order of the first.
    uint32_t *written;
    size_t written_count;
};

static __thread explorer_arena *arena_in_use;
static __thread unsigned lane_in_use;

static size_t lane_start(const explorer_arena *arena, unsigned lane) {
    if (lane == 0) return 0;
    return arena->capacity / 2 + arena->capacity / 2 / (lane_count - 1) * (lane - 1);
}

explorer_arena *explorer_arena_create(size_t capacity) {
    // Lanes are whole pages.
    size_t unit = 2 * (lane_count - 1) * page_bytes;
    capacity = (capacity + unit - 1) / unit * unit;
    char *memory = mmap(NULL, 2 * capacity, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    // Pages are protected one by one, which huge ones cannot be.
    madvise(memory, 2 * capacity, MADV_NOHUGEPAGE);
    explorer_arena *arena = calloc(1, sizeof *arena);
    uint32_t *written = malloc(capacity / page_bytes * sizeof *written);
    if (arena == NULL || written == NULL) {
        free(arena);
        free(written);
        munmap(memory, 2 * capacity);
        return NULL;
    }
    arena->memory = memory;
    arena->capacity = capacity;
    arena->written = written;
    for (unsigned lane = 0; lane < lane_count; lane++) arena->used[lane] = lane_start(arena, lane);
    return arena;
}

void explorer_arena_destroy(explorer_arena *arena) {
    if (arena_in_use == arena) arena_in_use = NULL;
    munmap(arena->memory, 2 * arena->capacity);
    free(arena->written);
    free(arena);
}

void explorer_arena_use(explorer_arena *arena) { arena_in_use = arena; }

void explorer_set_lane(unsigned lane) { lane_in_use = lane; }

void *explorer_arena_allocate(size_t bytes, size_t alignment) {
    explorer_arena *arena = arena_in_use;
    if (arena == NULL) return NULL;
    if (alignment < 16) alignment = 16;
    unsigned lane = lane_in_use;
    size_t end = lane + 1 < lane_count ? lane_start(arena, lane + 1) : arena->capacity;
    size_t start = (arena->used[lane] + alignment - 1) & ~(alignment - 1);
    if (start > end || bytes > end - start) return NULL;
    arena->used[lane] = start + bytes;
    return arena->memory + start;
}

explorer_arena *explorer_arena_in_use(void) { return arena_in_use; }

bool explorer_arena_contains(const explorer_arena *arena, uintptr_t address, size_t *offset) {
    if (arena == NULL || address - (uintptr_t)arena->memory >= arena->capacity) return false;
    *offset = address - (uintptr_t)arena->memory;
    return true;
}

bool explorer_arena_freeze(explorer_arena *arena) {
    arena->is_frozen = true;
    memcpy(arena->frozen_used, arena->used, sizeof arena->used);
    arena->written_count = 0;
    return mprotect(arena->memory, arena->capacity, PROT_READ) == 0;
}

bool explorer_arena_note_write(uintptr_t address) {
    explorer_arena *arena = arena_in_use;
    if (arena == NULL || !arena->is_frozen) return false;
    if (address - (uintptr_t)arena->memory >= arena->capacity) return false;
    uint32_t page = (uint32_t)((address - (uintptr_t)arena->memory) / page_bytes);
    char *start = arena->memory + (size_t)page * page_bytes;
    memcpy(start + arena->capacity, start, page_bytes);
    arena->written[arena->written_count++] = page;
    return mprotect(start, page_bytes, PROT_READ | PROT_WRITE) == 0;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

uint64_t explorer_arena_fingerprint(const explorer_arena *arena) {
    // A sum over lines, so that the order in which pages were first written does not matter.
    uint64_t sum = 0;
    for (size_t index = 0; index < arena->written_count; index++) {
        size_t offset = (size_t)arena->written[index] * page_bytes;
        const char *now = arena->memory + offset;
        const char *before = now + arena->capacity;
        for (size_t line = 0; line < page_bytes; line += line_bytes) {
            if (memcmp(now + line, before + line, line_bytes) == 0) continue;
            uint64_t words[line_bytes / 8];
            memcpy(words, now + line, line_bytes);
            uint64_t hash = offset + line;
            for (int word = 0; word < line_bytes / 8; word++) hash = mix(hash, words[word]);
            sum += hash;
        }
    }
    return sum;
}

void explorer_arena_restore(explorer_arena *arena) {
    for (size_t index = 0; index < arena->written_count; index++) {
        char *now = arena->memory + (size_t)arena->written[index] * page_bytes;
        memcpy(now, now + arena->capacity, page_bytes);
    }
    memcpy(arena->used, arena->frozen_used, sizeof arena->used);
}

size_t explorer_arena_written_pages(const explorer_arena *arena) { return arena->written_count; }
