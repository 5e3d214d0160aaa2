// SPDX-License-Identifier: Apache-2.0
//
// A fresh address space: the helper's program executed anew, in its own process or in another.

#define _GNU_SOURCE 1
#include "helper_internal.h"

#if defined(__x86_64__)

#include <asm/unistd.h>

enum { at_empty_path = 0x1000 };

// helper_clone_exec starts a process that shares this one's memory, as vfork(2) does, and has it
// take over `channel` and execute HELPER_IMAGE_FD. This one waits until it has. Both are on one
// stack, so that the other must not use it: all that it needs is in registers.
//
//   rdi  channel    rsi  the empty path    rdx  arguments    rcx  environment
//
// 0xc100 is CLONE_VM, CLONE_VFORK and CLONE_PARENT: the host is to wait for it, not this process.
__asm__(
    ".pushsection mooring_helper,\"ax\",@progbits\n"
    ".globl helper_clone_exec\n"
    ".hidden helper_clone_exec\n"
    ".type helper_clone_exec,@function\n"
    "helper_clone_exec:\n"
    "    pushq %rbx; pushq %r12; pushq %r13; pushq %r14\n"
    "    movl %edi, %ebx\n"
    "    movq %rsi, %r12\n"
    "    movq %rdx, %r13\n"
    "    movq %rcx, %r14\n"
    "    movl $0xc100, %edi\n"
    "    xorl %esi, %esi; xorl %edx, %edx; xorl %r10d, %r10d; xorl %r8d, %r8d\n"
    "    movl $56, %eax\n"  // clone
    "    syscall\n"
    "    testq %rax, %rax\n"
    "    jnz 1f\n"
    "    movl %ebx, %edi; xorl %esi, %esi; xorl %edx, %edx\n"
    "    movl $292, %eax\n"  // dup3(channel, HELPER_CHANNEL_FD, 0)
    "    syscall\n"
    "    movl %ebx, %edi\n"
    "    movl $3, %eax\n"  // close(channel)
    "    syscall\n"
    "    movl $1, %edi; movq %r12, %rsi; movq %r13, %rdx; movq %r14, %r10; movl $0x1000, %r8d\n"
    "    movl $322, %eax\n"  // execveat(HELPER_IMAGE_FD, "", arguments, environment, AT_EMPTY_PATH)
    "    syscall\n"
    "    movl $126, %edi\n"
    "    movl $231, %eax\n"  // exit_group
    "    syscall\n"
    "    hlt\n"
    "1:  popq %r14; popq %r13; popq %r12; popq %rbx\n"
    "    ret\n"
    ".popsection\n");

int64_t helper_clone_exec(int channel, const char *path, const char **arguments,
                          const char **environment) __attribute__((visibility("hidden")));

/// Two empty arguments, which tell the helper that it is no first one, and no environment.
struct helper_arguments {
    char empty;
    const char *list[4];
};

static HELPER_CODE void helper_fill(struct helper_arguments *arguments) {
    arguments->empty = 0;
    arguments->list[0] = &arguments->empty;
    arguments->list[1] = &arguments->empty;
    arguments->list[2] = 0;
    arguments->list[3] = 0;
}

HELPER_CODE int64_t helper_exec(void) {
    struct helper_arguments arguments;
    helper_fill(&arguments);
    return helper_syscall(__NR_execveat, HELPER_IMAGE_FD, (uint64_t)&arguments.empty,
                          (uint64_t)arguments.list, (uint64_t)(arguments.list + 2), at_empty_path,
                          0);
}

HELPER_CODE int64_t helper_exec_apart(int channel) {
    struct helper_arguments arguments;
    helper_fill(&arguments);
    int64_t pid =
        helper_clone_exec(channel, &arguments.empty, arguments.list, arguments.list + 2);
    helper_syscall(__NR_close, channel, 0, 0, 0, 0, 0);
    return pid;
}

#endif
