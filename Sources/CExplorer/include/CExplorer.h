// SPDX-License-Identifier: Apache-2.0
//
// What the explorer needs below Swift: fibers that change without a system call, traps that end a
// fiber instead of the program, and memory that is put back to what it was.

#ifndef CEXPLORER_H
#define CEXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Fibers

/// Memory for a fiber's stack, with a page below it that nobody may touch; NULL when there is none.
void *explorer_stack_allocate(size_t bytes);
void explorer_stack_free(void *stack, size_t bytes);

/// A context that runs `body(argument)` when first switched to; `body` must not return.
void *explorer_fiber_prepare(void *stack, size_t bytes, void (*body)(void *), void *argument);

/// Saves the running context in `*save` and goes on with `to`.
void explorer_fiber_switch(void **save, void *to);

// MARK: The thread's exploration

/// What `explorer_set_current` stored on this thread of the host, or NULL.
void *explorer_current(void);
void explorer_set_current(void *current);

/// What `explorer_plant` stored on a thread without an exploration, 0 without either; else 1 more
/// than what `explorer_set_tag` stored on it.
uint8_t explorer_control(void);
void explorer_set_tag(uint8_t tag);
void explorer_plant(uint8_t control);

/// Told of every point that a thread with an exploration comes to. `site` is the address of the
/// code that came to it.
typedef void (*explorer_arrival)(void *current, uint8_t point, uintptr_t object, uintptr_t site);

void explorer_set_arrival(explorer_arrival arrival);

/// Comes to a point; the site is where this is called.
void explorer_reach(uint8_t point, uintptr_t object);

/// Comes to a point; the site is where the function that calls this was called.
void explorer_reach_for_caller(uint8_t point, uintptr_t object);

// MARK: Traps

/// What ended a fiber.
typedef struct {
    int signal;
    uintptr_t address;
} explorer_trap;

/// Called on the stack of the fiber that trapped, as if by the instruction that did; must not
/// return.
typedef void (*explorer_trap_handler)(explorer_trap trap);

/// From now on a trap on this thread calls `handler`; NULL gives traps back to the program.
///
/// Returns false where the host refuses the signal handlers or their stack.
bool explorer_catch_traps(explorer_trap_handler handler);

// MARK: Arenas

/// Memory whose contents can be put back. One thread of the host uses it at a time.
typedef struct explorer_arena explorer_arena;

/// An arena for at most `capacity` bytes, which cost nothing until they are used; NULL when there
/// is no address space left.
explorer_arena *explorer_arena_create(size_t capacity);
void explorer_arena_destroy(explorer_arena *arena);

/// Lets this thread's calls of `explorer_arena_allocate` draw from an arena, or from none.
void explorer_arena_use(explorer_arena *arena);

/// Who draws from the arena: 0 outside of fibers, else a fiber's number from 1 to 16.
void explorer_set_lane(unsigned lane);

/// Memory of the thread's arena; NULL where it has none or nothing is left. Never given back.
void *explorer_arena_allocate(size_t bytes, size_t alignment);

/// The thread's arena, or NULL.
explorer_arena *explorer_arena_in_use(void);

/// Whether an address lies in an arena; sets `*offset` to where. No arena contains any.
bool explorer_arena_contains(const explorer_arena *arena, uintptr_t address, size_t *offset);

/// Declares the present contents to be what `explorer_arena_restore` returns to.
///
/// From now on the first write to a page costs a trap, which remembers the page's contents.
/// Traps must be caught on the thread that writes.
bool explorer_arena_freeze(explorer_arena *arena);

/// A number for what differs from the frozen contents; the same contents give the same number.
uint64_t explorer_arena_fingerprint(const explorer_arena *arena);

/// Puts everything back to the frozen contents.
void explorer_arena_restore(explorer_arena *arena);

/// Pages that were ever written since the arena was frozen.
size_t explorer_arena_written_pages(const explorer_arena *arena);

// MARK: Checks of the language's runtime

/// Turns the runtime's checks of exclusive access off for the process until every suspension has
/// been resumed: they keep a list for each thread of the host, which fibers would mix up.
void explorer_suspend_exclusivity_checks(void);
void explorer_resume_exclusivity_checks(void);

#endif
