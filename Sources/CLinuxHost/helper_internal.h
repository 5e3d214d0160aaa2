// SPDX-License-Identifier: Apache-2.0
//
// What the helper's own files share: how its code is compiled, and its system calls.
//
// The helper's functions are compiled into a section of their own, which helper_image.c copies
// into a program. So they may refer to each other only, relative to the instruction, and to
// nothing outside of the section: no libc, no global data, no string constants, no jump tables.
// HELPER_CODE keeps the compiler from adding such references by itself: it forbids optimisation
// (which turns loops into memset and switches into tables) and instrumentation. In the bodies it
// is on us: no initialisers of arrays or large structs, no string literals, no floating point.

#ifndef MOORING_HELPER_INTERNAL_H
#define MOORING_HELPER_INTERNAL_H

#include <stdint.h>
#include "helper_protocol.h"

#define HELPER_CODE                                                                              \
    __attribute__((section("mooring_helper"), optnone, noinline, no_stack_protector,             \
                   disable_sanitizer_instrumentation, no_sanitize("undefined"),                  \
                   no_profile_instrument_function, unused, visibility("hidden")))

/// The fault record at the start of the data half; helper_faults.c owns it, and the offsets are
/// known to the assembly there.
struct helper_record {
    uint64_t resume_at;     // 0
    uint64_t resume_stack;  // 8
    uint64_t target;        // 16: where an execute access goes
    uint64_t arrived;       // 24: whether it got there, or `not_fetching`
    int64_t signal;         // 32: what happened; 0 is nothing
    int64_t code;           // 40
    uint64_t address;       // 48
};

/// What `arrived` says while no instruction is to be fetched.
#define not_fetching 2

#define HELPER_RECORD ((volatile struct helper_record *)HELPER_HOME)
/// Memory that an instruction of an execute access may scribble on.
#define HELPER_SCRATCH (HELPER_HOME + 0x800)
#define HELPER_REQUEST ((struct helper_request *)(HELPER_HOME + 0x1000))
#define HELPER_REPLY ((struct helper_reply *)(HELPER_HOME + 0x2000))
_Static_assert(HELPER_PAYLOAD_IN == HELPER_HOME + 0x1080, "behind the request's header");
_Static_assert(HELPER_PAYLOAD_OUT == HELPER_HOME + 0x2080, "behind the reply's header");
_Static_assert(sizeof(struct helper_request) <= 0x80, "the header fits");

#define HELPER_SIGNAL_STACK (HELPER_HOME + 0x3000)
#define HELPER_SIGNAL_STACK_SIZE 0x3000
#define HELPER_STACK_TOP (HELPER_HOME + HELPER_HALF)

/// The descriptors that a helper is born with.
#define HELPER_CHANNEL_FD 0
#define HELPER_IMAGE_FD 1

/// A system call; an error comes back as -errno.
static HELPER_CODE int64_t helper_syscall(uint64_t number, uint64_t a, uint64_t b, uint64_t c,
                                          uint64_t d, uint64_t e, uint64_t f) {
    int64_t result;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

// Hidden, or their addresses would be fetched from the global offset table.
#pragma GCC visibility push(hidden)

/// Calls `function(argument)`; 0 when it returned, 1 when a signal ended it (see the record).
int64_t helper_attempt(void (*function)(void *), void *argument);

/// Fetches an instruction at `address` and executes it; 0 or 1 as helper_attempt.
int64_t helper_attempt_execute(uint64_t address);

/// Handles the signals that accesses end in, on the signal stack.
void helper_install_handlers(void);

/// Executes a fresh copy of this program; returns only when that fails, with -errno.
int64_t helper_exec(void);

/// Starts a process that executes a fresh copy and serves `channel`: its pid, or -errno.
int64_t helper_exec_apart(int channel);

/// Serves requests until the channel ends.
void helper_serve(void);

/// Carries out HELPER_TIME: the present request, into the present reply. For helper_attempt.
void helper_time(void *unused);

#pragma GCC visibility pop

#endif
