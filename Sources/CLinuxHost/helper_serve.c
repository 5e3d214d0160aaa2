// SPDX-License-Identifier: Apache-2.0
//
// The helper's loop: one request, one deed, one reply.

#define _GNU_SOURCE 1
#include "helper_internal.h"

#if defined(__x86_64__)

#include <asm/unistd.h>
#include <sys/socket.h>

enum {
    clone_parent = 0x8000,
    no_descriptor = -1,
};

/// A control message with one descriptor: a cmsghdr and what follows it.
struct descriptor_message {
    uint64_t length;
    int level;
    int type;
    int descriptor;
    int padding;
};

/// Takes the next request; the descriptor that came along, or no_descriptor.
static HELPER_CODE int helper_take_request(void) {
    struct iovec vector;
    struct msghdr message;
    struct descriptor_message control;
    vector.iov_base = HELPER_REQUEST;
    vector.iov_len = HELPER_PAYLOAD_IN - (uint64_t)HELPER_REQUEST + HELPER_PAYLOAD_MAX;
    message.msg_name = 0;
    message.msg_namelen = 0;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    message.msg_flags = 0;
    int64_t got = helper_syscall(__NR_recvmsg, HELPER_CHANNEL_FD, (uint64_t)&message, 0, 0, 0, 0);
    if (got <= 0) {
        helper_syscall(__NR_exit_group, 0, 0, 0, 0, 0, 0);
    }
    return message.msg_controllen >= sizeof(struct cmsghdr) + sizeof(int) ? control.descriptor
                                                                          : no_descriptor;
}

static HELPER_CODE void helper_send_reply(uint32_t payload_length) {
    uint64_t length = HELPER_PAYLOAD_OUT - (uint64_t)HELPER_REPLY + payload_length;
    int64_t sent = helper_syscall(__NR_sendto, HELPER_CHANNEL_FD, (uint64_t)HELPER_REPLY, length,
                                  MSG_NOSIGNAL, 0, 0);
    if (sent < 0) {
        helper_syscall(__NR_exit_group, 0, 0, 0, 0, 0, 0);
    }
}

/// Takes over `channel` as the one that this process serves.
static HELPER_CODE void helper_use_channel(int channel) {
    helper_syscall(__NR_dup3, channel, HELPER_CHANNEL_FD, 0, 0, 0, 0);
    helper_syscall(__NR_close, channel, 0, 0, 0, 0, 0);
}

// MARK: Accesses

static HELPER_CODE void helper_read_byte(void *address) { (void)*(volatile uint8_t *)address; }

/// A write that leaves the contents as they are.
static HELPER_CODE void helper_write_byte(void *address) {
    __asm__ volatile("orb $0, (%0)" : : "r"(address) : "memory");
}

/// What a store or a load works on.
struct helper_span {
    uint8_t *bytes;
    uint64_t length;
    uint64_t state;
};

/// The 64-bit finaliser of splitmix64 on `seed` advanced by one step.
static HELPER_CODE uint64_t helper_pattern(uint64_t seed) {
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static HELPER_CODE void helper_store(void *argument) {
    struct helper_span *span = argument;
    uint64_t word = 0;
    for (uint64_t i = 0; i < span->length; i++) {
        if (i % 8 == 0) word = helper_pattern(span->state + i / 8);
        *(volatile uint8_t *)(span->bytes + i) = (uint8_t)(word >> (i % 8 * 8));
    }
}

static HELPER_CODE void helper_load(void *argument) {
    struct helper_span *span = argument;
    uint64_t sum = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < span->length; i++) {
        sum = (sum ^ *(volatile uint8_t *)(span->bytes + i)) * 0x100000001b3u;
    }
    span->state = sum;
}

/// Touches the first byte of the span and of each page behind it, until one does not work.
static HELPER_CODE void helper_touch(uint64_t address, uint64_t length, uint64_t kind) {
    volatile struct helper_record *record = HELPER_RECORD;
    uint64_t left = length;
    uint64_t at = address;
    while (left != 0) {
        if (kind == 0) {
            helper_attempt(helper_read_byte, (void *)at);
        } else if (kind == 1) {
            helper_attempt(helper_write_byte, (void *)at);
        } else {
            record->target = at;
            record->arrived = 0;
            helper_attempt_execute(at);
            record->arrived = not_fetching;
        }
        if (record->signal != 0) return;
        uint64_t step = 4096 - at % 4096;
        if (step >= left) return;
        left -= step;
        at += step;
    }
}

// MARK: The loop

/// Forks. The child is the host's, not ours (CLONE_PARENT), so that the host can wait for it.
static HELPER_CODE int64_t helper_fork(int channel) {
    int64_t pid = helper_syscall(__NR_clone, clone_parent, 0, 0, 0, 0, 0);
    if (pid == 0) {
        helper_use_channel(channel);
    } else {
        helper_syscall(__NR_close, channel, 0, 0, 0, 0, 0);
    }
    return pid;
}

HELPER_CODE void helper_serve(void) {
    struct helper_request *request = HELPER_REQUEST;
    struct helper_reply *reply = HELPER_REPLY;
    volatile struct helper_record *record = HELPER_RECORD;
    record->arrived = not_fetching;

    reply->value = 0;
    reply->signal = 0;
    helper_send_reply(0);

    for (;;) {
        int descriptor = helper_take_request();
        uint64_t *arguments = request->arguments;
        struct helper_span span;
        reply->value = 0;
        reply->signal = 0;
        reply->code = 0;
        reply->address = 0;
        record->signal = 0;

        if (request->operation == HELPER_SYSCALL) {
            reply->value = helper_syscall(request->number, arguments[0], arguments[1],
                                          arguments[2], arguments[3], arguments[4], arguments[5]);
        } else if (request->operation == HELPER_TOUCH) {
            helper_touch(arguments[0], arguments[1], arguments[2]);
        } else if (request->operation == HELPER_STORE) {
            span.bytes = (uint8_t *)arguments[0];
            span.length = arguments[1];
            span.state = arguments[2];
            helper_attempt(helper_store, &span);
        } else if (request->operation == HELPER_LOAD_SUM) {
            span.bytes = (uint8_t *)arguments[0];
            span.length = arguments[1];
            helper_attempt(helper_load, &span);
            reply->value = (int64_t)span.state;
        } else if (request->operation == HELPER_FORK) {
            reply->value = helper_fork(descriptor);
            if (reply->value == 0) continue;  // the child's first reply answers a request of its own
        } else if (request->operation == HELPER_EXEC) {
            reply->value = helper_exec();
        } else if (request->operation == HELPER_EXEC_APART) {
            reply->value = helper_exec_apart(descriptor);
        } else if (request->operation == HELPER_ADOPT) {
            reply->value = descriptor;
        } else if (request->operation == HELPER_TIME) {
            helper_attempt(helper_time, 0);
        } else {
            reply->value = -38;
        }
        if (record->signal != 0) {
            reply->signal = (int32_t)record->signal;
            reply->code = (int32_t)record->code;
            reply->address = record->address;
        }
        helper_send_reply(request->reply_length);
    }
}

#endif
