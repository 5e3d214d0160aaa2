// SPDX-License-Identifier: Apache-2.0
//
// Signals that a fiber raises: writes to a frozen arena go on, everything else ends the fiber.

#define _GNU_SOURCE
#include "internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
enum { signal_count = sizeof signals / sizeof signals[0] };

static struct sigaction previous[signal_count];
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static bool is_installed;

static __thread explorer_trap_handler handler;
static __thread explorer_trap trap;
static __thread void *signal_stack;
static __thread char overflow_stack[64 << 10] __attribute__((aligned(16)));

/// Runs where the fiber trapped, on its stack.
static void deliver(void) {
    handler(trap);
    abort();
}

static bool is_stack_overflow(uintptr_t address, uintptr_t stack_pointer) {
    // A fault near the stack pointer: there is no stack left to go on with.
    return address + 4096 > stack_pointer && address < stack_pointer + 4096;
}

static void on_signal(int number, siginfo_t *info, void *raw) {
    uintptr_t address = (uintptr_t)info->si_addr;
    if (number == SIGSEGV && explorer_arena_note_write(address)) return;
    if (handler == NULL || explorer_current() == NULL) {
        // Not an exploration's: what would have happened without one happens on return.
        for (int index = 0; index < signal_count; index++)
            if (signals[index] == number) sigaction(number, &previous[index], NULL);
        if (number == SIGABRT) raise(number);
        return;
    }
    trap.signal = number;
    trap.address = address;
    ucontext_t *context = raw;
#if defined(__x86_64__)
    greg_t *registers = context->uc_mcontext.gregs;
    uintptr_t stack = (uintptr_t)registers[REG_RSP];
    bool overflows = number == SIGSEGV && is_stack_overflow(address, stack);
    stack = overflows ? (uintptr_t)(overflow_stack + sizeof overflow_stack) : stack - 128;
    stack = (stack & ~(uintptr_t)15) - 8;
    // As if the instruction had called: a walk of the stack finds it.
    *(uintptr_t *)stack = (uintptr_t)registers[REG_RIP];
    registers[REG_RSP] = (greg_t)stack;
    registers[REG_RIP] = (greg_t)(uintptr_t)deliver;
#elif defined(__aarch64__)
    mcontext_t *registers = &context->uc_mcontext;
    if (number == SIGSEGV && is_stack_overflow(address, registers->sp))
        registers->sp = (uintptr_t)(overflow_stack + sizeof overflow_stack);
    registers->sp &= ~(uintptr_t)15;
    registers->regs[30] = registers->pc;
    registers->pc = (uintptr_t)deliver;
#endif
}

static void install(void) {
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    is_installed = true;
    for (int index = 0; index < signal_count; index++)
        if (sigaction(signals[index], &action, &previous[index]) != 0) is_installed = false;
}

bool explorer_catch_traps(explorer_trap_handler new_handler) {
    pthread_once(&installed, install);
    if (signal_stack == NULL) {
        size_t bytes = 64 << 10;
        signal_stack = malloc(bytes);
        stack_t stack = {.ss_sp = signal_stack, .ss_size = bytes};
        if (signal_stack == NULL || sigaltstack(&stack, NULL) != 0) return false;
    }
    handler = new_handler;
    return is_installed;
}
