// SPDX-License-Identifier: Apache-2.0
//
// Switching fibers: the registers that a callee must preserve go to the stack that is left, and
// come from the one that is entered.

#define _GNU_SOURCE
#include "CExplorer.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread void *current;

void *explorer_current(void) { return current; }
void explorer_set_current(void *value) { current = value; }

static __thread uint8_t tag;
static __thread uint8_t planted;

uint8_t explorer_control(void) { return current == NULL ? planted : (uint8_t)(tag + 1); }
void explorer_plant(uint8_t value) { planted = value; }
void explorer_set_tag(uint8_t value) { tag = value; }

static explorer_arrival arrival;

void explorer_set_arrival(explorer_arrival value) { arrival = value; }

void explorer_reach(uint8_t point, uintptr_t object) {
    if (current != NULL)
        arrival(current, point, object, (uintptr_t)__builtin_return_address(0));
}

void explorer_reach_for_caller(uint8_t point, uintptr_t object) {
    if (current == NULL) return;
    // A frame begins with the frame pointer of its caller; the address to return to follows.
    uintptr_t **frame = __builtin_frame_address(0);
    arrival(current, point, object, frame[0] == NULL ? 0 : frame[0][1]);
}

extern _Bool _swift_disableExclusivityChecking;

// The runtime has one switch for the process, and runs may go on in several of its threads.
static pthread_mutex_t exclusivity_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned exclusivity_suspensions;

void explorer_suspend_exclusivity_checks(void) {
    pthread_mutex_lock(&exclusivity_lock);
    if (exclusivity_suspensions++ == 0) _swift_disableExclusivityChecking = true;
    pthread_mutex_unlock(&exclusivity_lock);
}

void explorer_resume_exclusivity_checks(void) {
    pthread_mutex_lock(&exclusivity_lock);
    if (--exclusivity_suspensions == 0) _swift_disableExclusivityChecking = false;
    pthread_mutex_unlock(&exclusivity_lock);
}

void *explorer_stack_allocate(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    if (mprotect(memory, page, PROT_NONE) != 0) {
        munmap(memory, bytes + page);
        return NULL;
    }
    return memory + page;
}

void explorer_stack_free(void *stack, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap((char *)stack - page, bytes + page);
}

// The frame pointer of a fiber's first frame is 0, which ends every walk of its stack.

#if defined(__x86_64__)

__asm__(
    ".text\n"
    ".globl explorer_fiber_switch\n"
    ".type explorer_fiber_switch, @function\n"
    "explorer_fiber_switch:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    ".size explorer_fiber_switch, .-explorer_fiber_switch\n"
    ".type explorer_fiber_start, @function\n"
    "explorer_fiber_start:\n"
    "    movq %r13, %rdi\n"
    "    callq *%r12\n"
    "    ud2\n"
    ".size explorer_fiber_start, .-explorer_fiber_start\n");

void explorer_fiber_start(void);

void *explorer_fiber_prepare(void *stack, size_t bytes, void (*body)(void *), void *argument) {
    // The stack pointer is a multiple of 16 when `explorer_fiber_start` calls the body.
    uintptr_t *top = (uintptr_t *)(((uintptr_t)stack + bytes) & ~(uintptr_t)15);
    *--top = 0;
    *--top = 0;
    *--top = (uintptr_t)explorer_fiber_start;
    *--top = 0;                    // rbp
    *--top = 0;                    // rbx
    *--top = (uintptr_t)body;      // r12
    *--top = (uintptr_t)argument;  // r13
    *--top = 0;                    // r14
    *--top = 0;                    // r15
    return top;
}

#elif defined(__aarch64__)

__asm__(
    ".text\n"
    ".globl explorer_fiber_switch\n"
    ".type explorer_fiber_switch, %function\n"
    "explorer_fiber_switch:\n"
    "    sub sp, sp, #160\n"
    "    stp x19, x20, [sp, #0]\n"
    "    stp x21, x22, [sp, #16]\n"
    "    stp x23, x24, [sp, #32]\n"
    "    stp x25, x26, [sp, #48]\n"
    "    stp x27, x28, [sp, #64]\n"
    "    stp x29, x30, [sp, #80]\n"
    "    stp d8, d9, [sp, #96]\n"
    "    stp d10, d11, [sp, #112]\n"
    "    stp d12, d13, [sp, #128]\n"
    "    stp d14, d15, [sp, #144]\n"
    "    mov x9, sp\n"
    "    str x9, [x0]\n"
    "    mov sp, x1\n"
    "    ldp x19, x20, [sp, #0]\n"
    "    ldp x21, x22, [sp, #16]\n"
    "    ldp x23, x24, [sp, #32]\n"
    "    ldp x25, x26, [sp, #48]\n"
    "    ldp x27, x28, [sp, #64]\n"
    "    ldp x29, x30, [sp, #80]\n"
    "    ldp d8, d9, [sp, #96]\n"
    "    ldp d10, d11, [sp, #112]\n"
    "    ldp d12, d13, [sp, #128]\n"
    "    ldp d14, d15, [sp, #144]\n"
    "    add sp, sp, #160\n"
    "    ret\n"
    ".size explorer_fiber_switch, .-explorer_fiber_switch\n"
    ".type explorer_fiber_start, %function\n"
    "explorer_fiber_start:\n"
    "    mov x0, x20\n"
    "    blr x19\n"
    "    brk #1\n"
    ".size explorer_fiber_start, .-explorer_fiber_start\n");

void explorer_fiber_start(void);

void *explorer_fiber_prepare(void *stack, size_t bytes, void (*body)(void *), void *argument) {
    uintptr_t *frame = (uintptr_t *)((((uintptr_t)stack + bytes) & ~(uintptr_t)15) - 160);
    for (int word = 0; word < 20; word++) frame[word] = 0;
    frame[0] = (uintptr_t)body;                    // x19
    frame[1] = (uintptr_t)argument;                // x20
    frame[11] = (uintptr_t)explorer_fiber_start;   // x30
    return frame;
}

#else
#error "fibers are written for x86-64 and aarch64"
#endif
