// SPDX-License-Identifier: Apache-2.0
//
// How the helper comes to life: from the kernel's first instruction to its two areas at home. What
// else the kernel mapped, the host has it unmap (Helper+Space.swift).

#define _GNU_SOURCE 1
#include "helper_internal.h"

#if defined(__x86_64__)

#include <asm/unistd.h>

enum {
    address_no_randomize = 0x0040000,
    rlimit_stack = 3,
    prot_read_write = 3,
    prot_read_execute = 5,
    map_private_anonymous_fixed = 0x32,
};

// The kernel enters at helper_start_here with the stack pointer at argc. helper_move continues at
// its second argument on the stack given by its first, and never returns.
__asm__(
    ".pushsection mooring_helper,\"ax\",@progbits\n"
    ".globl helper_start_here\n"
    ".hidden helper_start_here\n"
    ".type helper_start_here,@function\n"
    "helper_start_here:\n"
    "    xorl %ebp, %ebp\n"
    "    movq %rsp, %rdi\n"
    "    andq $-16, %rsp\n"
    "    call helper_boot\n"
    "    hlt\n"
    ".globl helper_move\n"
    ".hidden helper_move\n"
    ".type helper_move,@function\n"
    "helper_move:\n"
    "    movq %rdi, %rsp\n"
    "    xorl %ebp, %ebp\n"
    "    call *%rsi\n"
    "    hlt\n"
    ".popsection\n");

/// Limits the stack where it has no limit: a process that is executed without one has its mappings
/// put bottom-up, from the middle of the address space.
static HELPER_CODE void helper_limit_stack(void) {
    const uint64_t infinity = ~0ull;
    struct {
        uint64_t soft;
        uint64_t hard;
    } limit;
    if (helper_syscall(__NR_prlimit64, 0, rlimit_stack, 0, (uint64_t)&limit, 0, 0) != 0) return;
    if (limit.soft != infinity) return;
    limit.soft = 8 << 20;
    helper_syscall(__NR_prlimit64, 0, rlimit_stack, (uint64_t)&limit, 0, 0, 0);
}

void helper_move(uint64_t stack, uint64_t code) __attribute__((visibility("hidden")));

/// What runs at home.
HELPER_CODE void helper_settle(void) {
    // Each page is touched now, so that the helper's resident memory never changes.
    for (uint64_t page = HELPER_HOME; page < HELPER_HOME + HELPER_HALF; page += 4096) {
        *(volatile uint8_t *)page = 0;
    }
    helper_install_handlers();
    helper_serve();
}

HELPER_CODE void helper_boot(const uint64_t *stack) {
    if (stack[0] < 2) {
        // The host's own start: nothing of the host's comes along, and addresses shall not be
        // random but top-down, which takes effect at the next exec.
        helper_syscall(__NR_close_range, HELPER_IMAGE_FD + 1, ~0u, 0, 0, 0, 0);
        uint64_t personality = helper_syscall(__NR_personality, 0xffffffff, 0, 0, 0, 0, 0);
        helper_syscall(__NR_personality, personality | address_no_randomize, 0, 0, 0, 0, 0);
        helper_limit_stack();
        helper_exec();
        helper_syscall(__NR_exit_group, 127, 0, 0, 0, 0, 0);
    }

    uint64_t code = HELPER_HOME + HELPER_HALF;
    if (helper_syscall(__NR_mmap, HELPER_HOME, 2 * HELPER_HALF, prot_read_write,
                       map_private_anonymous_fixed, ~0ull, 0) != HELPER_HOME) {
        helper_syscall(__NR_exit_group, 126, 0, 0, 0, 0, 0);
    }
    for (uint64_t offset = 0; offset < HELPER_HALF; offset += 8) {
        *(volatile uint64_t *)(code + offset) = *(volatile uint64_t *)(HELPER_LOAD + offset);
    }
    if (helper_syscall(__NR_mprotect, code, HELPER_HALF, prot_read_execute, 0, 0, 0) != 0) {
        helper_syscall(__NR_exit_group, 125, 0, 0, 0, 0, 0);
    }
    helper_move(HELPER_STACK_TOP - 64, (uint64_t)&helper_settle - HELPER_LOAD + code);
}

#endif
