// SPDX-License-Identifier: Apache-2.0
//
// Accesses that may end in a signal, and what the helper does about the signal: it writes down
// what happened and carries on behind the access.
//
// STATE   helper_record: where to resume. One access at a time.

#define _GNU_SOURCE 1
#include "helper_internal.h"

#if defined(__x86_64__)

#include <asm/unistd.h>
#include <signal.h>
#include <ucontext.h>

enum {
    sa_siginfo = 4,
    sa_onstack = 0x08000000,
    sa_restorer = 0x04000000,
    sa_nodefer = 0x40000000,
    instruction_fetch = 0x10,
    trap_flag = 0x100,  // the assembly below sets it
    direction_flag = 0x400,
    alignment_flag = 0x40000,
};

/// sigaction as the kernel takes it.
struct kernel_sigaction {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

#define TEXT_OF(value) #value
#define TEXT(macro) TEXT_OF(macro)

// helper_attempt saves the registers that a function must preserve and writes down where to
// resume, so that a handler can abandon the function at any instruction.
//
// helper_attempt_execute does the same and then executes one instruction at its argument: the
// trap flag ends it after that one. Every register points at scratch memory, so that a zeroed
// page (`add %al,(%rax)`) does no harm. The trap after `ret` is the arrival; helper_fault lets it
// pass.
__asm__(
    ".pushsection mooring_helper,\"ax\",@progbits\n"
    ".globl helper_attempt\n"
    ".hidden helper_attempt\n"
    ".type helper_attempt,@function\n"
    "helper_attempt:\n"
    "    movq %rdi, %rdx\n"
    "    movq %rsi, %rdi\n"
    "    pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15; pushq %r15\n"
    "    movabsq $" TEXT(HELPER_HOME) ", %rcx\n"
    "    leaq 1f(%rip), %rax\n"
    "    movq %rax, 0(%rcx)\n"
    "    movq %rsp, 8(%rcx)\n"
    "    call *%rdx\n"
    "    xorl %eax, %eax\n"
    "    jmp 2f\n"
    "1:  movl $1, %eax\n"
    "2:  popq %r15; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx\n"
    "    ret\n"
    ".globl helper_attempt_execute\n"
    ".hidden helper_attempt_execute\n"
    ".type helper_attempt_execute,@function\n"
    "helper_attempt_execute:\n"
    "    pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15; pushq %r15\n"
    "    movabsq $" TEXT(HELPER_HOME) ", %rcx\n"
    "    leaq 1b(%rip), %rax\n"
    "    movq %rax, 0(%rcx)\n"
    "    movq %rsp, 8(%rcx)\n"
    "    pushq %rdi\n"
    "    pushfq\n"
    "    orq $0x100, (%rsp)\n"
    "    addq $0x800, %rcx\n"
    "    movq %rcx, %rax; movq %rcx, %rbx; movq %rcx, %rdx; movq %rcx, %rsi; movq %rcx, %rdi\n"
    "    movq %rcx, %rbp; movq %rcx, %r8; movq %rcx, %r9; movq %rcx, %r10; movq %rcx, %r11\n"
    "    movq %rcx, %r12; movq %rcx, %r13; movq %rcx, %r14; movq %rcx, %r15\n"
    "    popfq\n"
    "    ret\n"
    ".globl helper_return_from_signal\n"
    ".hidden helper_return_from_signal\n"
    ".type helper_return_from_signal,@function\n"
    "helper_return_from_signal:\n"
    "    movl $15, %eax\n"
    "    syscall\n"
    ".popsection\n");

void helper_return_from_signal(void) __attribute__((visibility("hidden")));

static HELPER_CODE void helper_fault(int signal, siginfo_t *info, void *context) {
    volatile struct helper_record *record = HELPER_RECORD;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    if (record->arrived != not_fetching) {
        uint64_t at = registers[REG_RIP];
        if (signal == SIGTRAP && at == record->target && !record->arrived) {
            record->arrived = 1;
            return;
        }
        // Past the fetch, whatever the instruction did is no concern of ours.
        if (!record->arrived || (registers[REG_ERR] & instruction_fetch && signal != SIGTRAP)) {
            record->signal = signal;
        }
    } else {
        record->signal = signal;
    }
    record->code = info->si_code;
    record->address = (uint64_t)info->si_addr;
    registers[REG_RIP] = record->resume_at;
    registers[REG_RSP] = record->resume_stack;
    registers[REG_EFL] &= ~(greg_t)(trap_flag | direction_flag | alignment_flag);
}

HELPER_CODE void helper_install_handlers(void) {
    stack_t stack;
    stack.ss_sp = (void *)HELPER_SIGNAL_STACK;
    stack.ss_flags = 0;
    stack.ss_size = HELPER_SIGNAL_STACK_SIZE;
    helper_syscall(__NR_sigaltstack, (uint64_t)&stack, 0, 0, 0, 0, 0);

    struct kernel_sigaction action;
    action.handler = (uint64_t)&helper_fault;
    action.flags = sa_siginfo | sa_onstack | sa_restorer | sa_nodefer;
    action.restorer = (uint64_t)&helper_return_from_signal;
    action.mask = 0;
    helper_syscall(__NR_rt_sigaction, SIGSEGV, (uint64_t)&action, 0, 8, 0, 0);
    helper_syscall(__NR_rt_sigaction, SIGBUS, (uint64_t)&action, 0, 8, 0, 0);
    helper_syscall(__NR_rt_sigaction, SIGTRAP, (uint64_t)&action, 0, 8, 0, 0);
    helper_syscall(__NR_rt_sigaction, SIGILL, (uint64_t)&action, 0, 8, 0, 0);
    helper_syscall(__NR_rt_sigaction, SIGFPE, (uint64_t)&action, 0, 8, 0, 0);
}

#endif
